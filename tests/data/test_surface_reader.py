"""Surfaces from LiDAR: points in boxes move with them; from exact truth: where points lie."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from tests.data.tiny_dataset import LANDMARKS_GLOBAL, SPEED


def _read(root: Path, sweeps: int):
    data = NuscenesDataset(
        root, frames=1, image_hw=(32, 64), surfaces="lidar", surface_sweeps=sweeps
    )
    clip = data[2]
    assert clip.surfaces is not None
    return clip, clip.surfaces[0]


def test_landmarks_of_several_sweeps_coincide_and_the_moving_car_is_one(tiny: Path) -> None:
    clip, alone = _read(tiny, 0)
    _, joined = _read(tiny, 2)
    assert len(joined.points) > 3 * len(alone.points)
    x = 2 * 0.5 * SPEED  # the third key frame's car stands so far along global +y
    y, z = LANDMARKS_GLOBAL[:, 0] - 1000.0, LANDMARKS_GLOBAL[:, 2]
    ahead = LANDMARKS_GLOBAL[:, 1] - 2000.0 - x
    landmarks = torch.tensor(np.stack([ahead, -y, z], axis=1), dtype=torch.float32)
    box = clip.boxes_ref[0, 0][clip.valid_boxes[0, 0]]
    places = torch.cat([landmarks, box[:, :3]])
    nearest = torch.cdist(joined.points, places).amin(dim=1)
    # What is no landmark lies on a box, which is 5 m long at the most.
    assert (nearest < 4).all()
    moved = ~joined.sees_through
    assert moved.any()
    assert torch.equal(joined.categories[moved].unique(), clip.box_classes[0, 0].unique()[-1:])


def test_what_is_asked_for_must_be_there(tiny: Path) -> None:
    with pytest.raises(DataError, match="exact truth asked for, but it has none"):
        NuscenesDataset(tiny, frames=1, image_hw=(32, 64), surfaces="exact")
    with pytest.raises(DataError, match="surfaces need a LiDAR channel"):
        NuscenesDataset(tiny, frames=1, image_hw=(32, 64), lidar=None, surfaces="auto")
