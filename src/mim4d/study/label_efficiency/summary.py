"""What a study says: every number of the tables, and the single runs that they come from."""

from dataclasses import dataclass, field
from typing import Literal

from mim4d.study.label_efficiency.bootstrap import Interval
from mim4d.study.label_efficiency.labels_saved import LabelsSaved
from mim4d.study.label_efficiency.request import Rung, TaskName
from mim4d.study.label_efficiency.search import Choice

Purpose = Literal["rate", "compared", "double length"]
SCORES = {
    "vehicles": "IoU of visible vehicles",
    "bev_segmentation": "mean IoU of the layers",
    "detection": "mAP of the classes that occur",
    "hd_map": "mAP of the classes that occur",
}
"""What is scored, by task; percent."""


@dataclass(frozen=True)
class Row:
    """One arm with so many labels.

    Attributes:
        task: What is learned.
        rung: What is trained.
        labelled: Scenes whose labels are used.
        arm: Its name.
        title: For a person.
        score: Mean over runs, percent, with its interval.
        near: The same within 16 m of the car; None where answers have no place.
        far: And beyond.
        spread_of_seeds: Standard deviation over training seeds; None of a single one.
        spread_of_subsets: And over subsets of labels.
        gains: How far it is above each other arm, by the arm's name.
        gap_closed: Percent of the way from random weights to exact depth; None of these two, where
            that ceiling is missing, and where it is not clearly above random weights.
        saved: How many times its labels random weights need for its score; None of random itself,
            and of an arm that scores nothing.
        rate: Its learning rate, and how it was chosen.
        seconds: Of the steps of one run, the mean.
        peak_bytes: Largest memory of a run.
    """

    task: TaskName
    rung: Rung
    labelled: int
    arm: str
    title: str
    score: Interval
    near: Interval | None
    far: Interval | None
    spread_of_seeds: float | None
    spread_of_subsets: float | None
    gains: dict[str, Interval]
    gap_closed: Interval | None
    saved: LabelsSaved | None
    rate: Choice
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class DoubleLength:
    """Random weights, trained twice as long.

    Attributes:
        task: What is learned.
        rung: What is trained.
        labelled: Scenes whose labels are used.
        usual: Score at the usual length, percent; first subset, mean over training seeds.
        doubled: At twice the length.
    """

    task: str
    rung: str
    labelled: int
    usual: float
    doubled: float

    @property
    def is_long_enough(self) -> bool:
        """No more than a point is gained."""
        return self.doubled - self.usual <= 1.0

    @property
    def verdict(self) -> str:
        """In a table."""
        if max(self.usual, self.doubled) == 0:
            return "NOTHING LEARNED"
        return "long enough" if self.is_long_enough else "TOO SHORT"


@dataclass(frozen=True)
class SingleRun:
    """One run of the table.

    Attributes:
        folder: Below the study's own.
        purpose: To choose a rate, to be compared, or the control of the length.
        arm: Its name.
        labelled: Scenes whose labels were used.
        subset_seed: Which scenes these are.
        seed: Of the training.
        rate: Learning rate.
        steps: Optimiser steps.
        score: Percent; of a search, on the scenes that choose rates.
        seconds: Of its steps.
    """

    folder: str
    purpose: Purpose
    arm: str
    labelled: int
    subset_seed: int
    seed: int
    rate: float
    steps: int
    score: float
    seconds: float


@dataclass(frozen=True)
class Summary:
    """A whole study.

    Attributes:
        rows: By task, rung, labels and arm, as far as they are there.
        doubled: Controls of the length.
        runs: Every single one.
        facts: What the numbers are about, for a person.
        warnings: What a reader must know before the numbers.
    """

    rows: tuple[Row, ...]
    doubled: tuple[DoubleLength, ...]
    runs: tuple[SingleRun, ...]
    facts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def groups(self) -> list[tuple[str, str]]:
        """Task and rung of each table."""
        return list(dict.fromkeys((row.task, row.rung) for row in self.rows))

    def of_group(self, task: str, rung: str) -> list[Row]:
        """Rows of one table."""
        return [row for row in self.rows if (row.task, row.rung) == (task, rung)]
