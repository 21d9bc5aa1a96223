"""Config to a task and its model: the trunk, and the head that the task puts on it."""

from torch import nn

from mim4d.build.temporal import choose_decoder, choose_flow
from mim4d.build.trunk import build_grid, build_video_encoder
from mim4d.config import TaskConfig
from mim4d.models.video_encoder import VideoEncoder
from mim4d.tasks import find_task
from mim4d.tasks.frames import JoinFrames
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task, TaskInImages


def build_task(config: TaskConfig) -> tuple[Task, TaskModel]:
    """The task and the whole model, with random weights (or those the config names).

    Raises:
        ValueError: If there is no such task, its head does not fit the trunk, or it is to be
            learned in images and cannot be.
    """
    task = find_task(config.task)(config.head, build_grid(config.grid))
    encoder = build_video_encoder(config)
    join = _build_join(config, encoder)
    head = task.build_head(join.out_channels)
    image_head = _build_image_head(task, config)
    return task, TaskModel(encoder, join, head, config.frozen, image_head)


def _build_image_head(task: Task, config: TaskConfig) -> nn.Module | None:
    if not config.learns_in_images:
        return None
    if not isinstance(task, TaskInImages):
        raise ValueError(
            f"config image_loss_weight: expected 0 for the task {config.task}, which cannot be "
            f"learned in images (detection can), got {config.image_loss_weight}"
        )
    return task.build_image_head(config.encoder.neck_channels)


def _build_join(config: TaskConfig, encoder: VideoEncoder) -> JoinFrames:
    channels, frames = config.lift.volume_channels, config.clip.frames
    if config.join != "decoder":
        return JoinFrames(channels, frames, config.join, encoder.grid)
    decoder = choose_decoder(config, frames - 1)
    flow = choose_flow(config) if config.flow.enabled else None
    return JoinFrames(channels, frames, config.join, encoder.grid, decoder, flow)
