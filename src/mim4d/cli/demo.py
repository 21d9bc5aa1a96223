"""`mim4d demo`: from nothing to a report."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli.arguments import PathArgument


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


def demo(options: Demo) -> None:
    """`mim4d demo`."""
    from mim4d.cli.run_demo import run_demo

    run_demo(options.out, options.scenes, options.held_out, options.seed, options.steps)


@dataclass(frozen=True)
class DemoTasks:
    """After a demo: compare BEV segmentation from its pre-training and from random weights."""

    out: PathArgument = Path("demo")
    """Folder of the finished demo. Finished parts that are there are kept."""
    steps: int | None = None
    """Optimiser steps of each training; by default the preset's."""
    seed: int = 0
    """Seed of the trainings."""


def demo_tasks(options: DemoTasks) -> None:
    """`mim4d demo-tasks`."""
    from mim4d.cli.run_demo_tasks import run_demo_tasks

    run_demo_tasks(options.out, options.steps, options.seed)
