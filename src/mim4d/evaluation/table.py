"""The result of an evaluation: rows of numbers, the table for a person, and the JSON file."""

import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mim4d.evaluation.flow.rows import FlowEvaluation
from mim4d.evaluation.formatting import count_of, line, number
from mim4d.evaluation.scores import Row
from mim4d.files import write_text

ROW_NAMES = {
    "pixel_mean": "mean of training scenes",
    "pixel_median": "median of training scenes",
    "flat_ground": "flat ground",
    "untrained": "untrained, direct",
    "untrained_rebuilt": "untrained, rebuilt frame",
    "direct": "direct volume",
    "rebuilt": "rebuilt dropped frame",
    "copied": "... nearest frame instead",
    "averaged": "... mean of frames instead",
}
BASELINES = ("pixel_mean", "pixel_median", "flat_ground", "untrained")
COLUMNS = ("AbsRel", "/ best", "RMSE m", "d<1.25", "scaled", "moving", "PSNR dB", "SSIM")
BEAMS = "LiDAR beams, ± metres"


@dataclass(frozen=True)
class Evaluation:
    """Errors by row of the table, and what they were measured on.

    Attributes:
        rows: By name; the run's own rows are `direct` and, unless clips have one frame, `rebuilt`.
        truth: What served as truth.
        scenes: Scenes that were evaluated.
        num_clips: Clips that were evaluated.
        held_out: Whether none of the scenes was trained on.
        moving_by: What said which pixels show something that moves.
        flow: Scene flow; None for a run without one, and where no velocity is known.
    """

    rows: dict[str, Row]
    truth: str
    scenes: list[str]
    num_clips: int
    held_out: bool
    moving_by: str = "exact scene flow"
    flow: FlowEvaluation | None = None

    @property
    def baseline(self) -> float:
        """Lowest AbsRel of the rows that need no training; NaN without any."""
        rows = [self.rows[name].abs_rel for name in BASELINES if name in self.rows]
        return min(rows, default=float("nan"))

    def cells(self, name: str) -> tuple[str, ...]:
        """One row of the table, in the order of `COLUMNS`."""
        row = self.rows[name]
        errors, scaled = row.errors, row.median_scaled.everywhere.over_pixels
        moving = row.metric.moving
        return (
            f"{errors.abs_rel:.3f}",
            number(errors.abs_rel / self.baseline, 2),
            f"{errors.rmse:.2f}",
            f"{errors.delta_1:.3f}",
            f"{scaled.abs_rel:.3f}",
            number(None if moving is None else moving.abs_rel, 3),
            number(row.psnr_db, 1),
            number(row.ssim, 3),
        )

    def table(self) -> str:
        """The table for a person."""
        lines = [line("distance error", COLUMNS)]
        lines.append("-" * len(lines[0]))
        lines += [line(ROW_NAMES[name], self.cells(name)) for name in self.rows]
        if self.beam_rows:
            lines += ["", line(BEAMS, self.beam_columns, 9)]
            lines.append("-" * len(lines[-1]))
            lines += [line(ROW_NAMES[name], self.beam_cells(name), 9) for name in self.beam_rows]
        width = len(lines[1])
        lines += ["", *textwrap.wrap(self.note(), width)]
        if self.flow is not None:
            lines += ["", *self.flow.lines(), "", *textwrap.wrap(self.flow.note(), width)]
        return "\n".join(lines)

    @property
    def beam_rows(self) -> list[str]:
        """Rows whose SDF was compared with LiDAR beams."""
        return [name for name, row in self.rows.items() if row.occupancy]

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Names of what `beam_cells` gives."""
        tolerances = [each.tolerance_m for each in self.rows[self.beam_rows[0]].occupancy]
        kinds = ("hit", "early", "late")
        return "free", *(f"{kind} {t:g}" for t in tolerances for kind in kinds)

    def beam_cells(self, name: str) -> tuple[str, ...]:
        """Agreement of one row with LiDAR beams, in the order of `beam_columns`."""
        found = self.rows[name].occupancy
        shares = [f"{share:.3f}" for a in found for share in (a.hit, a.early, a.late)]
        return number(found[0].free, 3), *shares

    def note(self) -> str:
        """What the numbers are, in words."""
        where = "held-out" if self.held_out else "TRAINING"
        row = next(iter(self.rows.values()))
        moving = 0 if row.metric.moving is None else row.metric.moving.num_pixels
        scenes = count_of(len(self.scenes), f"{where} scene")
        return (
            f"{count_of(self.num_clips, 'clip')} of {scenes}, "
            f"{row.errors.num_pixels} pixels, truth: {self.truth}; all pixels weigh the same. "
            "'/ best': share of the best row that needs no training. 'scaled': AbsRel after "
            "scaling each image by its medians. 'moving': AbsRel of the "
            f"{moving} pixels that show what moves ({self.moving_by})."
        )

    def content(self) -> dict[str, Any]:
        """Everything, for JSON."""
        content = {**asdict(self), "rows": {n: r.to_json() for n, r in self.rows.items()}}
        content["flow"] = None if self.flow is None else self.flow.to_json()
        baseline = self.baseline
        content["baseline"] = baseline if baseline == baseline else None
        return content

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps(self.content(), indent=2, allow_nan=False) + "\n")
