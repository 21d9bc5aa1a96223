"""Image files to tensors of one size.

An image is made smaller (or larger) by one factor until it fits inside the target size, and padded
with zeros at the right and at the bottom. The factor of each axis is returned, rounding to whole
pixels included, so that intrinsics can follow exactly.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mim4d.errors import DataError, MissingFileError


@dataclass(frozen=True)
class LoadedImage:
    """An image inside its target size.

    Attributes:
        pixels: RGB in [0, 1], padding 0.
        height_px: Rows that are picture.
        width_px: Columns that are picture.
        scale_x: Width of the picture over the width of the stored image.
        scale_y: The same for heights.
    """

    pixels: Float[Tensor, "3 h w"]
    height_px: int
    width_px: int
    scale_x: float
    scale_y: float


def load_image(
    path: Path, image_hw: tuple[int, int], expected_hw: tuple[int, int] = (0, 0), where: str = ""
) -> LoadedImage:
    """Decode an image and fit it into `image_hw`.

    Args:
        path: A JPEG, PNG or whatever else Pillow reads.
        image_hw: Rows and columns of the result.
        expected_hw: Rows and columns that the table gives for the stored image; 0 if it does not.
        where: What to call the record in an error message.

    Raises:
        DataError: If the file is missing or damaged, or its size is not the expected one.
    """
    if not path.is_file():
        raise MissingFileError(f"{where}image file {path} not found; was its archive extracted?")
    try:
        with Image.open(path) as image:
            _check_size(path, image, expected_hw, where)
            stored_width, stored_height = image.size
            height, width = fitted_size(stored_height, stored_width, image_hw)
            resized = _decode(image, height, width)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{where}image file {path} cannot be decoded ({error}); the file is damaged: restore it"
        ) from error
    pixels = torch.zeros(3, *image_hw)
    picture = torch.from_numpy(np.array(resized, np.uint8))
    pixels[:, :height, :width] = picture.permute(2, 0, 1).float() / 255
    return LoadedImage(pixels, height, width, width / stored_width, height / stored_height)


def fitted_size(height: int, width: int, image_hw: tuple[int, int]) -> tuple[int, int]:
    """Largest rows and columns of the same proportions (to the pixel) inside `image_hw`."""
    scale = min(image_hw[0] / height, image_hw[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _check_size(path: Path, image: Image.Image, expected_hw: tuple[int, int], where: str) -> None:
    height, width = expected_hw
    if height > 0 and width > 0 and image.size != (width, height):
        raise DataError(
            f"{where}image file {path} has {image.width}x{image.height} pixels, its table says "
            f"{width}x{height}; the calibration would not fit: restore the file or the table"
        )


def _decode(image: Image.Image, height: int, width: int) -> Image.Image:
    box: tuple[float, float, float, float] = (0.0, 0.0, *image.size)
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for a fraction of the time. Sizes that do
    # not divide evenly are rounded up there; the box keeps the exact extent.
    if draft := image.draft("RGB", (width, height)):
        box = draft[1]
    return image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR, box=box)
