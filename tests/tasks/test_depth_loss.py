"""LiDAR's depth beside a task's labels: what it adds, whom it teaches, when it is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config import TaskConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import collate
from mim4d.evaluation.held_out import lidar_remarks
from mim4d.tasks import TASKS
from mim4d.training.estimate import describe
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with


def _module(config: TaskConfig) -> TaskModule:
    torch.manual_seed(0)
    task, model = build_task(config)
    return TaskModule(model, task, config)


@pytest.mark.parametrize("task", TASKS)
def test_it_is_the_tasks_losses_and_the_weighted_cross_entropy(task: str) -> None:
    plain = task_preset("toy", task)
    clip = clip_with(Box(5.0, 3.0))
    alone = _module(plain).step_losses(clip, step=0)
    module = _module(replace(plain, depth_loss_weight=0.5))
    both = module.step_losses(clip, step=0)
    assert set(both) == {*alone, "depth"}
    torch.testing.assert_close(both["loss"], alone["loss"] + 0.5 * both["depth"])
    assert both["depth"] > 0
    assert module.measured_terms == ("loss", "depth")
    assert module.census(clip)["measured_cells"] > 0


def test_exact_distributions_cost_nothing() -> None:
    module = _module(replace(task_preset("toy", "vehicles"), depth_loss_weight=1.0))
    bins = module.model.encoder.depth_head.bins
    seen = module.model.look(clip_with(Box(5.0, 3.0)))
    cells = module._measured(seen.frames)
    away = (cells.depths.unsqueeze(3) - bins.centres_m.view(-1, 1, 1)).abs() / bins.step_m
    exact = (1 - away).clamp(min=0)
    assert exact.shape == seen.depth_probs.shape
    least = module._depth_loss(replace(seen, depth_probs=exact))
    assert least < 0.7  # what sharing a depth between two bins leaves: at most ln 2
    assert module._depth_loss(seen) > least + 1


def test_it_teaches_the_trunk_and_every_frame_that_is_read() -> None:
    config = replace(task_preset("toy", "vehicles"), depth_loss_weight=1.0, frozen="image_encoder")
    frames = replace(config.clip, frames=2, key=1)
    config = replace(config, clip=frames, join="concatenate")
    module = _module(config)
    clip = replace(clip_with(Box(5.0, 3.0), frames=2), key=1)
    module._depth_loss(module.model.look(clip)).backward()
    taught = {name for name, p in module.model.named_parameters() if p.grad is not None}
    assert any(name.startswith("encoder.depth_head.") for name in taught)
    assert not any(name.startswith(("head.", "encoder.image_encoder.")) for name in taught)
    unseen = clip.valid_points.clone()
    unseen[:, 0] = False
    less = module._measured(module.model.look(replace(clip, valid_points=unseen)).frames)
    assert less.valid[:, 1].any()
    assert not less.valid[:, 0].any()
    assert module._measured(clip).valid[:, 0].any()


def test_two_clips_at_once_equal_two_of_one() -> None:
    module = _module(replace(task_preset("toy", "vehicles"), depth_loss_weight=1.0))
    clips = [clip_with(Box(5.0, 3.0)), clip_with(Box(-9.0, 1.0), seed=1)]
    both = module.step_losses(collate(clips), step=0)["depth"]
    single = [module.step_losses(clip, step=0)["depth"] for clip in clips]
    torch.testing.assert_close(both, torch.stack(single).mean())


def test_it_is_declared_before_the_run_and_beside_its_scores() -> None:
    config = replace(task_preset("toy", "vehicles"), depth_loss_weight=1.0)
    assert "from labels, and depth from LiDAR, by" in describe(config, clip_with(), 1)
    (remark,) = lidar_remarks(config)
    assert "--depth-loss-weight 1" in remark
    assert lidar_remarks(replace(config, depth_loss_weight=0.0)) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: replace(c, depth_loss_weight=-1.0), "0 or more"),
        (lambda c: replace(c, depth_loss_weight=1.0, frozen="trunk"), "nothing would learn"),
        (
            lambda c: replace(c, depth_loss_weight=1.0, clip=replace(c.clip, lidar=None)),
            "0 where clip.lidar is None",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    change: Callable[[TaskConfig], TaskConfig], message: str
) -> None:
    with pytest.raises(ValueError, match=f"depth_loss_weight.*{message}"):
        change(task_preset("toy", "vehicles"))
