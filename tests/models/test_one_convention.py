"""Lifting, warping and rendering mean the same place by the same voxel."""

import torch

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.splat import containing_voxels
from mim4d.rendering.volume_lookup import lookup
from mim4d.temporal.warp import warp_volume

GRID = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (16, 16, 5))


def test_a_volume_of_coordinates_is_read_as_coordinates_everywhere(seed: torch.Generator) -> None:
    centres = GRID.centres_ego.reshape(-1, 3)
    volume = GRID.centres_ego.permute(3, 0, 1, 2)[None]
    # Within the outermost centres, where interpolation is exact.
    lower, upper = centres.amin(dim=0), centres.amax(dim=0)
    points = lower + (upper - lower) * torch.rand(1, 200, 3, generator=seed)
    torch.testing.assert_close(lookup(volume, points, GRID), points, atol=1e-4, rtol=0)
    # The splat puts a centre into its own voxel, and so the places it reads from are the same.
    assert torch.equal(containing_voxels(centres, GRID), torch.arange(len(centres)))
    shift = torch.eye(4)
    shift[:3, 3] = torch.tensor([3.1, -2.3, 0.4])
    warped, valid = warp_volume(volume, shift[None], GRID)
    expected = (centres + shift[:3, 3]).T.reshape(1, 3, *GRID.shape_zyx)
    difference = (warped - expected).abs() * valid.unsqueeze(1)
    assert valid.any()
    assert difference.max() < 1e-3
