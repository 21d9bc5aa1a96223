"""Where each camera sees its own car.

What enters is a folder with `<CHANNEL>.png` of the size of the camera's stored images, non-zero
where the picture shows the car that carries the camera. What leaves are masks in target pixels,
laid there as the images are. A camera without a file sees nothing of its car; that is logged.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from mim4d.data.placement import ImagePlacement, Size
from mim4d.errors import DataError, MissingFileError

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
            _read(path) if found else None for path, found in zip(self._paths, there, strict=True)
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
        if mask is not None and mask.shape != stored_hw:
            raise DataError(
                f"body mask {self._paths[camera]} has {mask.shape[1]}x{mask.shape[0]} pixels, its "
                f"camera's images have {stored_hw[1]}x{stored_hw[0]}; make it of the same size"
            )

    def placed(
        self, camera: int, placement: ImagePlacement, stored_hw: Size, target_hw: Size
    ) -> Bool[Tensor, "h w"]:
        """One camera's mask in its target; False in the padding.

        A pixel belongs to the car if any part of what it shows does: colours that are mixed with
        the car's are no truth either.

        Raises:
            DataError: If the mask is not of the size of its camera's images.
        """
        self.check(camera, stored_hw)
        on_body = torch.zeros(target_hw, dtype=torch.bool)
        mask = self._masks[camera]
        if mask is None:
            return on_body
        rows, columns = placement.picture_hw(stored_hw, target_hw)
        box = placement.shown_box(stored_hw, target_hw)
        shares = Image.fromarray(mask).resize((columns, rows), Image.Resampling.BILINEAR, box=box)
        picture = torch.from_numpy(np.array(shares) > 0)
        on_body[:rows, :columns] = picture.flip(-1) if placement.flipped else picture
        return on_body


def _read(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Rows × columns, 255 on the car."""
    try:
        with Image.open(path) as image:
            levels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"body mask {path}: cannot be decoded ({error}); restore it") from error
    if levels.ndim != 2:
        raise DataError(
            f"body mask {path}: has {levels.shape[2]} channels; expected one, non-zero on the car"
        )
    return np.where(levels != 0, np.uint8(255), np.uint8(0))
