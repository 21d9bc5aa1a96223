"""Points with a known velocity: exact ones of pixels, rigid ones of LiDAR returns in boxes."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mim4d.data.frame_sweep import FrameSweep
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation import EvaluatedView, TruthReader
from mim4d.evaluation.flow.truth import (
    GROUPS,
    FlowTruth,
    box_flow,
    frame_spacing_s,
    group_of,
    rigid_velocities,
    smallest_box,
)
from tests.data.tiny_dataset import edit_table, write_tiny_dataset, yaw_quaternion
from tests.evaluation.exact import NUMBERS, write_exact_truth
from tests.toy import toy_clip, toy_config

FAR_LEFT, CLOSE_LEFT = [10.5, 2.0, 0.8], [4.0, 2.0, 0.8]
"""Centres of the tiny data set's car at the second key frame and its barrier at the third."""


@pytest.mark.parametrize(
    ("category", "group"),
    [
        ("vehicle.car", "car"),
        ("vehicle.bicycle", "wheeled"),
        ("vehicle.motorcycle", "wheeled"),
        ("vehicle.bus.rigid", "other_vehicle"),
        ("vehicle.carriage", "other_vehicle"),
        ("human.pedestrian.child", "pedestrian"),
        ("movable_object.barrier", None),
        ("static_object.bicycle_rack", None),
    ],
)
def test_groups_of_classes(category: str, group: str | None) -> None:
    assert group_of(category) == (-1 if group is None else GROUPS.index(group))


def test_exact_points_are_the_pixels_that_count(tmp_path: Path) -> None:
    """A house, a car at 3 m/s ahead, and a bus that turns around the global point (1000, 2000)."""
    root = write_tiny_dataset(tmp_path / "data", ("CAM_FRONT",))
    cache = tmp_path / "cache"
    dataset = NuscenesDataset(root, frames=3, key=1, image_hw=(64, 96), cache_dir=cache)
    view, clip = EvaluatedView.of(toy_config(), stride=4), dataset[0]
    write_exact_truth(root, dataset, view.frame)
    reader = TruthReader(dataset, view, with_flow=True)
    frame = reader.read(0, clip)
    flow = frame.flow
    assert flow is not None
    assert flow.spacing_s == 0.5
    counted = ~frame.distances_m[0].isnan()
    numbers = torch.from_numpy(NUMBERS)[((torch.arange(24) + 0.5) / 24 * 65).long()]
    assert torch.equal(flow.objects, numbers.expand(16, 24)[counted])
    rays = view.rays(clip)
    away = (flow.points_ego - rays.origins[0][counted.flatten()]).norm(dim=-1)
    torch.testing.assert_close(away, torch.full_like(away, 5.0))
    still, car, bus = flow.objects <= 1, flow.objects == 2, flow.objects == 3
    assert all(each.sum() > 20 for each in (still, car, bus))
    assert not flow.velocities_m_s[still].any()
    # The car looks along global +y: what drives along it moves along x of its ego frame.
    torch.testing.assert_close(
        flow.velocities_m_s[car], torch.tensor([3.0, 0, 0]).expand(int(car.sum()), 3)
    )
    # The frame is half a second after the start: 1 m past the point around which the bus turns.
    # The truth is that of the stored pixel's centre, up to 6 cm beside the ray.
    arm = flow.points_ego[bus] + torch.tensor([1.0, 0.0, 0.0])
    expected = 0.2 * torch.stack([-arm[:, 1], arm[:, 0], 0 * arm[:, 0]], dim=-1)
    torch.testing.assert_close(flow.velocities_m_s[bus], expected, rtol=0, atol=0.013)
    assert flow.groups[car].unique().tolist() == [GROUPS.index("car")]
    assert flow.groups[bus].unique().tolist() == [GROUPS.index("other_vehicle")]
    assert TruthReader(dataset, view).read(0, clip).flow is None


def boxed(
    root: Path, points: list[list[float]], index: int = 0, **spacing: Any
) -> FlowTruth | None:
    """Flow of LiDAR returns (ego axes of the frame) of a clip of the tiny data set."""
    dataset = NuscenesDataset(
        root, frames=3, key=1, image_hw=(64, 96), cache_dir=root / "cache", **spacing
    )
    clip, view = dataset[index], EvaluatedView.of(toy_config(), stride=4)
    sweep = FrameSweep(torch.tensor(points), torch.zeros(3))
    return box_flow(dataset, index, clip, view, sweep)


