"""Operations counted by hand: dense, grouped, transposed, with and without the input's gradient."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mim4d.study.bench.operations import operation_counter


def counted(layer: nn.Module, x: Tensor) -> tuple[int, int]:
    with operation_counter() as forward:
        out = layer(x)
    with operation_counter() as backward:
        out.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_a_convolution_of_groups(groups: int) -> None:
    layer = nn.Conv2d(8, 16, 3, padding=1, groups=groups)
    once = 2 * 10 * 12 * 16 * (8 // groups) * 9
    x = torch.zeros(1, 8, 10, 12)
    assert counted(layer, x) == (once, once)
    assert counted(layer, x.requires_grad_()) == (once, 2 * once)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 9, 12)),
        (nn.Conv3d(4, 6, 3, padding=1), (2, 4, 3, 5, 6)),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (2, 4, 5, 6)),
        (nn.Linear(4, 6), (7, 4)),
    ],
)
def test_without_groups_it_is_torchs_count(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    with FlopCounterMode(display=False) as plain:
        layer(x).sum().backward()
    assert sum(counted(layer, x)) == plain.get_total_flops()
