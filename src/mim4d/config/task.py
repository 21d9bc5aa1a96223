"""Everything that decides the training of a task."""

from dataclasses import dataclass, field

import tyro

from mim4d.config.head import HeadConfig
from mim4d.config.run import RunConfig


@dataclass(frozen=True, kw_only=True)
class TaskConfig(RunConfig):
    """A run on a trunk that learns a task from labels: the trunk, a head, how both are trained."""

    task: tyro.conf.Fixed[str]
    """Name of the task, one of `mim4d.tasks.TASKS`."""
    head: HeadConfig = field(default_factory=HeadConfig)
    frozen_trunk: bool = False
    """Keep the whole trunk as it is, its running statistics and stochastic depth included; only
    the head learns. `encoder.frozen_stages` keeps a part, `optim.backbone_lr_factor` slows it."""
