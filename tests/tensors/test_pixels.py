import torch
from torch import Tensor

from mim4d.tensors.pixels import unit_colours


def test_levels_by_hand() -> None:
    colours = unit_colours(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert torch.equal(colours, torch.tensor([0.0, 0.2, 1.0]))


def test_every_level_is_what_float_arithmetic_gives_whatever_the_memory_order() -> None:
    levels = (
        torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 8, 32, 1).expand(-1, -1, -1, -1, -1, 3)
    )
    levels = levels.contiguous().movedim(-1, 3)
    colours = unit_colours(levels)
    assert torch.equal(colours, levels.float() / 255)
    assert colours.is_contiguous()
    assert isinstance(colours, Tensor)
