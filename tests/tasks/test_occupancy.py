"""Occupancy by hand: labels of voxels and rays, IoU and RayIoU, classes, view, what is refused."""

from dataclasses import replace

import pytest
import torch

from mim4d.config.head import OccupancyHeadConfig
from mim4d.data.augment.bev_transform import BevTransform
from mim4d.data.surface import Surface
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.voxel_iou import SeenRays, SeenVoxels, VoxelIou, first_met
from mim4d.tasks.occupancy import Occupancy, in_view, label_voxels
from tests.tasks.scene import CLASSES, Box, clip_with

GRID = VoxelGrid((0.0, -2.0, 0.0), (8.0, 2.0, 2.0), (8, 4, 2))
"""Voxels of 1 m."""


def _surface(*points: tuple[float, float, float], kinds: tuple[int, ...] = ()) -> Surface:
    """Points seen from 0.5 m beside the origin."""
    found = torch.tensor(points)
    origins = torch.tensor([0.0, 0.5, 0.5]).expand_as(found)
    categories = torch.tensor(kinds or [-1] * len(points))
    return Surface(found, origins, torch.ones(len(points), dtype=torch.bool), categories)


def test_voxels_before_a_point_are_free_and_behind_it_unknown() -> None:
    labels = label_voxels(_surface((3.5, 0.5, 0.5)), torch.ones(1, dtype=torch.int64), GRID)
    row = labels[0, 2].tolist()
    assert row == [0, 0, 0, 1, -1, -1, -1, -1]
    assert (labels[0, [0, 1, 3]] == -1).all()
    assert (labels[1] == -1).all()


def test_a_point_that_has_moved_frees_nothing() -> None:
    surface = _surface((3.5, 0.5, 0.5))
    surface = replace(surface, sees_through=torch.tensor([False]))
    labels = label_voxels(surface, torch.ones(1, dtype=torch.int64), GRID)
    assert (labels >= 0).nonzero().tolist() == [[0, 2, 3]]


def test_classes_follow_boxes() -> None:
    task = Occupancy(OccupancyHeadConfig(classes=True), GRID)
    clip = replace(
        clip_with(Box(5.0, 3.0)),
        surfaces=(
            _surface((1.5, -0.5, 0.5), (2.5, -0.5, 0.5), (3.5, -1.5, 0.5), kinds=(-1, 0, 1)),
        ),
    )
    labels = task.targets(clip).labels[0, 0]
    assert CLASSES[0] == "vehicle.car"
    assert labels[[1, 1, 0], [1, 2, 3]].tolist() == [1, 2, 3]
    plain = Occupancy(OccupancyHeadConfig(), GRID).targets(clip).labels[0, 0]
    assert plain[[1, 1, 0], [1, 2, 3]].tolist() == [1, 1, 1]


def _truth(labels: torch.Tensor, rays: SeenRays, seen: torch.Tensor | None = None) -> SeenVoxels:
    view = torch.ones_like(labels, dtype=torch.bool) if seen is None else seen
    return SeenVoxels(labels[None], view[None], (rays,))


def _ray(distance: float, kind: int = 1) -> SeenRays:
    return SeenRays(
        torch.tensor([[0.0, 0.5, 0.5]]),
        torch.tensor([[1.0, 0.0, 0.0]]),
        torch.tensor([distance]),
        torch.tensor([kind]),
    )


def test_iou_by_hand() -> None:
    """Of four known voxels: a hit, a false alarm, a miss; unknown ones are not counted."""
    labels, answer = torch.full((2, 2, 4, 8), -1)
    labels[0, 0, :4] = torch.tensor([1, 0, 1, 0])
    answer[:] = 1
    answer[0, 0, :4] = torch.tensor([1, 1, 0, 0])
    view = torch.zeros_like(labels, dtype=torch.bool)
    view[0, 0, [0, 3]] = True
    metric = VoxelIou(("occupied",), GRID)
    metric.update(answer[None], _truth(labels, _ray(3.0), view))
    row = metric.compute()["occupied"]
    assert (row["IoU"], row["IoU in view"], row["true voxels"]) == (1 / 3, 1.0, 2)


@pytest.mark.parametrize(("met_at", "score"), [(3, 1.0), (5, 2 / 3), (7, 1 / 3)])
def test_rays_by_hand(met_at: int, score: float) -> None:
    """A surface at 3.2 m, met 0.2, 2 and 4 m behind or not: one, two or three tolerances."""
    answer = torch.zeros(2, 4, 8, dtype=torch.int64)
    answer[0, 2, met_at] = 1
    met, kind = first_met(answer, _ray(3.2), GRID)
    assert float(met) == pytest.approx(met_at + 0.25)
    assert kind.tolist() == [1]
    metric = VoxelIou(("occupied",), GRID)
    metric.update(answer[None], _truth(torch.zeros_like(answer), _ray(3.3)))
    assert metric.compute()["occupied"]["RayIoU"] == pytest.approx(score)


