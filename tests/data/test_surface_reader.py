"""Surfaces from LiDAR: sweeps coincide, points in boxes go with them; what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.surface_reader import BoxAt, moved_with_boxes
from mim4d.errors import DataError
from mim4d.geometry.rigid import rigid_from_rotation_translation, rotation_from_yaw
from tests.data.tiny_dataset import LANDMARKS_GLOBAL, LIDAR_MOUNT, SPEED


def test_landmarks_of_several_sweeps_coincide(tiny: Path) -> None:
    """The third key frame's car is at 2 m/s for a second past the start."""
    clips = [
        NuscenesDataset(tiny, frames=1, image_hw=(32, 64), surfaces="lidar", surface_sweeps=n)[2]
        for n in (0, 2)
    ]
    alone, joined = (clip.surfaces[0] for clip in clips if clip.surfaces is not None)
    count = len(LANDMARKS_GLOBAL)
    assert (len(alone.points), len(joined.points)) == (count, 5 * count)
    x, y, z = (LANDMARKS_GLOBAL - [1000.0, 2000.0 + SPEED, 0.0]).T
    expected = torch.tensor(np.stack([y, -x, z], axis=1), dtype=torch.float32)
    torch.testing.assert_close(joined.points, expected.repeat(5, 1), atol=1e-4, rtol=0)
    assert joined.origins[:, 0].unique().tolist() == pytest.approx(
        [LIDAR_MOUNT[0][0] + k * 0.5 * SPEED for k in (-2, -1, 0, 1, 2)], abs=1e-4
    )


def _box(x: float, y: float, yaw: float) -> BoxAt:
    pose = rigid_from_rotation_translation(
        rotation_from_yaw(torch.tensor(yaw, dtype=torch.float64)),
        torch.tensor([x, y, 1.0], dtype=torch.float64),
    )
    return BoxAt(pose, torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64), 3)


def test_points_go_with_their_box() -> None:
    """Box 0 drives on and turns left, box 1 stands, box 2 is not annotated at the key frame."""
    then = {0: _box(0.0, 0.0, 0.0), 1: _box(20.0, 0.0, 0.0), 2: _box(30.0, 0.0, 0.0)}
    now = {0: _box(5.0, 0.0, torch.pi / 2), 1: _box(20.0, 0.0, 0.0)}
    points = torch.tensor(
        [[1.5, 0.5, 1.0], [20.0, 0.5, 1.0], [30.0, 0.0, 1.0], [9.0, 9.0, 0.0]], dtype=torch.float64
    )
    found = moved_with_boxes(points, torch.eye(4, dtype=torch.float64), then, now)
    expected = torch.tensor([[4.5, 1.5, 1.0], [20.0, 0.5, 1.0], [9.0, 9.0, 0.0]])
    torch.testing.assert_close(found.points, expected)
    assert found.categories.tolist() == [3, 3, -1]
    assert found.sees_through.tolist() == [False, True, True]


def test_what_is_asked_for_must_be_there(tiny: Path) -> None:
    with pytest.raises(DataError, match="exact truth asked for, but it has none"):
        NuscenesDataset(tiny, frames=1, image_hw=(32, 64), surfaces="exact")
    with pytest.raises(DataError, match="surfaces need a LiDAR channel"):
        NuscenesDataset(tiny, frames=1, image_hw=(32, 64), lidar=None, surfaces="auto")
