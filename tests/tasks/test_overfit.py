"""The whole of a task can learn two clips by heart: nothing on the way is cut off."""

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config.presets import task_preset
from mim4d.data.clip import collate
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with


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
