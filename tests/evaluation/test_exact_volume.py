"""Volumes made of exact distances: sign, distance and colour of the nearest surface."""

from dataclasses import replace

import pytest
import torch

from mim4d.evaluation.exact_volume import exact_volume
from mim4d.geometry.voxel_grid import VoxelGrid
from tests.toy import toy_clip

GRID = VoxelGrid((0.0, -2.0, 0.5), (12.0, 2.0, 2.5), (6, 2, 1))
"""Voxels of 2 m before the front camera, which stands at (0.5, 0, 1.5)."""


def test_a_wall_before_the_camera() -> None:
    """At a depth of 6 m: at x = 6.5 m, so that centres at 1, 3 and 5 m are free, the rest not."""
    clip = toy_clip(0, frames=1)
    images = torch.zeros_like(clip.images)
    images[:, :, 0, 0] = 255  # red
    depths = torch.zeros(3, 64, 96)
    depths[0] = 6.0
    volume = exact_volume(replace(clip, images=images), depths, GRID, 8)
    assert volume.shape == (1, 8, 1, 2, 6)
    reach = 4.0  # twice the longest side of a voxel
    offset = torch.tensor([5.5, 3.5, 1.5, -0.5, -2.5, -4.5]).clamp(-reach, reach) / reach
    torch.testing.assert_close(volume[0, 0, 0], offset.expand(2, 6), atol=0.02, rtol=0)
    assert (volume[0, 1] == 0.5).all()
    assert (volume[0, 2:4] == -0.5).all()
    assert (volume[0, 4:] == 0).all()


def test_without_any_surface_all_that_is_looked_at_is_free() -> None:
    volume = exact_volume(toy_clip(0, frames=1), torch.zeros(3, 64, 96), GRID, 4)
    assert (volume[0, 0] == 1).all()
    assert (volume[0, 1:] == 0).all()


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        exact_volume(toy_clip(0, frames=1), torch.zeros(3, 64, 96), GRID, 3)
