"""`mim4d yardstick`: what a pre-training is worth for a task with few labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.cli.arguments import PathArgument
from mim4d.config import Device


@dataclass(frozen=True)
class Yardstick:
    """Measure what a pre-training is worth for a task: few labels, the run against its rivals.

    The learning rate of each rival is searched alike, on labelled scenes. Finished parts are kept.
    """

    run: PathArgument
    """Run folder of a finished pre-training."""
    data: Path
    """Data set with labels and held-out scenes."""
    out: Path
    """Folder for the runs and the numbers."""
    depth_only: Path | None = None
    """Run folder of a pre-training by depth cross-entropy alone; by default one is trained in the
    time of the run's own steps."""
    arms: tuple[Literal["pretrained", "random", "depth_only"], ...] = (
        "pretrained",
        "random",
        "depth_only",
    )
    """Rivals: the run, random weights, a pre-training by depth cross-entropy alone."""
    scenes: int = 6
    """Labelled scenes, spread over the training split."""
    steps: int | None = None
    """Optimiser steps of every head; by default the task preset's."""
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    """Learning rates of which each arm takes its best."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every arm."""
    clips: int | None = None
    """Evaluate at most this many held-out clips, spread over the scenes."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    device: Device = "auto"
    """Where to compute."""


def yardstick(options: Yardstick) -> None:
    """`mim4d yardstick`."""
    from dataclasses import asdict

    from mim4d.study.yardstick.yardstick import Yardstick as Asked
    from mim4d.study.yardstick.yardstick import measure

    print(measure(Asked(**asdict(options))).table())
    print(options.out / "yardstick.json")
