"""Where each image shows sky.

What enters is a folder that repeats the data set's image files as PNGs of the same size, non-zero
on the sky: `samples/CAM_FRONT/x.jpg` has its mask at `samples/CAM_FRONT/x.png`. What leaves are
masks in target pixels. Every image needs one: a missing mask would silently put rays into the sky.
"""

from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from mim4d.data.images.mask_image import place_mask, read_mask, refuse_other_size
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.errors import MissingFileError


class SkyMasks:
    """The masks of one data set.

    Args:
        folder: Holds the masks, by the images' paths below the data set.

    Raises:
        DataError: If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise MissingFileError(
                f"sky masks {folder}: no such folder; give one with a PNG per image, non-zero on "
                "the sky, or leave the option out"
            )

    def placed(
        self, filename: str, placement: ImagePlacement, stored_hw: Size, target_hw: Size
    ) -> Bool[Tensor, "h w"]:
        """One image's mask in its target; False in the padding.

        Args:
            filename: The image, relative to the data set.
            placement: How the image is laid into its target.
            stored_hw: Rows and columns of the stored image.
            target_hw: Rows and columns of the target.

        Raises:
            DataError: If the mask is missing, damaged or not of its image's size.
        """
        path = (self._folder / filename).with_suffix(".png")
        if not path.is_file():
            raise MissingFileError(
                f"sky mask {path} of image {filename} not found; make one for every image (all "
                "zero where no sky is seen), or leave the option out"
            )
        mask = read_mask(path, "sky mask")
        refuse_other_size(mask, stored_hw, path, "sky mask")
        return place_mask(mask, placement, stored_hw, target_hw)