def test_a_ray_that_begins_far_outside_is_walked_to_the_end() -> None:
    answer = torch.zeros(2, 4, 8, dtype=torch.int64)
    answer[0, 2, 3] = 1
    ray = replace(_ray(43.2), origins=torch.tensor([[-40.0, 0.5, 0.5]]))
    assert float(first_met(answer, ray, GRID)[0]) == pytest.approx(43.25)


def test_a_ray_that_meets_another_class_is_false_twice() -> None:
    answer = torch.zeros(2, 4, 8, dtype=torch.int64)
    answer[0, 2, 3] = 2
    metric = VoxelIou(("static", "vehicle"), GRID)
    metric.update(answer[None], _truth(torch.zeros_like(answer), _ray(3.2, 1)))
    table = metric.compute()
    assert [table[name]["RayIoU"] for name in ("occupied", "static", "vehicle")] == [1, 0, 0]


def test_nothing_met_is_a_miss() -> None:
    answer = torch.zeros(1, 2, 4, 8, dtype=torch.int64)
    metric = VoxelIou(("occupied",), GRID)
    metric.update(answer, _truth(answer[0], _ray(3.2)))
    row = metric.compute()["occupied"]
    assert (row["IoU"], row["RayIoU"]) == (None, 0.0)


def test_the_truth_scores_one() -> None:
    task = Occupancy(OccupancyHeadConfig(), GRID)
    surface = _surface((3.5, 0.5, 0.5), (5.5, -1.5, 1.5), (7.5, 1.9, 0.5))
    truth = task.targets(replace(clip_with(), surfaces=(surface,)))
    metric = task.build_metric()
    metric.update(truth.labels.clamp(min=0), truth)
    row = metric.compute()["occupied"]
    assert (row["IoU"], row["RayIoU"]) == (1.0, 1.0)
    assert metric.compute()["the truth's voxels"] == row


def test_losses_are_means_of_clips_and_unknown_voxels_do_not_count(seed: torch.Generator) -> None:
    task = Occupancy(OccupancyHeadConfig(hidden=8), GRID)
    torch.manual_seed(0)
    head = task.build_head(3)
    volume = torch.randn(2, 3, 2, 4, 8, generator=seed)
    clips = [
        replace(clip_with(), surfaces=(_surface(*points),))
        for points in ([(3.5, 0.5, 0.5)], [(5.5, -1.5, 1.5), (7.5, 1.5, 0.5)])
    ]
    truths = [task.targets(clip) for clip in clips]
    single = [task.losses(head(volume[i : i + 1]), truths[i])["loss"] for i in range(2)]
    both = SeenVoxels(
        torch.cat([t.labels for t in truths]),
        torch.cat([t.in_view for t in truths]),
        (truths[0].rays[0], truths[1].rays[0]),
    )
    torch.testing.assert_close(task.losses(head(volume), both)["loss"], sum(single) / 2)
    output = head(volume[:1]).detach().requires_grad_()
    task.losses(output, truths[0])["loss"].backward()
    assert output.grad is not None
    assert (output.grad.abs().sum(dim=1) > 0).equal(truths[0].labels >= 0)


def test_surfaces_move_with_the_world() -> None:
    change = BevTransform(yaw_rad=0.3, scale=1.1, flip_y=True)
    clip = replace(clip_with(Box(5.0, 3.0)), surfaces=(_surface((5.0, 3.0, 0.8)),))
    moved = change.apply(clip)
    assert moved.surfaces is not None
    torch.testing.assert_close(moved.surfaces[0].points[0], moved.boxes_ref[0, clip.key, 0, :3])


def test_voxels_behind_the_cameras_are_out_of_view() -> None:
    clip = clip_with()
    seen = in_view(clip, VoxelGrid((-20.0, -20.0, 0.0), (20.0, 20.0, 2.0), (8, 8, 1)))
    assert seen.any()
    assert not seen.all()


def test_a_clip_without_surfaces_is_refused() -> None:
    with pytest.raises(DataError, match="occupancy needs surfaces"):
        Occupancy(OccupancyHeadConfig(), GRID).targets(replace(clip_with(), surfaces=None))
