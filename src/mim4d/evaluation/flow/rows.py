"""The part of an evaluation that is about scene flow: rows of numbers, their cells, their words."""

from dataclasses import asdict, dataclass
from typing import Any

from mim4d.evaluation.flow.scores import NEAR_M, VOXELS_PER_FRAME, FlowRow
from mim4d.evaluation.flow.truth import GROUPS
from mim4d.evaluation.formatting import count_of, line, number

FLOW_ROW_NAMES = {
    "zero": "zero flow",
    "untrained": "untrained",
    "flow": "scene flow",
}
FLOW = "scene flow"
FLOW_COLUMNS = (
    "norm EPE",
    "med deg",
    "mean deg",
    "objects",
    "3-way cm",
    "strict",
    "relaxed",
    "static",
)
CLASSES = "error / speed, by class"
CLASS_COLUMNS = ("car", "large", "person", "cycle", "mean")


@dataclass(frozen=True)
class FlowEvaluation:
    """Scene flow of a run, and the rows to compare it with.

    Attributes:
        rows: By name: `flow` is the run's own, `zero` says that everything stands, `untrained` is
            the model before its first step.
        truth: Where the true velocities are from.
    """

    rows: dict[str, FlowRow]
    truth: str

    @property
    def own(self) -> FlowRow:
        """The run's own row."""
        return self.rows["flow"]

    def cells(self, name: str) -> tuple[str, ...]:
        """One row, in the order of `FLOW_COLUMNS`."""
        row = self.rows[name]
        dynamic, epe = row.kinds["foreground_dynamic"], row.three_way_epe_m
        return (
            number(row.near.normalised_epe, 3),
            number(row.near.median_angle_deg, 1),
            number(row.near.mean_angle_deg, 1),
            number(row.near_objects.normalised_epe, 3),
            number(None if epe is None else 100 * epe, 2),
            number(dynamic.accuracy_strict, 3),
            number(dynamic.accuracy_relax, 3),
            number(row.standing.share_moving, 3),
        )

    def class_cells(self, name: str) -> tuple[str, ...]:
        """Bucket-normalised error of one row, in the order of `CLASS_COLUMNS`."""
        row = self.rows[name]
        errors = [*(row.groups[group] for group in GROUPS[1:]), row.mean_of_groups]
        return tuple(number(error.dynamic, 3) for error in errors)

    def lines(self) -> list[str]:
        """Both tables for a person; `note` says what they are."""
        made = [line(FLOW, FLOW_COLUMNS)]
        made.append("-" * len(made[0]))
        made += [line(FLOW_ROW_NAMES[name], self.cells(name)) for name in self.rows]
        made += ["", line(CLASSES, CLASS_COLUMNS)]
        made.append("-" * len(made[-1]))
        return made + [line(FLOW_ROW_NAMES[name], self.class_cells(name)) for name in self.rows]

    def notes(self) -> list[str]:
        """What the numbers are, in words, a line for each."""
        low, high = VOXELS_PER_FRAME
        near, objects = self.own.near.points, self.own.near_objects.points
        return [
            f"First four columns: {count_of(near, 'point')} of {count_of(objects, 'object')} "
            f"within {NEAR_M:g} m that move {low:g} to {high:g} voxels between frames. norm EPE: "
            "Σ|v̂ − v| / Σ|v|. deg: angle seen from above; 90° where the predicted speed is under "
            "0.5 m/s. objects: norm EPE of each object's mean velocity.",
            "3-way cm: mean error of moving objects, static objects and background, in 0.1 s.",
            "strict, relaxed: share of all moving points with an error under 5 cm in 0.1 s or 5 %, "
            "and under 10 cm or 10 %.",
            "static: share of static points that are wrongly marked as moving (above 0.5 m/s).",
            "By class: error of moving objects as a share of their speed; every bucket of speed "
            "weighs the same.",
            f"Truth: {self.truth}.",
        ]

    def to_json(self) -> dict[str, Any]:
        """The headline's numbers by name, and beside them everything."""
        return {**asdict(self.own.near), **asdict(self)}
