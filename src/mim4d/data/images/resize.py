"""A part of an image, resized with antialiasing, exact to the sub-pixel.

What enters are uint8 levels as a decoder left them (perhaps at a half of the stored size) and, for
each axis, which part of the resized image is wanted; what leaves are the levels of that part alone.
Pixel (0, 0) of every image has its corner at (0, 0), whatever its size.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor


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
        # What F.interpolate calls; it would round the size instead of taking size and factor.
        image = torch.ops.aten._upsample_bilinear2d_aa(
            image, size, False, rows.factor, columns.factor
        )
    bottom, right = rows.skipped + rows.length, columns.skipped + columns.length
    return image[0, :, rows.skipped : bottom, columns.skipped : right]
