"""The head: batches, gradients, training's further lines; full size under fake tensors."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mim4d.build.trunk import build_grid, build_video_encoder
from mim4d.config.head import HdMapHeadConfig
from mim4d.config.presets import task_preset
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks import map_losses
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.map_head import LookAround
from tests.tasks.test_map_targets import ROAD, truth_of

GRID = VoxelGrid((-12.0, -8.0, -1.0), (12.0, 8.0, 3.0), (12, 8, 2))
TOY = HdMapHeadConfig(range_xy_m=(20.0, 10.0), cells_xy=(20, 10), lines=6, points=5, layers=2)


def _task(**options: Any) -> HdMap:
    torch.manual_seed(0)
    return HdMap(replace(TOY, trunk=replace(TOY.trunk, width=16, scales=1), **options), GRID)


def _volume(seed: torch.Generator, clips: int = 1) -> torch.Tensor:
    return torch.randn(clips, 3, 2, 8, 12, generator=seed)


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad


def test_two_clips_are_two_of_one(seed: torch.Generator) -> None:
    head, volume = _task().build_head(3).eval(), _volume(seed, 2)
    both, second = head(volume), head(volume[1:])
    torch.testing.assert_close(both.points[:, 1:], second.points)
    torch.testing.assert_close(both.logits[:, 1:], second.logits)
    assert both.points.shape == (2, 2, 6, 5, 2)
    assert ((both.points >= 0) & (both.points <= 1)).all()


def test_further_lines_are_drawn_in_training_alone_and_do_not_show(seed: torch.Generator) -> None:
    """What they ask changes nothing about the answer."""
    task = _task(one_to_many=12)
    head, volume = task.build_head(3), _volume(seed)
    drawn = head(volume)
    assert drawn.points.shape[2] == 18
    answer = head.eval()(volume)
    assert answer.points.shape[2] == 6
    torch.testing.assert_close(drawn.points[:, :, :6], answer.points)
    truth = truth_of(ROAD)
    losses = task.losses(drawn, truth)
    alone = replace(drawn, points=drawn.points[:, :, :6], logits=drawn.logits[:, :, :6])
    assert losses["points"].item() > task.losses(alone, truth)["points"].item()


def test_cells_alone_are_learned_in_the_warm_up(seed: torch.Generator) -> None:
    task = _task(warmup_steps=3)
    head, truth = task.build_head(3), truth_of(ROAD)
    losses = task.losses_at_step(head(_volume(seed)), truth, 2)
    assert losses["loss"].item() == losses["cells"].item() > 0
    losses["loss"].backward()
    assert all(p.grad is not None for p in head.parameters())
    assert not _gradient(head.line_queries).any()
    head.zero_grad()
    task.losses_at_step(head(_volume(seed)), truth, 3)["loss"].backward()
    # Of `move`, the last matrices start at zero and let nothing through yet.
    untouched = {name for name, p in head.named_parameters() if not _gradient(p).any()}
    assert all(name.startswith("move.") and ".0." in name for name in untouched)


def test_a_head_looks_where_its_points_are() -> None:
    """One place without an offset, all weights one: the feature of the cell itself."""
    look = LookAround(4, 1, 1)
    torch.nn.init.zeros_(look.offsets.bias)
    for layer in (look.values, look.out):
        assert layer.bias is not None
        torch.nn.init.zeros_(layer.bias)
        layer.weight.data = torch.eye(4).reshape(layer.weight.shape)
    features = torch.rand(1, 4, 3, 5)
    points = torch.tensor([[[[0.5 / 5, 2.5 / 3], [4.5 / 5, 0.5 / 3]]]])
    found = look(torch.rand(1, 1, 2, 4), points, features)[0, 0]
    torch.testing.assert_close(found, torch.stack([features[0, :, 2, 0], features[0, :, 0, 4]]))


def test_the_truth_itself_is_the_ceiling(seed: torch.Generator) -> None:
    task, truth = _task(), truth_of(ROAD)
    metric = task.build_metric()
    metric.update(task.decode(task.build_head(3).eval()(_volume(seed))), truth)
    table = metric.compute()
    assert table["maptr, ceiling"]["mAP"] == pytest.approx(1.0)
    assert table["streammapnet, ceiling"]["mAP"] == pytest.approx(1.0)
    assert table["true lines"] == {
        "divider": 2,
        "ped_crossing": 1,
        "boundary": 2,
        "mAP": 5,
        "mAP, true classes": 5,
    }


def test_answers_are_metres_of_ref(seed: torch.Generator) -> None:
    task = _task()
    drawn = task.build_head(3).eval()(_volume(seed))
    corner = replace(drawn, points=torch.ones_like(drawn.points))
    (answer,) = task.decode(corner)
    assert all(line.unique(dim=0).tolist() == [[10.0, 5.0]] for line in answer.lines)


def test_a_range_beyond_the_volume_is_refused() -> None:
    with pytest.raises(ValueError, match="reach beyond the volume"):
        HdMap(HdMapHeadConfig(), GRID)


@pytest.mark.slow
def test_full_size_goes_through_under_fake_cuda_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """50 lines of 20 points, further lines: shapes and devices fit, without a GPU."""
    options = HdMapHeadConfig(lines=50, points=20, layers=2, one_to_many=300, heads=8)
    task = HdMap(options, VoxelGrid((-32.0, -32.0, -1.0), (32.0, 32.0, 5.0), (64, 64, 4)))
    monkeypatch.setattr(map_losses, "match", _first)
    truth = truth_of(ROAD)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"):
        head = task.build_head(64)
        drawn = head(torch.empty(2, 64, 4, 64, 64))
        assert drawn.points.shape == (2, 2, 350, 20, 2)
        true = replace(
            truth,
            lines=truth.lines * 2,
            orders=(torch.empty(5, 38, 20, 2),) * 2,
            cells=torch.empty(2, 3, 50, 100, dtype=torch.bool),
        )
        losses = task.losses(drawn, true)
        assert losses["loss"].device.type == "cuda"


def test_the_published_size_is_built_on_the_meta_device() -> None:
    """MapTRv2's 50 lines of 20 points and 300 further ones, 24 epochs of 32 clips."""
    config = task_preset("maptr_r50", "hd_map")
    assert isinstance(config.head, HdMapHeadConfig)
    task = HdMap(config.head, build_grid(config.grid))
    with torch.device("meta"):
        encoder = build_video_encoder(config)
        head = task.build_head(config.lift.volume_channels)
    assert sum(p.numel() for p in encoder.image_encoder.parameters()) > 23_000_000
    assert head.line_queries.shape == (350, 256)
    assert head.point_queries.shape == (20, 256)
    assert len(head.layers) == 6
    assert all(parameter.device.type == "meta" for parameter in head.parameters())
    assert config.optim.steps == 21097


def _first(logits, points, classes, orders, weights):
    """In the place of an assignment, which needs numbers."""
    rows = torch.arange(min(len(classes), len(logits)), device=logits.device)
    return map_losses.Matches(rows, rows, torch.zeros_like(rows))
