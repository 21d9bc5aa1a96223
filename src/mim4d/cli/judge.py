"""Commands that show what a run has learned: evaluate and render."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.config import Device, TaskConfig

if TYPE_CHECKING:
    from mim4d.evaluation import Evaluation
    from mim4d.evaluation.task import TaskEvaluation


@dataclass(frozen=True)
class Evaluate:
    """Measure a run on held-out scenes: its distances beside baselines, or its task.

    With --predictions in place of a run: score predicted maps, in MapTR's or StreamMapNet's form.
    """

    data: Path
    """Data set."""
    run: Annotated[Path | None, tyro.conf.Positional] = None
    """Run folder."""
    predictions: Path | None = None
    """Predicted maps of any method, to be scored by both published habits."""
    stride: int = 4
    """Image pixels per evaluated pixel, in both directions; of no meaning to a task."""
    clips: int | None = None
    """At most so many clips, spread over the scenes."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""
    json: Path | None = None
    """Also write all numbers to this file; RUN/evaluation.json has them in any case."""


def evaluate(options: Evaluate) -> None:
    """`mim4d evaluate`."""
    if (options.run is None) == (options.predictions is None):
        raise ValueError("`mim4d evaluate` wants either a run folder or --predictions FILE")
    if options.predictions is not None:
        _evaluate_map_predictions(options, options.predictions)
    elif options.run is not None:
        _evaluate_run(options, options.run)


def _evaluate_map_predictions(options: Evaluate, file: Path) -> None:
    from mim4d.evaluation.map_predictions import evaluate_map_predictions

    evaluation = evaluate_map_predictions(
        file,
        options.data,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
    )
    print(evaluation.table())
    if options.json is not None:
        evaluation.save(options.json)


def _evaluate_run(options: Evaluate, run: Path) -> None:
    from mim4d.runs.record import run_kind

    # A folder that is no run is refused where a run is read, after the options.
    is_task = (run / "config.json").is_file() and run_kind(run) == "task"
    evaluation = _evaluate_task(options, run) if is_task else _evaluate(options, run)
    print(evaluation.table())
    if options.json is not None:
        evaluation.save(options.json)


def _evaluate_task(options: Evaluate, run: Path) -> "TaskEvaluation":
    from mim4d.evaluation.task import evaluate_task

    return evaluate_task(
        run,
        options.data,
        max_clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    )


def _evaluate(options: Evaluate, run: Path) -> "Evaluation":
    from mim4d.evaluation import evaluate_run

    return evaluate_run(
        run,
        options.data,
        stride=options.stride,
        max_clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    )


@dataclass(frozen=True)
class Render:
    """Draw what a run sees: input, rendered colour and distance, truth, error, scene flow.

    Of the task hd_map: its lines and the true ones, over the cameras and from above; of occupancy:
    slices of its voxels and the true ones.
    """

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set; its held-out scenes are drawn."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/renders."""
    clips: int = 2
    """How many clips, spread over the scenes."""
    stride: int = 2
    """Image pixels per rendered pixel."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""


def render(options: Render) -> None:
    """`mim4d render`."""
    from mim4d.runs.record import run_kind

    if run_kind(options.run) == "task":
        _render_task(options)
        return
    from mim4d.viz.rendering import render_run

    for path in render_run(
        options.run,
        options.data,
        options.out or options.run / "renders",
        clips=options.clips,
        stride=options.stride,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    ):
        print(path)


def _render_task(options: Render) -> None:
    from mim4d.runs.record import read_run_config
    from mim4d.viz.map_lines import render_maps
    from mim4d.viz.occupancy_slices import render_occupancy

    config = read_run_config(options.run)
    draws = {"hd_map": render_maps, "occupancy": render_occupancy}
    task = config.task if isinstance(config, TaskConfig) else ""
    if task not in draws:
        raise ValueError(f"{options.run}: of the task {task} no pictures are drawn")
    for path in draws[task](
        options.run,
        options.data,
        options.out or options.run / "renders",
        clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    ):
        print(path)
