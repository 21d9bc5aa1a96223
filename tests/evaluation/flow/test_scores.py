"""From a velocity field and true velocities to a row: known answers and hand numbers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.evaluation.flow.scores import FlowRow, FlowScores, at_points
from mim4d.evaluation.flow.truth import GROUPS, FlowTruth
from mim4d.geometry.voxel_grid import VoxelGrid

GRID = VoxelGrid((-32.0, -24.0, -1.0), (32.0, 24.0, 5.0), (64, 48, 4))
"""Voxels of 1 m: at 0.5 s between frames, 2 to 8 m/s are 1 to 4 voxels."""


def random_truth(seed: torch.Generator, count: int = 300) -> FlowTruth:
    """Points in voxels of their own; every third of the background, the others on ten objects."""
    centres = GRID.centres_ego.flatten(0, 2)
    points = centres[torch.randperm(len(centres), generator=seed)[:count]]
    objects = torch.arange(count) % 10 * (torch.arange(count) % 3 > 0)
    velocities = 4 * torch.randn(10, 3, generator=seed)[objects] * (objects > 0).unsqueeze(1)
    velocities[objects == 2] = 0.0
    groups = (objects % 4 + 1) * (objects > 0)
    return FlowTruth(points, velocities, objects, groups, spacing_s=0.5)


def field_of(truth: FlowTruth, velocities: Tensor) -> Tensor:
    """A field with these velocities in the voxels of the points and zero elsewhere."""
    field = torch.zeros(3, *GRID.shape_zyx)
    x, y, z = GRID.to_grid(truth.points_ego).floor().long().unbind(-1)
    field[:, z, y, x] = velocities.T
    return field


def row_of(field: Tensor | None, truth: FlowTruth) -> FlowRow:
    scores = FlowScores(GRID)
    scores.add(field, truth)
    row = scores.row()
    assert row is not None
    return row


def test_truth_scores_zero(seed: torch.Generator) -> None:
    truth = random_truth(seed)
    row = row_of(field_of(truth, truth.velocities_m_s), truth)
    for scores in (row.near, row.near_objects, row.moving):
        assert scores.points > 0
        assert scores.normalised_epe == pytest.approx(0, abs=1e-6)
        assert scores.mean_angle_deg == pytest.approx(0, abs=1e-4)
    assert row.standing.share_moving == row.standing.mean_speed_m_s == 0
    assert row.three_way_epe_m == pytest.approx(0, abs=1e-7)
    assert row.dynamic_iou == 1
    for kind in row.kinds.values():
        assert kind.accuracy_strict == kind.accuracy_relax == 1
    assert row.mean_of_groups.dynamic == pytest.approx(0, abs=1e-6)


def test_zero_flow_is_one_and_the_wrong_sign_two(seed: torch.Generator) -> None:
    truth = random_truth(seed)
    zero, wrong = row_of(None, truth), row_of(field_of(truth, -truth.velocities_m_s), truth)
    for row, expected, angle in ((zero, 1.0, 90.0), (wrong, 2.0, 180.0)):
        for scores in (row.near, row.near_objects, row.moving):
            assert scores.normalised_epe == pytest.approx(expected)
            assert scores.median_angle_deg == pytest.approx(angle, abs=1e-4)
        assert row.mean_of_groups.dynamic == pytest.approx(expected)
        assert row.kinds["foreground_dynamic"].accuracy_strict == 0
    assert zero == row_of(torch.zeros(3, *GRID.shape_zyx), truth)
    assert zero.dynamic_iou == 0
    # Metres in 0.1 s: a tenth of the speed.
    moving = truth.velocities_m_s.norm(dim=-1)
    epe = zero.kinds["foreground_dynamic"].epe_m
    assert epe is not None
    assert epe == pytest.approx(moving[moving > 0.5].mean().item() / 10)
    assert zero.three_way_epe_m == pytest.approx(epe / 3)


def points(*rows: tuple[float, float, float, float, int]) -> FlowTruth:
    """Points by x, y, vx, vy and object; cars, but for the background."""
    table = torch.tensor(rows)
    objects = table[:, 4].long()
    flow = torch.nn.functional.pad(table[:, 2:4], (0, 1))
    places = torch.nn.functional.pad(table[:, :2], (0, 1), value=0.5)
    return FlowTruth(places, flow, objects, (objects > 0).long(), spacing_s=0.5)


def test_the_headline_is_near_and_moves_one_to_four_voxels() -> None:
    truth = points(
        (12.0, 16.0, 2.0, 0.0, 1),  # at 20 m, one voxel a frame
        (12.0, 16.1, 3.0, 0.0, 1),  # a little farther
        (5.0, 0.0, 0.0, 8.0, 2),  # four voxels
        (5.0, 0.5, 0.0, 8.1, 2),  # more
        (6.0, 0.0, 1.9, 0.0, 3),  # less than one
        (7.0, 0.0, 4.0, 0.0, 0),  # not an object
    )
    row = row_of(None, truth)
    assert (row.near.points, row.near_objects.points, row.moving.points) == (2, 2, 6)
    # Twice as long between frames: 2 and 1.9 m/s count, 8 m/s does not.
    assert row_of(None, replace(truth, spacing_s=1.0)).near.points == 2
    assert row_of(None, replace(truth, spacing_s=0.0)).near.points == 0


def test_an_object_counts_by_its_mean_velocity() -> None:
    truth = points(
        (5.5, 0.5, 4, 0, 1), (6.5, 0.5, 4, 0, 1), (7.5, 0.5, 4, 0, 1), (5.5, 9.5, 0, 2, 2)
    )
    predicted = torch.tensor([[4.0, 0, 0], [4, 3, 0], [4, -3, 0], [0, 0.4, 0]])
    row = row_of(field_of(truth, predicted), truth)
    assert row.near.normalised_epe == pytest.approx((0 + 3 + 3 + 1.6) / 14)
    assert row.near_objects.normalised_epe == pytest.approx(1.6 / 6)
    assert row.near_objects.mean_angle_deg == pytest.approx((0 + 90) / 2)
    # The same object number in another clip is another object.
    scores = FlowScores(GRID)
    for _ in range(2):
        scores.add(field_of(truth, predicted), truth)
    twice = scores.row()
    assert twice is not None
    assert twice.near_objects.points == 4
    assert twice.near == replace(row.near, points=8)


def test_what_stands_by_hand() -> None:
    truth = points((5.5, 0.5, 0, 0, 0), (6.5, 0.5, 0, 0.5, 1), (7.5, 0.5, 0, 0.51, 1))
    predicted = torch.tensor([[0.0, 3, 0], [0.5, 0, 0], [9.0, 0, 0]])
    standing = row_of(field_of(truth, predicted), truth).standing
    assert standing.points == 2
    assert standing.mean_speed_m_s == pytest.approx(1.75)
    assert standing.share_moving == 0.5


def test_groups_of_classes_by_hand() -> None:
    truth = replace(
        points((5.5, 0.5, 2, 0, 1), (6.5, 0.5, 4, 0, 2), (7.5, 0.5, 4, 0, 3)),
        groups=torch.tensor([GROUPS.index("car"), GROUPS.index("pedestrian"), -1]),
    )
    predicted = torch.tensor([[1.0, 0, 0], [3, 0, 0], [0, 0, 0]])
    row = row_of(field_of(truth, predicted), truth)
    assert row.groups["car"].dynamic == pytest.approx(0.5)
    assert row.groups["pedestrian"].dynamic == pytest.approx(0.25)
    assert row.groups["wheeled"].dynamic is None
    assert row.mean_of_groups.dynamic == pytest.approx(0.375)


def test_the_velocity_is_that_of_the_voxel(seed: torch.Generator) -> None:
    field = torch.randn(3, *GRID.shape_zyx, generator=seed)
    low, high = torch.tensor(GRID.lower_m), torch.tensor(GRID.upper_m)
    places = low + torch.rand(50, 3, generator=seed) * (high - low)
    places = torch.cat([places, high.unsqueeze(0), low.unsqueeze(0)])
    found = at_points(field, places, GRID)
    for place, velocity in zip(places, found, strict=True):
        away = (GRID.centres_ego - place).norm(dim=-1)
        z, y, x = (int(i[0]) for i in (away == away.min()).nonzero(as_tuple=True))
        assert torch.equal(velocity, field[:, z, y, x])


def test_no_point_gives_no_row() -> None:
    scores = FlowScores(GRID)
    assert scores.row() is None
    places, numbers = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    none = FlowTruth(places, places, numbers, numbers, 0.5)
    scores.add(None, none)
    assert scores.row() is None
