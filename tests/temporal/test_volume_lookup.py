import pytest
import torch

from mim4d.temporal.volume_lookup import read_volume, read_volume_by_bags
from mim4d.temporal.warp import warp_volume
from tests.temporal.test_warp import GRID, motion

SHAPE_XYZ = (6, 5, 4)


def positions(seed, dtype=torch.float32):
    """Inside, on the fading rim, and outside of a volume."""
    size = torch.tensor(SHAPE_XYZ, dtype=dtype).view(3, 1, 1)
    return (torch.rand(3, 2, 300, generator=seed, dtype=dtype) * (size + 3) - 2).unbind(0)


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_compiled_loops_equal_bags(seed, channels):
    volume = torch.randn(2, channels, *SHAPE_XYZ[::-1], generator=seed)
    places = positions(seed)
    cotangent = torch.randn(2, channels, 300, generator=seed)
    results = []
    for way in (read_volume, read_volume_by_bags):
        leaves = [leaf.clone().requires_grad_() for leaf in (volume, *places)]
        found = way(*leaves)
        found.backward(cotangent)
        results.append([found.detach(), *(leaf.grad for leaf in leaves)])
    for compiled, plain in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_differences(seed):
    volume = torch.randn(2, 2, *SHAPE_XYZ[::-1], generator=seed, dtype=torch.float64)
    places = [
        along.floor() + 0.2 + 0.6 * torch.rand(along.shape, generator=seed, dtype=torch.float64)
        for along in positions(seed, torch.float64)
    ]
    leaves = [leaf.requires_grad_() for leaf in (volume, *places)]
    assert torch.autograd.gradcheck(read_volume, leaves, fast_mode=True)


def test_positions_that_are_no_numbers_give_none(seed):
    volume = torch.randn(1, 2, *SHAPE_XYZ[::-1], generator=seed)
    x = torch.tensor([[torch.nan, torch.inf, -1e30, 2.0]])
    found = read_volume(volume, x, torch.ones(1, 4), torch.ones(1, 4))
    assert found[0, :, 0].isnan().all()
    assert not found[0, :, 2].any()
    torch.testing.assert_close(found[0, :, 3], volume[0, :, 1, 1, 2])


def test_a_motion_can_be_learned_through_the_warp(seed):
    volume = torch.randn(1, 2, *GRID.shape_zyx, generator=seed)
    there = motion(0.2, [1.3, -0.7, 0.2])[None].requires_grad_()
    warped, _ = warp_volume(volume, there, GRID)
    (slope,) = torch.autograd.grad(warped.square().sum(), there)
    assert slope[0, :3, 3].abs().min() > 0
