"""The whole of a task can learn some clips by heart: nothing on the way is cut off."""

from dataclasses import replace

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config.head import OccupancyHeadConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import collate
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with, two_walls


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
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for step in range(80):
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        optimizer.step()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(model(clip)), task.targets(clip))
    iou = metric.compute()["visible vehicles"]["IoU"]
    assert iou > 0.9


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
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for step in range(60):
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        optimizer.step()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(model(clip)), task.targets(clip))
    assert metric.compute()["occupied"]["IoU"] > 0.9
