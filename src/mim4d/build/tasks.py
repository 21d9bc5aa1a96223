"""Config to a task and its model: the trunk, and the head that the task puts on it."""

from mim4d.build.trunk import build_grid, build_video_encoder
from mim4d.config import TaskConfig
from mim4d.tasks import find_task
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task


def build_task(config: TaskConfig) -> tuple[Task, TaskModel]:
    """The task and the whole model, with random weights (or those the config names).

    Raises:
        ValueError: If there is no such task.
    """
    task = find_task(config.task)(config.head, build_grid(config.grid))
    encoder = build_video_encoder(config)
    head = task.build_head(config.lift.volume_channels)
    return task, TaskModel(encoder, head, config.frozen_trunk)
