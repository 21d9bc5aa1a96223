"""Depth of pixels: exact files as they are shown, and LiDAR's returns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.pixel_depths import exact_depth, lidar_depths
from mim4d.data.truth.exact import UNITS_PER_M
from tests.toy import toy_clip

FILE = Path("samples/CAM/x.jpg")
INTRINSICS = torch.tensor([[4.0, 0.0, 4.0], [0.0, 4.0, 2.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    """Distances of 4 × 8 pixels: a wall 10 m ahead, its right half 20 m ahead, sky in a corner."""
    u, v = np.meshgrid(np.arange(8) + 0.5, np.arange(4) + 0.5)
    rays = np.sqrt(((u - 4) / 4) ** 2 + ((v - 2) / 4) ** 2 + 1)
    distance = np.where(u < 4, 10.0, 20.0) * rays
    distance[0, 0] = 0.0
    path = tmp_path / "truth/distance" / FILE.with_suffix(".png")
    path.parent.mkdir(parents=True)
    Image.fromarray(np.round(distance * UNITS_PER_M).astype(np.uint16)).save(path)
    return tmp_path


def test_distance_along_rays_becomes_depth(wall: Path) -> None:
    depth = exact_depth(wall, FILE, (4, 8), INTRINSICS, lambda size: (0, 0, size[1], size[0]))
    expected = torch.tensor([10.0] * 4 + [20.0] * 4).repeat(4, 1)
    expected[0, 0] = 0.0
    torch.testing.assert_close(depth, expected, rtol=0, atol=0.01)


def test_a_crop_and_a_mirror_show_the_same_depths(wall: Path) -> None:
    """The columns 2 to 8, mirrored: the far half comes first."""
    mirrored = INTRINSICS.clone()
    mirrored[0] = torch.tensor([-4.0, 0.0, 4.0])  # u → 6 − (u − 2)
    depth = exact_depth(wall, FILE, (4, 6), mirrored, lambda size: (2, 0, 8, 4), flipped=True)
    expected = torch.tensor([20.0] * 4 + [10.0] * 2).repeat(4, 1)
    torch.testing.assert_close(depth, expected, rtol=0, atol=0.01)


def test_a_return_gives_its_depth_to_the_square_around_it() -> None:
    """Two points on the axis of the first camera, 0.5 m ahead and 1.5 m above the car's origin."""
    clip = toy_clip(0, frames=1)
    points = torch.tensor([[[[10.5, 0.0, 1.5], [30.5, 0.0, 1.5]]]])
    clip = replace(clip, points_ref=points, valid_points=torch.ones(1, 1, 2, dtype=torch.bool))
    depths = lidar_depths(clip)
    assert depths.shape == (1, 1, 3, 64, 96)
    assert depths[0, 0, 0].count_nonzero() == 16
    assert depths[0, 0, 0, 32:36, 48:52].unique().tolist() == pytest.approx([10.0])
    body = torch.ones(1, 3, 64, 96, dtype=torch.bool)
    assert not lidar_depths(replace(clip, on_body=body)).any()
