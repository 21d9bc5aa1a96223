"""A part of an image, resized with antialiasing, exact to the sub-pixel.

What enters are uint8 levels as a decoder left them (perhaps at a half of the stored size) and, for
each axis, which part of the resized image is wanted; what leaves are the levels of that part alone.
Pixel (0, 0) of every image has its corner at (0, 0), whatever its size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

# No public name. It is what F.interpolate calls, which takes a size or a factor, not both.
_UPSAMPLE: Callable[..., Any] | None = getattr(torch.ops.aten, "_upsample_bilinear2d_aa", None)


@dataclass(frozen=True)
class Span:
    """What one axis needs of the decoded image, and what it makes of it.

    Attributes:
        first: First decoded pixel that is needed.
        last: One beyond the last.
        factor: Resized pixels per decoded pixel.
        skipped: Resized pixels, counted from the corner of `first`, before those that are wanted.
        length: Resized pixels that are wanted.
    """

    first: int
    last: int
    factor: float
    skipped: int
    length: int

    @classmethod
    def of(cls, stored: int, scaled: int, reduction: int, crop: int, length: int) -> "Span":
        """The span of `length` pixels from `crop` on, in an image that is `scaled` pixels long.

        Args:
            stored: Length of the stored image.
            scaled: Length of the whole image after resizing.
            reduction: How many times smaller than stored the image is decoded, rounded up.
            crop: First pixel that is wanted.
            length: How many are wanted.
        """
        step = stored / (reduction * scaled)
        support = math.ceil(max(step, 1.0)) + 1
        last = min(-(-stored // reduction), math.ceil((crop + length) * step) + support)
        first = skipped = 0
        # Resizing starts at a corner. Corners of the decoded and of the resized image coincide
        # once in `period` decoded pixels; the last such place before what is needed is the start.
        if stored % reduction == 0:
            common = math.gcd(stored // reduction, scaled)
            period = stored // reduction // common
            periods = max(0, math.floor(crop * step) - support) // period
            first, skipped = periods * period, periods * (scaled // common)
        return cls(first, last, reduction * scaled / stored, crop - skipped, length)


def resize_part(
    levels: UInt8[Tensor, "h w 3"], rows: Span, columns: Span
) -> UInt8[Tensor, "3 hs ws"]:
    """The wanted part, of `rows.length` × `columns.length` pixels, colours last in memory.

    Args:
        levels: The decoded pixels `first` to `last` of both axes.
        rows: The vertical axis.
        columns: The horizontal axis.
    """
    # With this stride of the leading axis too, torch keeps colours last, and is twice as fast.
    image = levels[None].permute(0, 3, 1, 2)
    if rows.factor != 1 or columns.factor != 1:
        size = [axis.skipped + axis.length for axis in (rows, columns)]
        image = _resized(image, (size[0], size[1]), (rows.factor, columns.factor))
    bottom, right = rows.skipped + rows.length, columns.skipped + columns.length
    return image[0, :, rows.skipped : bottom, columns.skipped : right]


def _resized(
    image: UInt8[Tensor, "1 3 h w"], size: tuple[int, int], factors: tuple[float, float]
) -> UInt8[Tensor, "1 3 hs ws"]:
    """The first `size` rows and columns of the image resized by `factors`, with antialiasing."""
    lengths = list(zip(image.shape[2:], size, factors, strict=True))
    for axis, length in enumerate(lengths, start=2):
        last = image.narrow(axis, image.shape[axis] - 1, 1)
        if margin := _margin(*length):
            image = torch.cat([image, *[last] * margin], dim=axis)
    if _UPSAMPLE is not None:
        return _UPSAMPLE(image, list(size), False, *factors)
    enough = [_factor_for(image.shape[axis], size[axis - 2], factors[axis - 2]) for axis in (2, 3)]
    resized = F.interpolate(image, scale_factor=enough, mode="bilinear", antialias=True)
    return resized[:, :, : size[0], : size[1]]


def _margin(length: int, wanted: int, factor: float) -> int:
    """How often the last pixel is repeated, which changes nothing of an image that is enlarged.

    Torch takes equal lengths for an axis that is not to be resized, whatever the factor.
    """
    if factor <= 1:
        return 0
    if _UPSAMPLE is not None:
        return int(length == wanted)
    return max(0, math.ceil(1 / (factor - 1)) - length)


def _factor_for(length: int, wanted: int, factor: float) -> float:
    """The least factor from the given one on that makes at least the wanted length.

    A length that should come out whole may be rounded to just below, and is then cut off; a change
    in the last bits of the factor moves no pixel.
    """
    while math.floor(length * factor) < wanted:
        factor = math.nextafter(factor, math.inf)
    return factor
