"""The shared trunk: cells by metres, against torch's own bilinear step, batches, ranges refused."""

import pytest
import torch
from torch.nn import functional as F

from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.tasks.bev_trunk import BevTrunk, cell_waves, cells_around

GRID = VoxelGrid((-8.0, -4.0, -1.0), (8.0, 4.0, 3.0), (16, 8, 2))


def _trunk(cells: VoxelGrid, scales: int = 2, cell_blocks: int = 1) -> BevTrunk:
    torch.manual_seed(0)
    return BevTrunk(3, GRID, cells, width=16, scales=scales, cell_blocks=cell_blocks)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_features_of_every_cell(scales: int, seed: torch.Generator) -> None:
    volume = torch.randn(2, 3, 2, 8, 16, generator=seed)
    for cells in (cells_around(GRID, (16, 8)), cells_around(GRID, (20, 10), (10.0, 5.0))):
        trunk = _trunk(cells, scales)
        both = trunk(volume)
        x, y, _ = cells.shape_xyz
        assert both.shape == (2, 16, y, x)
        torch.testing.assert_close(both[1:], trunk(volume[1:]))


def test_every_weight_gets_a_gradient(seed: torch.Generator) -> None:
    trunk = _trunk(cells_around(GRID, (32, 16)), scales=3)
    trunk(torch.randn(1, 3, 2, 8, 16, generator=seed)).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in trunk.parameters())


def test_finer_cells_are_torch_s_bilinear_step(seed: torch.Generator) -> None:
    volume = torch.randn(1, 3, 2, 8, 16, generator=seed)
    voxels = _trunk(cells_around(GRID, (16, 8)))(volume)
    finer = _trunk(cells_around(GRID, (32, 16)), cell_blocks=0)(volume)
    expected = F.interpolate(voxels, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(finer, expected, atol=1e-5, rtol=1e-4)


def test_a_smaller_range_is_cut_out_at_its_metres(seed: torch.Generator) -> None:
    """8 × 4 m around the car in cells of 1 m: the middle of a grid of voxels of 1 m."""
    volume = torch.randn(1, 3, 2, 8, 16, generator=seed)
    voxels = _trunk(cells_around(GRID, (16, 8)))(volume)
    middle = _trunk(cells_around(GRID, (8, 4), (8.0, 4.0)), cell_blocks=0)(volume)
    torch.testing.assert_close(middle, voxels[:, :, 2:6, 4:12], atol=1e-5, rtol=1e-4)


def test_cells_lie_in_ego_axes_whatever_the_grid_s(seed: torch.Generator) -> None:
    """A grid turned by 90°: what lies at its x = 3 lies at the car's y = 3."""
    pose = box_pose((0.0, 0.0, 0.0), (0.0, 0.0, 90.0))
    turned = VoxelGrid((-4.0, -4.0, 0.0), (4.0, 4.0, 2.0), (8, 8, 1), pose)
    plain = VoxelGrid((-4.0, -4.0, 0.0), (4.0, 4.0, 2.0), (8, 8, 1))
    places = [
        BevTrunk(1, grid, cells_around(grid, (8, 8), (8.0, 8.0)), width=8).looked_up
        for grid in (turned, plain)
    ]
    torch.testing.assert_close(places[0], torch.stack([places[1][..., 1], -places[1][..., 0]], -1))


def test_a_range_beyond_the_volume_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head\.range_xy_m: 16 m × 10 m .* reach beyond the vol"):
        cells_around(GRID, (8, 4), (16.0, 10.0))
    cells_around(GRID, (8, 4), (16.0, 8.0))


def test_cells_know_where_they_lie_only_if_told() -> None:
    """Of an empty volume a convolution says the same everywhere but at the border; waves differ."""
    cells = cells_around(GRID, (16, 8))
    volume = torch.zeros(1, 3, 2, 8, 16)
    for octaves, kinds in ((0, 1), (3, 16 * 8)):
        torch.manual_seed(0)
        trunk = BevTrunk(3, GRID, cells, width=16, scales=1, cell_blocks=0, place_octaves=octaves)
        assert trunk(volume).flatten(2)[0].T.unique(dim=0).shape[0] == kinds
    waves = cell_waves((8, 16), 2)
    assert waves.shape == (8, 8, 16)
    torch.testing.assert_close(waves.square().sum(dim=0), torch.full((8, 16), 4.0))
    # Rows 0 and 4 of eight are half the first wavelength apart, and a whole one of the second.
    torch.testing.assert_close(waves[0, 4], -waves[0, 0])
    torch.testing.assert_close(waves[2, 4], waves[2, 0])
