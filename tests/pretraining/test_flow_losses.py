"""Losses of the scene flow: known answers by hand, and box labels against a loop over voxels."""

import math
from dataclasses import replace

import pytest
import torch

from mim4d.data.clip import Clip
from mim4d.geometry.rigid import rigid_from_rotation_translation, rotation_from_yaw
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.flow_losses import box_velocities, flow_error, flow_smoothness, flow_speed
from tests.toy import toy_clip

GRID = VoxelGrid((-8.0, -8.0, -1.0), (8.0, 8.0, 3.0), (8, 16, 2))
FAST = torch.tensor([3.0, -4.0, 0.0]).view(1, 3, 1, 1, 1)


def test_speed_and_smoothness_of_one_velocity_everywhere() -> None:
    flow = FAST.expand(2, 3, *GRID.shape_zyx)
    assert flow_speed(flow).item() == pytest.approx(5.0, abs=2e-3)
    assert flow_smoothness(flow, GRID.voxel_size_m).item() == 0.0


def test_smoothness_of_a_step_by_hand() -> None:
    # 5 m/s for x < 0, nothing beyond: one of 7 neighbours along x changes by 5 m/s in 2 m.
    flow = FAST.expand(1, 3, *GRID.shape_zyx).clone()
    flow[..., 4:] = 0
    expected = (5.0 / 2.0) / 7 / 2
    assert flow_smoothness(flow, GRID.voxel_size_m).item() == pytest.approx(expected, abs=1e-3)


def test_gradients_of_no_flow_at_all_are_finite() -> None:
    flow = torch.zeros(1, 3, *GRID.shape_zyx, requires_grad=True)
    (flow_speed(flow) + flow_smoothness(flow, GRID.voxel_size_m)).backward()
    assert flow.grad is not None
    assert flow.grad.isfinite().all()


def test_error_weighs_what_moves_like_what_stands() -> None:
    labels = torch.zeros(1, 3, *GRID.shape_zyx)
    labels[..., 0, 0, 0] = torch.tensor([6.0, 0.0, 0.0])
    valid = torch.ones(1, *GRID.shape_zyx, dtype=torch.bool)
    assert flow_error(labels, labels, valid, 1).item() == 0.0
    # Zero flow errs by 6 m/s at the one voxel that moves and nowhere else.
    found = flow_error(torch.zeros_like(labels), labels, valid, 1)
    assert found.item() == pytest.approx(3.0, abs=2e-3)
    assert flow_error(torch.zeros_like(labels), labels, torch.zeros_like(valid), 1).item() == 0.0


def _with_boxes(boxes: list[list[float]], known: list[bool]) -> Clip:
    """Three frames; the boxes stand in the middle one, whose ego axes are turned by a right angle.

    Its ego frame lies at x = 1, y = 2 of `ref` and looks along its y axis.
    """
    clip, count = toy_clip(0), len(boxes)
    frames = torch.zeros(1, 3, count, 9)
    frames[0, 1] = torch.tensor(boxes)
    exists = torch.zeros(1, 3, count, dtype=torch.bool)
    exists[0, 1] = True
    poses = clip.ref_from_ego.clone()
    turned = rotation_from_yaw(torch.tensor(math.pi / 2))
    poses[0, 1] = rigid_from_rotation_translation(turned, torch.tensor([1.0, 2.0, 0.0]))
    return replace(
        clip,
        ref_from_ego=poses,
        boxes_ref=frames,
        valid_boxes=exists,
        valid_velocities=exists & torch.tensor(known),
        box_classes=torch.zeros(1, 3, count, dtype=torch.long),
        box_lidar_points=torch.zeros(1, 3, count, dtype=torch.long),
        box_visibility=torch.zeros(1, 3, count, dtype=torch.long),
    )


def test_box_labels_lie_and_point_where_a_hand_says() -> None:
    # 3 m ahead of the ego car, that is at y = 5 of ref, driving along x of ref: to the right.
    clip = _with_boxes([[1.0, 5.0, 0.5, 2.5, 1.5, 1.5, 0.0, 7.0, 0.0]], [True])
    labels, valid = box_velocities(clip, torch.tensor([[1]]), GRID)
    assert valid.all()
    moving = labels.norm(dim=1) > 0
    places = GRID.centres_ego[moving[0]]
    assert moving[0].any(dim=0).sum() == 2  # columns of 2 m by 1 m
    # Length 2.5 m lies along the ego's y axis, width 1.5 m along its x axis.
    assert ((places[:, 0] - 3.0).abs() <= 0.75).all()
    assert ((places[:, 1]).abs() <= 1.25).all()
    expected = torch.tensor([0.0, -7.0, 0.0])
    torch.testing.assert_close(
        labels[0][:, moving[0]].T, expected.expand(int(moving.sum()), 3), atol=1e-4, rtol=1e-4
    )


def test_box_labels_equal_a_loop_over_voxels() -> None:
    generator = torch.Generator().manual_seed(3)
    boxes = torch.rand(4, 9, generator=generator) * 6 - 2
    boxes[:, 3:6] = boxes[:, 3:6].abs() + 1
    clip = _with_boxes(boxes.tolist(), [True, False, True, True])
    labels, valid = box_velocities(clip, torch.tensor([[1]]), GRID)
    ref_from_ego = clip.ref_from_ego[0, 1]
    for z, y, x in torch.cartesian_prod(*(torch.arange(n) for n in GRID.shape_zyx)).tolist():
        point = ref_from_ego[:3, :3] @ GRID.centres_ego[z, y, x] + ref_from_ego[:3, 3]
        found, unknown = [], False
        for k, box in enumerate(boxes):
            away = point[:2] - box[:2]
            c, s = math.cos(box[6]), math.sin(box[6])
            if abs(away[0] * c + away[1] * s) > box[3] / 2:
                continue
            if abs(away[1] * c - away[0] * s) > box[4] / 2:
                continue
            if k == 1:
                unknown = True
            else:
                velocity = torch.cat([box[7:], torch.zeros(1)])
                found.append(ref_from_ego[:3, :3].T @ velocity)
        expected = torch.stack(found).mean(dim=0) if found else torch.zeros(3)
        torch.testing.assert_close(labels[0, :, z, y, x], expected, atol=1e-4, rtol=1e-4)
        assert valid[0, z, y, x] == (not unknown)
