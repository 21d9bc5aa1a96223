"""Evaluate a task's run: every clip once, its answer against what is true, in the task's metric."""

import json
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torchmetrics import Metric

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import HELD_OUT, SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation.conditions import conditions_of_scenes
from mim4d.evaluation.floors_and_ceilings import Reference, training_clips
from mim4d.evaluation.formatting import count_of, line
from mim4d.evaluation.held_out import lidar_remarks, overlap_remarks, pretraining_remarks
from mim4d.evaluation.legend import titled
from mim4d.evaluation.view import spread
from mim4d.files import write_text
from mim4d.progress import Report, counted, silent
from mim4d.runs.loading import load_task
from mim4d.runs.record import was_trained_on
from mim4d.tasks.task import HasFurtherTables, Score, Scores
from mim4d.training.devices import choose_accelerator


@dataclass(frozen=True)
class TaskEvaluation:
    """Scores of a task, and what they were measured on.

    Attributes:
        task: Name of the task.
        rows: What its metric computed.
        scenes: Scenes that were evaluated.
        num_clips: Clips that were evaluated.
        held_out: Whether none of the scenes was trained on; None where nobody knows.
        beside: Rows of other answers to the same clips, by their names: what never looks, and with
            --ceilings what exact depth would give.
        headline: The column of the rows by which answers are compared.
        tables: What the metric shows apart, and the rows by condition, by their titles.
        remarks: What else is to be known of the numbers.
    """

    task: str
    rows: Scores
    scenes: list[str]
    num_clips: int
    held_out: bool | None
    beside: dict[str, Scores] = field(default_factory=dict)
    headline: str | None = None
    tables: dict[str, Scores] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def table(self) -> str:
        """The table for a person."""
        lines = _lines(f"task {self.task}", self.rows)
        wide = max(80, len(lines[1]))
        lines += ["", *textwrap.wrap(self.note(), wide)]
        if self.beside and self.headline is not None:
            answers = {"this run": self.rows, **titled(self.beside)}
            lines += ["", *_lines(self.headline, compare(answers, self.headline))]
        for title, rows in self.tables.items():
            lines += ["", *_lines(title, rows)]
        return "\n".join(lines)

    def note(self) -> str:
        """What the numbers are of, in words."""
        where = {True: "held-out ", False: "TRAINING ", None: ""}[self.held_out]
        scenes = count_of(len(self.scenes), f"{where}scene")
        clips = f"{count_of(self.num_clips, 'clip')} of {scenes}, key frames alone."
        return " ".join([clips, *self.remarks])

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")


def compare(answers: dict[str, Scores], column: str) -> Scores:
    """One column of the rows of several answers, side by side."""
    first = next(iter(answers.values()))
    return {row: {name: rows[row][column] for name, rows in answers.items()} for row in first}


def _lines(title: str, rows: Scores) -> list[str]:
    """A table for a person, its title in the place of the rows' names."""
    columns = tuple(next(iter(rows.values())))
    width = max(8, *map(len, columns))
    lines = [line(title, columns, width)]
    lines.append("-" * len(lines[0]))
    return lines + [
        line(name, tuple(_cell(row[column]) for column in columns), width)
        for name, row in rows.items()
    ]


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
    scenes: SceneChoice = HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
    floors: bool = True,
    ceilings: bool = False,
    save: bool = True,
    allow_training_scenes: bool = False,
    best: bool = False,
    progress: Report = silent,
) -> TaskEvaluation:
    """Evaluate a task's run and write RUN/evaluation.json.

    Args:
        run: Run folder.
        data: Data set.
        max_clips: At most so many clips, spread evenly.
        scenes: Scenes that count; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.
        floors: Also measure what never looking gives, from up to 48 of the clips trained on.
        ceilings: Also measure what exact depth would give, which trains a head: minutes.
        save: Write the file.
        allow_training_scenes: Also take scenes whose labels the run was trained on.
        best: Take the checkpoint with the least validation loss; its numbers go to a file of their
            own, evaluation_best.json.
        progress: Told how many clips are done, of how many.

    Raises:
        ValueError: For anything wrong with run or data, or if a scene was trained on.
    """
    if max_clips is not None and max_clips < 1:
        raise ValueError(f"--clips {max_clips}: expected at least 1")
    accelerator = choose_accelerator(device)
    model, task, config = load_task(run, best=best)
    dataset = build_dataset(config, data, scenes, version, judged=True)
    indices = spread(len(dataset), max_clips)
    names = sorted({dataset.scene_name(i) for i in indices})
    held_out = not was_trained_on(run, dataset.tables, names)
    if not held_out and not allow_training_scenes:
        raise ValueError(_trained_on(run, dataset.tables, names))
    model.to(accelerator)
    conditions = conditions_of_scenes(dataset.tables)
    whole = task.build_metric().to(accelerator)
    parts: dict[str, Metric] = {}
    training = training_clips(run, data, dataset.tables, config, version)
    reference = Reference(model, task, config, training, dataset, accelerator)
    others = reference.floors() if floors else {}
    others |= reference.ceilings() if ceilings else {}
    beside = {name: task.build_metric().to(accelerator) for name in others}
    for index in counted(indices, progress):
        clip = dataset[index].to(accelerator)
        answer, targets = task.decode(model(clip)), task.targets(clip)
        whole.update(answer, targets)
        for name, answer_of in others.items():
            beside[name].update(answer_of(index, clip), targets)
        if conditions:
            condition = conditions[clip.scene_names[0]]
            part = parts.setdefault(condition, task.build_metric().to(accelerator))
            part.update(answer, targets)
    rows: Scores = whole.compute()
    evaluation = TaskEvaluation(
        config.task,
        rows,
        names,
        len(indices),
        held_out,
        {name: metric.compute() for name, metric in beside.items()},
        getattr(whole, "headline", next(iter(next(iter(rows.values()))))),
        _tables(whole, parts),
        (
            *lidar_remarks(config),
            *_remarks(run, dataset.tables, names, rows),
            *overlap_remarks(run, data, dataset.tables, names),
        ),
    )
    if save:
        evaluation.save(run / ("evaluation_best.json" if best else "evaluation.json"))
    return evaluation


def _trained_on(run: Path, tables: NuscenesTables, names: list[str]) -> str:
    """Why these scenes are refused."""
    seen = [name for name in names if was_trained_on(run, tables, [name])]
    return (
        f"{run}: its head was trained on the labels of {len(seen)} of the {len(names)} scenes to "
        f"evaluate ({', '.join(seen[:3])}); choose others by --split or --scenes, or allow them "
        "with --allow-training-scenes"
    )


def _tables(whole: Metric, parts: dict[str, Metric]) -> dict[str, Scores]:
    """What stands apart from the main table."""
    tables: dict[str, Scores] = {}
    if isinstance(whole, HasFurtherTables):
        tables |= whole.further_tables()
    return tables | {condition: parts[condition].compute() for condition in sorted(parts)}


def _remarks(run: Path, tables: NuscenesTables, names: list[str], rows: Scores) -> tuple[str, ...]:
    """What else is to be known: pre-training on the same scenes, things that never occur."""
    remarks = list(pretraining_remarks(run, tables, names))
    missing = [name for name, row in rows.items() if row.get("true cells") == 0]
    if missing:
        remarks.append(f"Nothing in these scenes is: {'; '.join(missing)}.")
    return tuple(remarks)
