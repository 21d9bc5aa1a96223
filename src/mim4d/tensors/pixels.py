"""Pixels between storage and arithmetic.

Images travel as uint8 levels, 0 to 255, a quarter of what float32 takes to copy and to pin; whoever
computes with them turns what it needs into colours in [0, 1], once.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def unit_colours(levels: UInt8[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """RGB levels 0 to 255 as float32 colours in [0, 1], contiguous whatever the levels' strides."""
    return levels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def check_levels(levels: Tensor) -> None:
    """Refuse what is no RGB levels: uint8, three colours before rows and columns.

    Raises:
        ValueError: With what was found, and how to convert it.
    """
    if levels.dim() < 4 or levels.shape[-3] != 3:
        raise ValueError(
            f"images: expected ... 3 h w (RGB before rows and columns), got {tuple(levels.shape)}"
            + _hint(levels)
        )
    if levels.dtype != torch.uint8:
        raise ValueError(
            f"images: expected uint8 levels 0 to 255, got {levels.dtype}; of colours in [0, 1] "
            "make them by (colours * 255).round().to(torch.uint8)"
        )


def checked_colours(images: Tensor) -> Float[Tensor, "m 3 h w"]:
    """Images of any kind that can be told as colours in [0, 1]; others are refused.

    Raises:
        ValueError: With what was found, and how to convert it.
    """
    if images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images: expected m 3 h w (RGB before rows and columns), got {tuple(images.shape)}"
            + _hint(images)
        )
    if images.dtype == torch.uint8:
        return unit_colours(images)
    if not images.is_floating_point():
        raise ValueError(f"images: expected colours in [0, 1] or uint8 levels, got {images.dtype}")
    low, high = images.aminmax() if images.numel() else (images.new_zeros(()),) * 2
    if not (low >= -0.01 and high <= 1.01):  # also refuses NaN; resizing may overshoot a little
        raise ValueError(
            f"images: expected colours in [0, 1], got values from {low.item():g} to "
            f"{high.item():g}; divide levels by 255, and do not normalise by mean and deviation"
        )
    return images


def _hint(images: Tensor) -> str:
    if images.dim() >= 3 and images.shape[-1] in (3, 4):
        return "; move the colours: images.movedim(-1, -3)"
    if images.dim() == 3:
        return "; add an axis: images[None]"
    return ""