def test_returns_move_with_their_box(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data")

    def turn(rows: list[dict[str, object]]) -> None:
        for row in rows:
            step = int(str(row["token"])[-1])
            row["rotation"] = yaw_quaternion(math.pi / 2 + 0.2 * (step - 1))

    edit_table(root, "sample_annotation", turn)
    x, y, z = FAR_LEFT
    points = [[x + 1.5, y, z], [x, y - 0.8, z], [x + 2.7, y, z], [x, -2.0, z], [1.5, -5.0, 1.0]]
    points.append([x + 2.5, y, z])
    flow = boxed(root, points)
    assert flow is not None
    # Two in the box, which drives at 3 m/s and turns at 0.4 rad/s; two stand. One at the right
    # of the car is seen by no camera, one is too close to the box to be sure.
    torch.testing.assert_close(flow.points_ego, torch.tensor(points[:4]), rtol=0, atol=1e-4)
    expected = torch.tensor([[3.0, 0.6, 0], [3.32, 0, 0], [0, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(flow.velocities_m_s, expected, rtol=0, atol=1e-3)
    assert flow.objects.tolist() == [1, 1, 0, 0]
    car, ground = GROUPS.index("car"), GROUPS.index("background")
    assert flow.groups.tolist() == [car, car, ground, ground]
    assert flow.spacing_s == 0.5


def test_what_is_not_known_is_no_truth(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data")
    # The barrier is annotated once: nobody knows how it moves.
    flow = boxed(root, [CLOSE_LEFT, [8.0, -2.0, 0.5]], index=1)
    assert flow is not None
    assert flow.objects.tolist() == [0]
    assert flow.points_ego[0, 0] == pytest.approx(8.0, abs=1e-4)
    # A frame between key frames has no annotations: what stands in it is not known.
    assert boxed(root, [FAR_LEFT], index=1, frame_interval_s=0.5) is not None
    dataset = NuscenesDataset(
        root, frames=3, key=2, frame_interval_s=0.1, image_hw=(64, 96), cache_dir=root / "cache"
    )
    view = EvaluatedView.of(toy_config(), stride=4)
    sweep = FrameSweep(torch.tensor([FAR_LEFT]), torch.zeros(3))
    assert box_flow(dataset, 1, dataset[1], view, sweep) is None
    assert box_flow(dataset, 1, dataset[1], view, None) is None
    edit_table(root, "sample_annotation", lambda rows: rows.clear())
    assert boxed(root, [FAR_LEFT]) is None


def test_rigid_velocities_are_those_of_a_moved_box(seed: torch.Generator) -> None:
    """Against the difference of two rigid poses a millisecond apart, point by point."""
    points = torch.randn(20, 3, generator=seed)
    boxes = torch.randn(20, 9, generator=seed)
    rates = torch.randn(20, generator=seed)
    found = rigid_velocities(points, boxes, rates)
    for point, box, rate, velocity in zip(
        points.double(), boxes.double(), rates.double(), found, strict=True
    ):
        places = []
        for dt in (-5e-4, 5e-4):
            cos, sin = torch.cos(rate * dt), torch.sin(rate * dt)
            x, y = point[:2] - box[:2]
            turned = torch.stack([cos * x - sin * y, sin * x + cos * y])
            places.append(box[:2] + dt * box[7:9] + turned)
        expected = (places[1] - places[0]) / 1e-3
        torch.testing.assert_close(velocity[:2].double(), expected, rtol=0, atol=1e-5)
        assert velocity[2] == 0


def test_the_smaller_of_two_boxes_has_the_point() -> None:
    boxes = torch.zeros(3, 9)
    boxes[:, 3:6] = torch.tensor([[4.0, 4, 4], [2, 2, 2], [9, 9, 1]])
    points = torch.tensor([[0.5, 0, 0.9], [1.5, 0, 1.5], [4, 4, 0], [9, 0, 0]])
    assert smallest_box(points, boxes).tolist() == [1, 0, 2, -1]
    assert smallest_box(points, torch.zeros(0, 9)).tolist() == [-1] * 4


def test_spacing_of_frames_that_exist() -> None:
    clip = toy_clip(0)
    assert frame_spacing_s(clip) == 0.5
    clip.frame_present[0, 0] = False
    assert frame_spacing_s(clip) == 0.5
    clip.frame_present[0, 2] = False
    assert frame_spacing_s(clip) == 0.0
    assert frame_spacing_s(toy_clip(0, frames=1)) == 0.0
