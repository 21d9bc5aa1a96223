"""Masks kept as images of the size of the stored camera images, non-zero where they hold.

What enters is a PNG; what leaves is a mask in target pixels, laid there as the camera's image is. A
pixel belongs to the mask if any part of what it shows does: mixed colours are no truth either.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.errors import DataError

MaskLevels = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def read_mask(path: Path, name: str) -> MaskLevels:
    """Rows × columns, 255 where the mask holds.

    Args:
        path: An image of one channel.
        name: What to call it in an error message.

    Raises:
        DataError: If it cannot be decoded or has several channels.
    """
    try:
        with Image.open(path) as image:
            levels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} {path}: cannot be decoded ({error}); restore it") from error
    if levels.ndim != 2:
        raise DataError(
            f"{name} {path}: has {levels.shape[2]} channels; expected one, non-zero where it holds"
        )
    return np.where(levels != 0, np.uint8(255), np.uint8(0))


def refuse_other_size(mask: MaskLevels, stored_hw: Size, path: Path, name: str) -> None:
    """Refuse a mask that is not of the size of its camera's stored images.

    Raises:
        DataError: If it is not.
    """
    if mask.shape != stored_hw:
        raise DataError(
            f"{name} {path} has {mask.shape[1]}x{mask.shape[0]} pixels, its camera's images have "
            f"{stored_hw[1]}x{stored_hw[0]}; make it of the same size"
        )


def place_mask(
    mask: MaskLevels, placement: ImagePlacement, stored_hw: Size, target_hw: Size
) -> Bool[Tensor, "h w"]:
    """The mask in its target; False in the padding."""
    placed = torch.zeros(target_hw, dtype=torch.bool)
    rows, columns = placement.picture_hw(stored_hw, target_hw)
    box = placement.shown_box(stored_hw, target_hw)
    shares = Image.fromarray(mask).resize((columns, rows), Image.Resampling.BILINEAR, box=box)
    picture = torch.from_numpy(np.array(shares) > 0)
    placed[:rows, :columns] = picture.flip(-1) if placement.flipped else picture
    return placed
