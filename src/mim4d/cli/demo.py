"""`mim4d demo`: from nothing to a report."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument
from mim4d.errors import need_extra
from mim4d.runs.run_files import ENCODER_FILE


@dataclass(frozen=True)
class Demo:
    """Make a small world, pre-train on it, evaluate on held-out scenes, write a report."""

    out: PathArgument = Path("demo")
    """Folder for everything. Finished parts that are there are kept."""
    scenes: int = 64
    """Training scenes."""
    held_out: int = 12
    """Held-out scenes."""
    seed: int = 0
    """Seed of the world and of the training."""
    steps: int | None = None
    """Optimiser steps; by default the preset's."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, seed=self.seed)
        at_once.at_least(1, scenes=self.scenes, held_out=self.held_out, steps=self.steps)
        at_once.output_folder(self.out)
        need_extra("world", "the demo's world")
        at_once.drawing("the demo's report")


def demo(options: Demo) -> None:
    """`mim4d demo`."""
    from mim4d.cli.run_demo import run_demo

    run_demo(options.out, options.scenes, options.held_out, options.seed, options.steps)


@dataclass(frozen=True)
class DemoTasks:
    """After a demo: compare BEV segmentation from its pre-training and from random weights."""

    out: PathArgument = Path("demo")
    """Folder of the finished demo. Finished parts that are there are kept."""
    steps: int = 250
    """Optimiser steps of each of the four trainings: a third of the preset's, so that all take
    about as long as the demo."""
    seed: int = 0
    """Seed of the trainings."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, seed=self.seed)
        at_once.at_least(1, steps=self.steps)
        if not (self.out / "run" / ENCODER_FILE).is_file() or not (self.out / "world").is_dir():
            raise ValueError(
                f"{self.out}: holds no finished demo; run `mim4d demo {self.out}` first"
            )
        at_once.output_folder(self.out)
        at_once.drawing("the demo's report")


def demo_tasks(options: DemoTasks) -> None:
    """`mim4d demo-tasks`."""
    from mim4d.cli.run_demo_tasks import run_demo_tasks

    run_demo_tasks(options.out, options.steps, options.seed)
