"""Commands that show what a run has learned: evaluate and render."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.config import Device

if TYPE_CHECKING:
    from mim4d.evaluation import Evaluation
    from mim4d.evaluation.task import TaskEvaluation


@dataclass(frozen=True)
class Evaluate:
    """Measure a run on held-out scenes: its distances beside baselines, or its task."""

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set."""
    stride: int = 4
    """Image pixels per evaluated pixel, in both directions; of no meaning to a task."""
    clips: int | None = None
    """At most so many clips, spread over the scenes."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    ceilings: bool = False
    """Also fit a renderer to exact volumes, and measure what grid and renderer allow: one or two
    minutes more; only where distances are known exactly."""
    version: str | None = None
    """Version folder, where there are several."""
    device: Device = "auto"
    """Where to compute."""
    json: Path | None = None
    """Also write all numbers to this file; RUN/evaluation.json has them in any case."""


def evaluate(options: Evaluate) -> None:
    """`mim4d evaluate`."""
    from mim4d.runs.record import run_kind

    # A folder that is no run is refused where a run is read, after the options.
    is_run = (options.run / "config.json").is_file()
    is_task = is_run and run_kind(options.run) == "task"
    evaluation = _evaluate_task(options) if is_task else _evaluate(options)
    print(evaluation.table())
    if options.json is not None:
        evaluation.save(options.json)


def _evaluate_task(options: Evaluate) -> "TaskEvaluation":
    from mim4d.evaluation.task import evaluate_task

    return evaluate_task(
        options.run,
        options.data,
        max_clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
    )


def _evaluate(options: Evaluate) -> "Evaluation":
    from mim4d.evaluation import evaluate_run

    return evaluate_run(
        options.run,
        options.data,
        stride=options.stride,
        max_clips=options.clips,
        scenes=scene_choice(options.split, options.scenes),
        version=options.version,
        device=options.device,
        ceilings=options.ceilings,
    )


@dataclass(frozen=True)
class Render:
    """Draw what a run sees: input, rendered colour and distance, truth, error, scene flow."""

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set; its held-out scenes are drawn."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/renders."""
    video: Path | None = None
    """Instead of pictures write one short video to this file (.webp, .gif or .mp4): a held-out
    clip's volume seen along the clip's own path, and from 1 m to the left of it."""
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
    scenes = scene_choice(options.split, options.scenes)
    if options.video is not None:
        from mim4d.viz.video import render_video

        written = render_video(
            options.run,
            options.data,
            options.video,
            stride=options.stride,
            scenes=scenes,
            version=options.version,
            device=options.device,
        )
        print(written)
        return
    from mim4d.viz.rendering import render_run

    for path in render_run(
        options.run,
        options.data,
        options.out or options.run / "renders",
        clips=options.clips,
        stride=options.stride,
        scenes=scenes,
        version=options.version,
        device=options.device,
    ):
        print(path)
