"""Where each camera sees its own car.

What enters is a folder with `<CHANNEL>.png` of the size of the camera's stored images, non-zero
where the picture shows the car that carries the camera. What leaves are masks in target pixels,
laid there as the images are. A camera without a file sees nothing of its car; that is logged.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from mim4d.data.images.mask_image import place_mask, read_mask, refuse_other_size
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.errors import MissingFileError

_LOGGER = logging.getLogger(__name__)


class BodyMasks:
    """The masks of one rig.

    Args:
        folder: Holds `<CHANNEL>.png`.
        cameras: Channels of the `n` cameras.

    Raises:
        DataError: If the folder holds no mask of any of the cameras, or a file is damaged.
    """

    def __init__(self, folder: Path, cameras: Sequence[str]) -> None:
        self._paths = [folder / f"{camera}.png" for camera in cameras]
        there = [path.is_file() for path in self._paths]
        if not any(there):
            names = ", ".join(path.name for path in self._paths)
            raise MissingFileError(
                f"body masks {folder}: none of {names} found; give a folder with an image per "
                "camera, non-zero where it shows the car itself, or leave the option out"
            )
        self._masks = [
            read_mask(path, "body mask") if found else None
            for path, found in zip(self._paths, there, strict=True)
        ]
        for camera, found in zip(cameras, there, strict=True):
            if not found:
                _LOGGER.info("body masks %s: none for %s, which sees no car", folder, camera)

    def check(self, camera: int, stored_hw: Size) -> None:
        """Refuse a mask that is not of its camera's size.

        Raises:
            DataError: If it is not.
        """
        mask = self._masks[camera]
        if mask is not None:
            refuse_other_size(mask, stored_hw, self._paths[camera], "body mask")

    def placed(
        self, camera: int, placement: ImagePlacement, stored_hw: Size, target_hw: Size
    ) -> Bool[Tensor, "h w"]:
        """One camera's mask in its target; False in the padding.

        Raises:
            DataError: If the mask is not of the size of its camera's images.
        """
        self.check(camera, stored_hw)
        mask = self._masks[camera]
        if mask is None:
            return torch.zeros(target_hw, dtype=torch.bool)
        return place_mask(mask, placement, stored_hw, target_hw)
