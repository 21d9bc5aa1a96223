"""Evaluate a task's run: every clip once, its answer against what is true, in the task's metric."""

import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.driven_places import OVERLAP_M
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.formatting import count_of, line
from mim4d.evaluation.held_out import overlap_with_training
from mim4d.evaluation.view import spread
from mim4d.files import write_text
from mim4d.runs.loading import load_task
from mim4d.runs.record import was_trained_on
from mim4d.tasks.task import Score, Scores
from mim4d.training.devices import choose_accelerator

_HELD_OUT = SceneChoice("val")


@dataclass(frozen=True)
class TaskEvaluation:
    """Scores of a task, and what they were measured on.

    Attributes:
        task: Name of the task.
        rows: What its metric computed.
        scenes: Scenes that were evaluated.
        num_clips: Clips that were evaluated.
        held_out: Whether none of the scenes was trained on.
        overlap: Share of the evaluated scenes' samples that lie within 5 m of one of a training
            scene; None where it is not known what was trained on.
    """

    task: str
    rows: Scores
    scenes: list[str]
    num_clips: int
    held_out: bool
    overlap: float | None = None

    def table(self) -> str:
        """The table for a person."""
        columns = tuple(next(iter(self.rows.values())))
        width = max(8, *map(len, columns))
        lines = [line(f"task {self.task}", columns, width)]
        lines.append("-" * len(lines[0]))
        for name, row in self.rows.items():
            lines.append(line(name, tuple(_cell(row[column]) for column in columns), width))
        return "\n".join([*lines, "", *textwrap.wrap(self.note(), max(80, len(lines[1])))])

    def note(self) -> str:
        """What the numbers are of, in words."""
        where = "held-out" if self.held_out else "TRAINING"
        scenes = count_of(len(self.scenes), f"{where} scene")
        note = f"{count_of(self.num_clips, 'clip')} of {scenes}, key frames alone."
        if self.overlap is None:
            return note
        return (
            f"{note} {100 * self.overlap:.1f} % of the scenes' samples lie within {OVERLAP_M:g} m "
            "of a training sample; `mim4d split --geo` makes splits without such overlap."
        )

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")


def _cell(value: Score) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


@torch.no_grad()
def evaluate_task(
    run: Path,
    data: Path,
    *,
    max_clips: int | None = None,
    scenes: SceneChoice = _HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    save: bool = True,
) -> TaskEvaluation:
    """Evaluate a task's run and write RUN/evaluation.json.

    Args:
        run: Run folder.
        data: Data set.
        max_clips: At most so many clips, spread evenly.
        scenes: Scenes that count; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.
        save: Write the file.

    Raises:
        ValueError: For anything wrong with run or data.
    """
    if max_clips is not None and max_clips < 1:
        raise ValueError(f"--clips {max_clips}: expected at least 1")
    accelerator = choose_accelerator(device)
    model, task, config = load_task(run)
    dataset = build_dataset(config, data, scenes, version)
    model.to(accelerator)
    metric = task.build_metric().to(accelerator)
    indices = spread(len(dataset), max_clips)
    for index in indices:
        clip = dataset[index].to(accelerator)
        metric.update(task.decode(model(clip)), task.targets(clip))
    names = sorted({dataset.scene_name(i) for i in indices})
    held_out = not was_trained_on(run, data, names)
    overlap = overlap_with_training(run, data, dataset.tables, names)
    evaluation = TaskEvaluation(
        config.task, metric.compute(), names, len(indices), held_out, overlap
    )
    if save:
        evaluation.save(run / "evaluation.json")
    return evaluation
