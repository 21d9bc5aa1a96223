"""Exact surfaces of the world, as clips carry them, agree with what the LiDAR measured."""

from pathlib import Path

import torch

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.surface_reader import SurfaceReader


def test_exact_surfaces_agree_with_the_lidar(world: Path) -> None:
    """Most points of the sweep lie on a surface that the cameras see exactly."""
    data = NuscenesDataset(world, frames=1, image_hw=(64, 96), surfaces="auto")
    clip = data[0]
    assert clip.surfaces is not None
    surface = clip.surfaces[0]
    lidar = clip.points_ref[0, 0][clip.valid_points[0, 0]]
    near = lidar[lidar.norm(dim=-1) < 15][::7]
    away = torch.cdist(near, surface.points).amin(dim=1)
    assert away.median() < 0.5
    assert SurfaceReader(data.tables, "auto", "LIDAR_TOP", 1).is_exact
