import math

import pytest
import torch

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.volume_lookup import lookup
from tests.reference.rendering import lookup_by_grid_sample, lookup_by_loop
from tests.reference.volume_lookup import lookup_with_derivative

GRID = VoxelGrid((-4.0, -3.0, -1.0), (4.0, 3.0, 2.0), (8, 4, 3))
COS, SIN = math.cos(0.4), math.sin(0.4)
TURNED = VoxelGrid(
    GRID.lower_m,
    GRID.upper_m,
    GRID.shape_xyz,
    ((COS, -SIN, 0.0, 0.5), (SIN, COS, 0.0, -0.2), (0.0, 0.0, 1.0, 0.3), (0.0, 0.0, 0.0, 1.0)),
)


@pytest.fixture
def case(seed):
    volume = torch.randn(2, 5, 3, 4, 8, generator=seed, dtype=torch.float64)
    points = (torch.rand(2, 40, 3, generator=seed, dtype=torch.float64) - 0.5) * 10
    return volume, points


@pytest.mark.parametrize("grid", [GRID, TURNED])
def test_equals_grid_sample_and_its_derivative(case, grid):
    volume, points = case
    points.requires_grad_()
    twin = lookup_by_grid_sample(volume, points, grid)
    values, slopes = lookup_with_derivative(volume, points, grid)
    torch.testing.assert_close(values, twin)
    torch.testing.assert_close(lookup(volume, points, grid), twin)
    for channel in range(5):
        (expected,) = torch.autograd.grad(twin[..., channel].sum(), points, retain_graph=True)
        torch.testing.assert_close(slopes[..., channel], expected)


def test_equals_loop(case):
    volume, points = case
    values = lookup(volume, points, GRID)
    for b in range(2):
        for q in range(0, 40, 7):
            torch.testing.assert_close(values[b, q], lookup_by_loop(volume[b], points[b, q], GRID))


def test_by_hand():
    """A volume that is x at its voxel centres: value x, derivative (1, 0, 0), in metres."""
    volume = GRID.centres_ego[..., 0][None, None]
    points = torch.tensor([[[0.3, 0.2, 0.4], [-2.9, -1.0, 0.9]]])
    values, slopes = lookup_with_derivative(volume, points, GRID)
    torch.testing.assert_close(values[..., 0], points[..., 0])
    expected = torch.tensor([1.0, 0.0, 0.0]).expand(1, 2, 3)
    torch.testing.assert_close(slopes[..., 0], expected, atol=1e-5, rtol=0)
    outside = lookup(volume, torch.tensor([[[40.0, 0.0, 0.0]]]), GRID)
    assert outside.abs().max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_gradcheck_through_volume(case, layout):
    volume, points = case
    volume = volume[:, :2].contiguous(memory_format=layout).requires_grad_()
    points = points[:, :6]
    assert torch.autograd.gradcheck(lambda v: lookup(v, points, GRID), volume)


def test_batch_of_two_is_two_of_one(case):
    volume, points = case
    both = lookup(volume, points, GRID)
    for b in range(2):
        alone = lookup(volume[b : b + 1], points[b : b + 1], GRID)
        torch.testing.assert_close(both[b], alone[0], rtol=0, atol=0)
