import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mim4d.check.alignment import alignment_offset, depth_edges
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from tests.data.test_clip import make_clip


def test_depth_edge_lies_midway() -> None:
    intrinsics = torch.tensor([[1000.0, 0, 50], [0, 1000, 50], [0, 0, 1]])
    # One row of the image, 4 pixels apart: depths 10, 10, 20, 20 at u = 40, 44, 48, 52.
    depth = torch.tensor([10.0, 10.0, 20.0, 20.0])
    u = torch.tensor([40.0, 44.0, 48.0, 52.0])
    points = torch.stack([(u - 50) / 1000 * depth, torch.zeros(4), depth], dim=-1)
    edges = depth_edges(intrinsics, points, (100, 100), horizontal=True)
    torch.testing.assert_close(edges, torch.tensor([[46.0, 50.0]]))
    assert len(depth_edges(intrinsics, points, (100, 100), horizontal=False)) == 0


def test_clip_without_depth_edges() -> None:
    with pytest.raises(DataError, match="only 0 depth edges"):
        alignment_offset(make_clip())


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(0.0, 0.0), (0.6, 0.0), (0.0, -0.6)])
@pytest.mark.slow
def test_real_calibration_is_right_and_a_wrong_one_is_seen(
    real_data: Path, yaw_deg: float, pitch_deg: float
) -> None:
    clip = NuscenesDataset(real_data / "real_video", frames=3, image_hw=(608, 968))[0]
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    turn_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    cos, sin = math.cos(pitch), math.sin(pitch)
    turn_x = [[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]]
    turn = torch.eye(4)
    turn[:3, :3] = torch.tensor(turn_y) @ torch.tensor(turn_x)
    found = alignment_offset(replace(clip, ref_from_camera=clip.ref_from_camera @ turn))
    # What was turned wrongly must be turned back.
    assert found.yaw_deg == pytest.approx(-yaw_deg, abs=0.25)
    assert found.pitch_deg == pytest.approx(-pitch_deg, abs=0.25)
    assert min(found.yaw_contrast, found.pitch_contrast) > 1.1
