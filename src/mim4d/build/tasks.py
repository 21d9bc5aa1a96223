"""Config to a task and its model: the trunk, and the head that the task puts on it."""

from mim4d.build.temporal import choose_decoder, choose_flow
from mim4d.build.trunk import build_grid, build_video_encoder
from mim4d.config import TaskConfig
from mim4d.models.video_encoder import VideoEncoder
from mim4d.tasks import find_task
from mim4d.tasks.frames import JoinFrames
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task


def build_task(config: TaskConfig) -> tuple[Task, TaskModel]:
    """The task and the whole model, with random weights (or those the config names).

    Raises:
        ValueError: If there is no such task, or its head does not fit the trunk.
    """
    task = find_task(config.task)(config.head, build_grid(config.grid))
    encoder = build_video_encoder(config)
    join = _build_join(config, encoder)
    head = task.build_head(join.out_channels)
    return task, TaskModel(encoder, join, head, config.frozen)


def _build_join(config: TaskConfig, encoder: VideoEncoder) -> JoinFrames:
    channels, frames = config.lift.volume_channels, config.clip.frames
    if config.join != "decoder":
        return JoinFrames(channels, frames, config.join, encoder.grid)
    decoder = choose_decoder(config, frames - 1)
    flow = choose_flow(config) if config.flow.enabled else None
    return JoinFrames(channels, frames, config.join, encoder.grid, decoder, flow)
