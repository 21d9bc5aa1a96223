"""The headline: a row's worst column beside what it is compared with, in words.

One column can be bent by guessing short or long; the worst of four cannot.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mim4d.evaluation.scores import Row
from mim4d.metrics.distance import DistanceErrors

BASELINES = ("pixel_mean", "pixel_median", "flat_ground", "untrained")
NAMES = {
    "pixel_mean": "the mean of the training scenes",
    "pixel_median": "the median of the training scenes",
    "flat_ground": "flat ground",
    "untrained": "the untrained model",
    "depth_head": "the model's own depth head",
}
SUBJECTS = {
    "direct": "Distances rendered from a frame's own images (direct volume)",
    "rebuilt": "Distances of a frame rebuilt from the other frames (rebuilt frame)",
}


@dataclass(frozen=True)
class Column:
    """An error over all pixels, lower is better.

    Attributes:
        title: Its name, for a sentence.
        unit: Behind its numbers.
        digits: Of its numbers.
    """

    title: str
    unit: str
    digits: int


COLUMNS = {
    "abs_rel": Column("relative distance error (AbsRel)", "", 3),
    "rmse": Column("distance error (RMSE)", " m", 2),
    "rmse_log": Column("logarithmic distance error (log RMSE)", "", 3),
    "misses": Column("pixels off by more than a factor of 1.25 (1 − δ)", "", 3),
}


@dataclass(frozen=True)
class Verdict:
    """One row's worst column beside the best of others.

    Attributes:
        row: Which is judged.
        column: Key of `COLUMNS`.
        against: Row with the lowest error in that column.
        value: Of the judged row.
        reference: Of the other.
        ratio: `value` / `reference`; below 1 the judged row is better in every column.
    """

    row: str
    column: str
    against: str
    value: float
    reference: float
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the row is better in every column, by half a percent or more."""
        return percent_apart(self.ratio).endswith("below")

    @property
    def headline(self) -> str:
        """Whether the row is better than what it is compared with."""
        rival = NAMES[self.against]
        if self.against in BASELINES:
            rival = "every untrained baseline" if self.met else "an untrained baseline"
        if self.met:
            return (
                f"{SUBJECTS[self.row]}: better than {rival} in all {len(COLUMNS)} error measures."
            )
        return (
            f"{SUBJECTS[self.row]}: {rival} is as good or better in at least one of "
            f"{len(COLUMNS)} error measures."
        )

    @property
    def detail(self) -> str:
        """The number that decides."""
        column = COLUMNS[self.column]
        here, there = (f"{x:.{column.digits}f}{column.unit}" for x in (self.value, self.reference))
        return (
            f"{'Closest' if self.met else 'Worst'}: {column.title}, {here} against {there} for "
            f"{NAMES[self.against]} ({percent_apart(self.ratio)} it)."
        )

    @property
    def sentence(self) -> str:
        """For a person."""
        return f"{self.headline} {self.detail}"


def percent_apart(ratio: float) -> str:
    """A ratio as so many percent below or above."""
    percent = round(100 * (ratio - 1))
    if percent == 0:
        return "equal to"
    return f"{abs(percent)} % {'below' if percent < 0 else 'above'}"


def errors_by_column(errors: DistanceErrors) -> dict[str, float]:
    """What `COLUMNS` names."""
    return {
        "abs_rel": errors.abs_rel,
        "rmse": errors.rmse,
        "rmse_log": errors.rmse_log,
        "misses": 1 - errors.delta_1,
    }


def judge(rows: Mapping[str, Row], row: str, others: tuple[str, ...] = BASELINES) -> Verdict | None:
    """The worst column of a row beside the best of the others that were measured; None if none was.

    A column in which the best of the others has no error at all cannot be judged and is left out.
    """
    rivals = {name: errors_by_column(rows[name].errors) for name in others if name in rows}
    if row not in rows or not rivals:
        return None
    found = []
    for column, value in errors_by_column(rows[row].errors).items():
        best = min(rivals, key=lambda name: rivals[name][column])
        reference = rivals[best][column]
        if reference > 0:
            found.append(Verdict(row, column, best, value, reference, value / reference))
    return max(found, key=lambda verdict: verdict.ratio, default=None)
