"""How a run is watched: loggers, validation on held-out clips. Nothing of it changes the training.

Imports no torch, so that the command line can make it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mim4d.data.splits import SceneChoice

LoggerName = Literal["tensorboard", "wandb", "mlflow", "csv"]
Picture = Callable[[Any, Any, int, Path], Path | None]
"""Draws what a module of `training.modules`, in evaluation mode, says of a clip of a data set: the
module, the data set, the clip's number, the file to write; returns the file, or None if none."""


@dataclass(frozen=True)
class Watch:
    """What is asked for.

    Attributes:
        loggers: Where losses, rates, throughput, memory and pictures go, beside metrics.jsonl.
        validate_every: Optimiser steps between validations; 0: never.
        validation_clips: Clips of each validation, spread evenly over the scenes, always the same.
        validation_scenes: Scenes to take them from.
        picture: Draws the first of them at each validation; None draws nothing.
    """

    loggers: tuple[LoggerName, ...] = ("tensorboard",)
    validate_every: int = 0
    validation_clips: int = 8
    validation_scenes: SceneChoice = field(default_factory=lambda: SceneChoice("val"))
    picture: Picture | None = None

    def __post_init__(self) -> None:
        for name, least in (("validate_every", 0), ("validation_clips", 1)):
            value = getattr(self, name)
            if value < least:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} {value}: expected {least} or more")

    def as_options(self) -> dict[str, Any]:
        """As options of the command line, for the record of a run."""
        return {
            "logger": list(self.loggers),
            "validate_every": self.validate_every,
            "validation_clips": self.validation_clips,
            "validation_split": self.validation_scenes.split,
            "validation_scenes": list(self.validation_scenes.names or ()),
        }
