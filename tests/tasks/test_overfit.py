"""The whole of a task can learn some clips by heart: nothing on the way is cut off."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config.head import OccupancyHeadConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import Clip, collate
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with, two_walls


def scores_after(module: TaskModule, clip: Clip, steps: int) -> Any:
    """What a task says of the clips that it has learned by heart."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for step in range(steps):
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        optimizer.step()
    metric = module.task.build_metric()
    with torch.no_grad():
        metric.update(module.task.decode(module.model(clip)), module.task.targets(clip))
    return metric.compute()


@pytest.mark.slow
def test_two_clips_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    config = task_preset("toy", "vehicles")
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    clip = collate(
        [
            clip_with(Box(9.0, 3.0, 8.0, 4.0, 0.4), Box(-12.0, -8.0, 6.0, 5.0)),
            clip_with(Box(-3.0, 10.0, 8.0, 4.0, 1.2), Box(14.0, -9.0, 7.0, 4.0, -0.5), seed=1),
        ]
    )
    scores = scores_after(module, clip, steps=80)
    assert scores["visible vehicles"]["IoU"] > 0.9


@pytest.mark.slow
def test_the_occupancy_of_four_clips_is_learned_by_heart() -> None:
    torch.manual_seed(0)
    config = task_preset("toy", "occupancy")
    assert isinstance(config.head, OccupancyHeadConfig)
    config = replace(config, head=replace(config.head, hidden=32))
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    walls, clips = two_walls(), []
    for i in range(4):
        aside = walls.points.new_tensor([0.0, 4.0 * i - 6.0, 0.0])
        moved = replace(walls, points=walls.points + aside)
        clips.append(replace(clip_with(seed=i), surfaces=(moved,)))
    clip = collate(clips)
    scores = scores_after(module, clip, steps=60)
    assert scores["occupied"]["IoU"] > 0.9
