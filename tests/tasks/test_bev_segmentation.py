"""Layers of the ground by hand, their losses, batches, refusals, and clips learned by heart."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from mim4d.build.tasks import build_task
from mim4d.config import GridConfig, SegmentationHeadConfig, TaskConfig
from mim4d.config.head.segmentation import BevLayer
from mim4d.config.presets import task_preset
from mim4d.data.augment.bev_transform import BevTransform
from mim4d.data.clip import collate
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.tasks.bev_layers import centre_targets, layer_truth
from mim4d.tasks.bev_losses import centre_loss, layer_losses, offset_loss
from mim4d.tasks.bev_segmentation import BevSegmentation
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with

CELLS = VoxelGrid((-8.0, -8.0, -1.0), (8.0, 8.0, 1.0), (8, 8, 1))
"""Cells of 2 m; their centres are −7, −5, ..., 7."""
ALL: tuple[BevLayer, ...] = (
    *("vehicle", "pedestrian"),
    *("drivable_area", "crossing", "divider", "boundary"),
)


def test_layers_by_hand() -> None:
    clip = clip_with(
        Box(1.0, 1.0, 1.5, 1.5),
        Box(-3.0, 1.0, 3.0, 1.0, visibility=1),
        Box(-2.5, 1.0, 1.5, 1.5),
        Box(5.0, 5.0, 1.0, 1.0, kind=1),
        Box(7.0, 7.0, 1.0, 1.0, kind=2),
    )
    truth = layer_truth(clip, ALL, CELLS, 2, 2.5)
    vehicle, pedestrian, drivable, crossing, divider, boundary = truth.occupied[0]
    assert vehicle.nonzero().tolist() == [[4, 2], [4, 4]]
    assert truth.ignored[0].nonzero().tolist() == []
    assert pedestrian.nonzero().tolist() == [[6, 6]]
    assert drivable.any(dim=1).int().tolist() == [0, 1, 1, 1, 1, 1, 1, 0]
    assert crossing[1:7].any(dim=0).int().tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert divider.all(dim=1).int().tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert boundary.all(dim=1).int().tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    alone = layer_truth(clip_with(Box(-3.0, 1.0, 3.0, 1.0, visibility=1)), ALL, CELLS, 2, 2.5)
    assert alone.ignored[0].nonzero().tolist() == [[0, 4, 2]]
    assert alone.occupied[0, 0].nonzero().tolist() == [[4, 2]]


def test_layers_turn_with_the_world() -> None:
    """A quarter turn of everything is a quarter turn of the picture."""
    clip = clip_with(Box(5.0, 1.0, 4.0, 2.0), Box(-5.0, -3.0, 1.0, 1.0, kind=1))
    turned = BevTransform(yaw_rad=math.pi / 2).apply(clip)
    before, after = (layer_truth(c, ALL, CELLS, 2, 2.5).occupied for c in (clip, turned))
    assert torch.equal(after, before.transpose(-1, -2).flip(-1))


def test_centres_and_offsets_by_hand() -> None:
    clip = clip_with(Box(1.5, 0.5), Box(40.0, 0.0), Box(-5.0, -5.0, kind=1))
    chosen = torch.tensor([[True, True, False]])
    heat, offset = centre_targets(clip.boxes_ref[:, 0], chosen, CELLS)
    assert (heat == 1).nonzero().tolist() == [[0, 4, 4]]
    assert float(heat[0, 4, 5]) == pytest.approx(math.exp(-1 / 4.5))
    torch.testing.assert_close(offset[0, :, 4, 4], torch.tensor([0.25, -0.25]))
    torch.testing.assert_close(offset[0, :, 4, 2], torch.tensor([2.25, -0.25]))
    none = centre_targets(clip.boxes_ref[:, 0], torch.zeros(1, 3, dtype=torch.bool), CELLS)
    assert not any(part.any() for part in none)
    empty = centre_targets(torch.zeros(2, 0, 9), torch.zeros(2, 0, dtype=torch.bool), CELLS)
    assert not any(part.any() for part in empty)


def _row(values: list[float]) -> Tensor:
    return torch.tensor(values)[None, None, None]


def test_losses_by_hand() -> None:
    """Probabilities 3/4 and 1/4 of a true and an empty cell; a third cell is ignored."""
    third = math.log(3.0)
    logits, occupied = _row([third, -third, 50.0]), _row([1, 0, 0]).bool()
    counted = _row([1, 1, 0]).bool()
    bce, dice = layer_losses(logits, occupied, counted, "bce", (3.0,), 2.0)
    assert float(bce) == pytest.approx(-(3 + 1) / 2 * math.log(3 / 4))
    assert float(dice) == pytest.approx(1 - (2 * 3 / 4 + 1) / (1 + 1 + 1))
    focal, _ = layer_losses(logits, occupied, counted, "focal", (1.0,), 2.0)
    assert float(focal) == pytest.approx(-((1 / 4) ** 2) * math.log(3 / 4), rel=1e-5)
    heat = _row([1.0, 0.5, 0.0])
    expected = -((1 / 4) ** 2) * math.log(3 / 4) * (1 + (1 / 2) ** 4)
    assert float(centre_loss(logits, heat, counted)) == pytest.approx(expected, rel=1e-5)
    offsets = torch.stack([_row([1.0, 2.0, 9.0]), _row([1.0, 0.0, 9.0])], dim=2)
    assert float(offset_loss(offsets, torch.zeros_like(offsets), counted)) == 1.0


def _module(**head: Any) -> TaskModule:
    torch.manual_seed(0)
    config = task_preset("toy", "bev_segmentation")
    config = replace(config, head=replace(config.head, **head))
    task, model = build_task(config)
    return TaskModule(model, task, config)


def test_two_clips_at_once_equal_two_of_one_and_every_weight_learns() -> None:
    module = _module(centre_weight=1.0, offset_weight=0.5, loss="focal")
    clips = [clip_with(Box(5.0, 3.0)), clip_with(Box(3.0, 9.0, kind=1), Box(-9.0, 1.0), seed=1)]
    both = module.step_losses(collate(clips), step=0)
    single = [module.step_losses(clip, step=0) for clip in clips]
    assert set(both) == {"loss", "focal", "dice", "centre", "offset"}
    for name, value in both.items():
        mean = (single[0][name] + single[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)
    both["loss"].backward()
    assert all(p.grad is not None and p.grad.any() for p in module.model.head.parameters())


def test_ignored_cells_teach_nothing() -> None:
    module = _module(layers=("vehicle",), centre_weight=1.0, offset_weight=1.0)
    clip = clip_with(Box(5.0, 3.0, visibility=1), Box(-9.0, 1.0))
    output, targets = module.model(clip), module.task.targets(clip)
    output.layers.retain_grad()
    module.task.losses(output, targets)["loss"].backward()
    assert output.layers.grad is not None
    assert torch.equal(output.layers.grad == 0, targets.ignored)
    assert targets.ignored.any()


def test_what_the_data_lack_is_named_with_what_is_left() -> None:
    clip = clip_with(Box(5.0, 3.0))
    without = replace(clip, category_names=("animal", "vehicle.car", "movable_object.barrier"))
    with pytest.raises(DataError, match=r"layer pedestrian needs boxes .*head.layers vehicle div"):
        _module(layers=("vehicle", "pedestrian", "divider")).task.targets(without)
    with pytest.raises(DataError, match="layer crossing needs the vector map"):
        _module(layers=("crossing",)).task.targets(replace(clip, maps=None))


def test_cells_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"head\.range_xy_m: 100 m × 50 m .* beyond the volume"):
        _module(range_xy_m=(100.0, 50.0))
    with pytest.raises(ValueError, match=r"head\.layers: expected some of vehicle, pedestrian"):
        SegmentationHeadConfig(layers=("vehicle", "vehicle"))
    pose = box_pose((0.0, 0.0, 0.0), (0.0, 0.0, 90.0))
    turned = VoxelGrid((-8.0, -8.0, -8.0), (8.0, 8.0, 8.0), (8, 8, 8), pose)
    with pytest.raises(ValueError, match=r"head\.range_xy_m: expected a length and a width"):
        BevSegmentation(SegmentationHeadConfig(), turned)


@pytest.mark.parametrize(
    ("range_xy_m", "cells_xy"), [((100.0, 100.0), (200, 200)), ((100.0, 50.0), (400, 200))]
)
def test_the_published_grids(range_xy_m: tuple[float, float], cells_xy: tuple[int, int]) -> None:
    config = task_preset("toy", "bev_segmentation")
    assert isinstance(config.head, SegmentationHeadConfig)
    head = replace(config.head, range_xy_m=range_xy_m, cells_xy=cells_xy)
    grid = GridConfig((-51.2, -51.2, -1.0), (51.2, 51.2, 5.0), (16, 16, 4))
    config = replace(config, head=head, grid=grid)
    task, model = build_task(config)
    assert isinstance(task, BevSegmentation)
    answer = task.decode(model(clip_with(Box(5.0, 3.0))))
    assert answer.shape == (1, 6, cells_xy[1], cells_xy[0])
    step = range_xy_m[0] / cells_xy[0]
    assert task.cells.voxel_size_m[:2] == pytest.approx((step, step))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cvt_setting2", "pointbev_like_448x800"])
def test_published_shapes_build_on_the_meta_device(name: str) -> None:
    config = task_preset(name, "bev_segmentation")
    with torch.device("meta"):
        _, model = build_task(config)
        answer = model.head(torch.empty(1, 32, 8, *config.grid.shape_xyz[1::-1]))
    assert answer.layers.shape == (1, 1, 200, 200)
    assert sum(p.numel() for p in model.parameters()) > 7 * 10**6


def _by_heart(config: TaskConfig, steps: int) -> dict[str, Any]:
    """IoU of four clips of which every layer occurs, after so many steps on them."""
    torch.manual_seed(0)
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    places = ((9.0, 3.0), (-12.0, -8.0), (-3.0, 10.0), (14.0, -9.0))
    clip = collate(
        [
            BevTransform(yaw_rad=0.4 * i).apply(
                clip_with(Box(x, y, 9.0, 6.0), Box(y, x, 6.0, 6.0, kind=1), seed=i)
            )
            for i, (x, y) in enumerate(places)
        ]
    )
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for step in range(steps):
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        optimizer.step()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(model(clip)), task.targets(clip))
    return metric.compute()


@pytest.mark.slow
def test_four_clips_are_learned_by_heart() -> None:
    config = task_preset("toy", "bev_segmentation")
    assert isinstance(config.head, SegmentationHeadConfig)
    head = replace(config.head, positive_weight=4.0, dice_weight=3.0, line_width_m=4.0)
    rows = _by_heart(replace(config, head=head), 180)
    assert all(row["IoU"] > 0.9 for row in rows.values()), rows


def test_a_layer_s_own_weight_stands_whatever_layers_are_painted() -> None:
    head = SegmentationHeadConfig(positive_weight=3.0, positive_weights=("divider=12", "vehicle=2"))
    assert head.weights == (2.0, 3.0, 3.0, 3.0, 12.0, 3.0)
    assert replace(head, layers=("pedestrian", "divider")).weights == (3.0, 12.0)
    demo = task_preset("demo", "bev_segmentation").head
    assert isinstance(demo, SegmentationHeadConfig)
    assert replace(demo, layers=("vehicle", "pedestrian")).weights == (5.0, 60.0)
    for wrong in ("divider", "divider=-1", "lane=2", "divider=nan"):
        with pytest.raises(ValueError, match=r"head.positive_weights.*LAYER=WEIGHT"):
            replace(head, positive_weights=(wrong,))
    with pytest.raises(ValueError, match=r"head.positive_weight.*names every layer"):
        replace(demo, positive_weight=6.0)
