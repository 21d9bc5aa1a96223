"""`mim4d yardstick`: what a pre-training is worth for a task with few labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument
from mim4d.config import Device


@dataclass(frozen=True)
class Yardstick:
    """Train the vehicle head on a few labelled scenes from a run, and from what it must beat.

    Learning rates are searched alike for all, on labelled scenes; what is finished is kept.
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
    """What is compared: the run, random weights, a pre-training by depth cross-entropy alone."""
    scenes: int = 6
    """Labelled scenes, spread over the training split."""
    steps: int | None = None
    """Optimiser steps of every head; by default the task preset's."""
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    """Learning rates of which each arm takes its best."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every arm."""
    clips: int | None = None
    """At most so many held-out clips, spread over the scenes."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, scenes=self.scenes, steps=self.steps, clips=self.clips)
        at_once.run_folder(self.run, "pretraining", finished=True)
        if self.depth_only is not None:
            at_once.run_folder(self.depth_only, "pretraining", finished=True)
        at_once.data_set(self.data, self.version)
        at_once.device(self.device)


def yardstick(options: Yardstick) -> None:
    """`mim4d yardstick`."""
    from dataclasses import asdict

    from mim4d.study.yardstick.yardstick import Yardstick as Asked
    from mim4d.study.yardstick.yardstick import measure

    print(measure(Asked(**asdict(options))).table())
    print(options.out / "yardstick.json")
