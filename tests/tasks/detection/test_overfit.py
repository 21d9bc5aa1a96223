"""Four clips are learned by heart: nothing on the way is cut off."""

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config.presets import task_preset
from mim4d.data.clip import collate
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with

CLIPS = (
    (Box(9.0, 3.0, 4.5, 2.0, 0.4), Box(-12.0, -8.0, 1.0, 0.8, 0.0, 1)),
    (Box(-3.0, 10.0, 4.0, 1.9, 1.2), Box(14.0, -9.0, 4.2, 1.8, -0.5)),
    (Box(6.0, -6.0, 0.8, 0.7, 0.0, 1), Box(-15.0, 2.0, 4.4, 2.0, 2.5)),
    (Box(20.0, 1.0, 4.0, 2.0, 3.0), Box(3.0, 7.0, 0.9, 0.8, 0.0, 1)),
)
STEPS = 120


@pytest.mark.slow
def test_four_clips_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    config = task_preset("toy", "detection")
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    clip = collate([clip_with(*boxes, seed=i) for i, boxes in enumerate(CLIPS)])
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(model(clip)), task.targets(clip))
    row = metric.compute()["mean of true classes"]
    assert row["AP"] > 0.9, metric.compute()
