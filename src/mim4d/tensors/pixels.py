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
