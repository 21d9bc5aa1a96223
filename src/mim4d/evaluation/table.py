"""The result of an evaluation: rows of numbers, the tables for a person, and the JSON file."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mim4d.evaluation.colour import ColourScores
from mim4d.evaluation.flow.rows import FlowEvaluation
from mim4d.evaluation.formatting import count_of, number, wrapped
from mim4d.evaluation.headline import BASELINES, Verdict, judge
from mim4d.evaluation.legend import legend, masked_line
from mim4d.evaluation.masked import MaskedEvaluation
from mim4d.evaluation.scores import Row
from mim4d.files import write_text
from mim4d.metrics.distance import DistanceErrors

ROW_NAMES = {
    "pixel_mean": "training mean",
    "pixel_median": "training median",
    "flat_ground": "flat ground",
    "untrained": "untrained, direct",
    "untrained_rebuilt": "untrained, rebuilt",
    "depth_head": "depth head",
    "direct": "direct volume",
    "rebuilt": "rebuilt frame",
    "copied": "copy of nearest frame",
    "averaged": "mean of other frames",
    "exact_depth": "with true depth",
    "exact_volume": "ceiling: true volume",
}
REFERENCE_NAMES = {
    "image_mean": "mean of the image",
    "row_means": "means of pixel rows",
    "blocks_32": "image in 32 px blocks",
    "blocks_16": "image in 16 px blocks",
    "blocks_8": "image in 8 px blocks",
}
COLUMNS = ("AbsRel", "RMSE", "log", "bias", "δ<1.25")
COLOUR_COLUMNS = ("all", "known", "sky", "SSIM")
BEAM_COLUMNS = ("free", "hit", "early", "late", "hit .8")
_NAME, _CELL, _BREAK = 22, 6, " |"


@dataclass(frozen=True)
class Evaluation:
    """Errors by row of the table, and what they were measured on.

    Attributes:
        rows: By name; the run's own rows are `depth_head`, `direct` and, unless clips have one
            frame, `rebuilt`.
        truth: What served as truth.
        scenes: Scenes that were evaluated.
        num_clips: Clips that were evaluated.
        held_out: Whether none of the scenes was trained on.
        moving_by: What said which pixels show something that moves.
        flow: Scene flow; None for a run without one, and where no velocity is known.
        colour_references: Colour of the images themselves, averaged, by name.
        masked: Hidden patches alone; None where training hides none.
    """

    rows: dict[str, Row]
    truth: str
    scenes: list[str]
    num_clips: int
    held_out: bool
    moving_by: str = "exact scene flow"
    flow: FlowEvaluation | None = None
    colour_references: dict[str, ColourScores] = field(default_factory=dict)
    masked: MaskedEvaluation | None = None

    @property
    def baseline(self) -> float:
        """Lowest AbsRel of the untrained baselines; NaN without any."""
        rows = [self.rows[name].abs_rel for name in BASELINES if name in self.rows]
        return min(rows, default=float("nan"))

    @property
    def verdicts(self) -> list[Verdict]:
        """The headlines: what is judged by its worst column, the most important first."""
        judged = [
            judge(self.rows, "direct"),
            judge(self.rows, "direct", ("depth_head",)) if self.baseline == self.baseline else None,
            judge(self.rows, "rebuilt"),
        ]
        return [verdict for verdict in judged if verdict is not None]

    def worst(self, name: str) -> float | None:
        """A row's worst column as a share of the best baseline's."""
        verdict = judge(self.rows, name)
        return None if verdict is None else verdict.ratio

    def parts(self, name: str) -> dict[str, DistanceErrors | None]:
        """Errors of one row by the part of the pixels, in the order of the table."""
        scores = self.rows[name].metric
        return {
            "all pixels": scores.everywhere.over_pixels,
            "road": scores.road,
            "obstacles": scores.obstacles,
            "moving objects": scores.moving,
        }

    def table(self) -> str:
        """The tables for a person, the headline last, where a terminal stops."""
        lines = [*self._distance_lines(), "", *self._colour_lines()]
        if self.masked is not None:
            lines += ["", *_masked_lines(self.masked)]
        width = max(map(len, lines))
        lines += ["", *wrapped(self.notes(), width)]
        if self.flow is not None:
            lines += ["", *self.flow.lines(), "", *wrapped(self.flow.notes(), width)]
        for verdict in self.verdicts:
            lines += ["", *textwrap.wrap(verdict.sentence, width)]
        return "\n".join(lines)

    def _distance_lines(self) -> Iterator[str]:
        """Two halves, each with two parts of the pixels beside each other."""
        halves = ((("all pixels", "road"), "worst"), (("obstacles", "moving objects"), "scaled"))
        for half, (names, last) in enumerate(halves):
            if half:
                yield ""
            width = len(COLUMNS) * (_CELL + 1)
            yield f"{'distance error':<{_NAME}}" + _BREAK.join(f"{n:^{width}}" for n in names)
            head = _BREAK.join([_cells(COLUMNS)] * 2) + _BREAK + _cells((last,))
            yield f"{'':<{_NAME}}{head}"
            yield "-" * (_NAME + len(head))
            for name in self.rows:
                parts = self.parts(name)
                blocks = [_cells(error_cells(parts[part])) for part in names]
                scaled = self.rows[name].median_scaled.everywhere.over_pixels.abs_rel
                extra = number(scaled, 3) if half else number(self.worst(name), 2)
                yield f"{ROW_NAMES[name]:<{_NAME}}{_BREAK.join([*blocks, _cells((extra,))])}"

    def _colour_lines(self) -> Iterator[str]:
        """Colour, and beside it what the SDF says along LiDAR beams."""
        head = _cells(COLOUR_COLUMNS) + _BREAK + _cells(BEAM_COLUMNS)
        titles = _BREAK.join(
            f"{title:^{len(columns) * (_CELL + 1)}}"
            for title, columns in (
                ("colour, PSNR in dB", COLOUR_COLUMNS),
                ("LiDAR beams, ± 0.4 m (± 0.8 m)", BEAM_COLUMNS),
            )
        )
        yield f"{'':<{_NAME}}{titles}"
        yield f"{'':<{_NAME}}{head}"
        yield "-" * (_NAME + len(head))
        for key, scores in self.colour_references.items():
            yield f"{REFERENCE_NAMES[key]:<{_NAME}}{_cells(colour_cells(scores))}{_BREAK}"
        for key in self.colour_rows:
            colours = _cells(colour_cells(self.rows[key].colour))
            yield f"{ROW_NAMES[key]:<{_NAME}}{colours}{_BREAK}{_cells(self.beam_cells(key))}"

    @property
    def colour_rows(self) -> list[str]:
        """Rows that have a volume."""
        return [name for name, row in self.rows.items() if row.psnr_db is not None]

    def beam_cells(self, name: str) -> tuple[str, ...]:
        """Agreement of one row with LiDAR beams, in the order of `BEAM_COLUMNS`."""
        if not self.rows[name].occupancy:
            return ("-",) * len(BEAM_COLUMNS)
        narrow, wide = self.rows[name].occupancy
        shares = (narrow.hit, narrow.early, narrow.late, wide.hit)
        return number(narrow.free, 2), *(f"{share:.2f}" for share in shares)

    def notes(self) -> list[str]:
        """What rows and columns mean, a line for each."""
        where = "held-out" if self.held_out else "TRAINING"
        parts = self.parts(next(iter(self.rows)))
        pixels = {name: 0 if part is None else part.num_pixels for name, part in parts.items()}
        lines = legend(
            f"{count_of(self.num_clips, 'clip')} of {count_of(len(self.scenes), f'{where} scene')}"
            f", {count_of(pixels['all pixels'], 'pixel')}, truth: {self.truth}",
            pixels,
            self.moving_by,
            set(self.rows),
            beams=any(row.occupancy for row in self.rows.values()),
        )
        return lines if self.masked is None else [*lines, masked_line(self.masked.ratio)]

    def content(self) -> dict[str, Any]:
        """Everything, for JSON."""
        content = {**asdict(self), "rows": {n: r.to_json() for n, r in self.rows.items()}}
        content["flow"] = None if self.flow is None else self.flow.to_json()
        content["masked"] = None if self.masked is None else self.masked.to_json()
        content["headline"] = [
            {**asdict(verdict), "met": verdict.met, "sentence": verdict.sentence}
            for verdict in self.verdicts
        ]
        baseline = self.baseline
        content["baseline"] = baseline if baseline == baseline else None
        return content

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps(self.content(), indent=2, allow_nan=False) + "\n")


def error_cells(errors: DistanceErrors | None) -> tuple[str, ...]:
    """Errors of one row over one part of the pixels, in the order of `COLUMNS`."""
    if errors is None:
        return ("-",) * len(COLUMNS)
    return (
        f"{errors.abs_rel:.3f}",
        f"{errors.rmse:.2f}",
        f"{errors.rmse_log:.3f}",
        f"{errors.log_bias:+.2f}",
        f"{errors.delta_1:.3f}",
    )


def colour_cells(colour: ColourScores) -> tuple[str, ...]:
    """Colours of one row, in the order of `COLOUR_COLUMNS`."""
    values = (colour.psnr_db, colour.psnr_known_db, colour.psnr_sky_db)
    return *(number(value, 1) for value in values), number(colour.ssim, 3)


def _masked_lines(masked: MaskedEvaluation) -> Iterator[str]:
    """Hidden patches alone."""
    head = _cells(COLUMNS) + _BREAK + _cells(("PSNR",))
    yield f"{'hidden patches alone':<{_NAME}}{head}"
    yield "-" * (_NAME + len(head))
    for name, row in masked.rows.items():
        psnr = _cells((number(row.psnr_db, 1),))
        yield f"{ROW_NAMES[name]:<{_NAME}}{_cells(error_cells(row.errors))}{_BREAK}{psnr}"
    mean = _cells((number(masked.visible_mean.psnr_db, 1),))
    empty = _cells(("-",) * len(COLUMNS))
    yield f"{'mean visible colour':<{_NAME}}{empty}{_BREAK}{mean}"


def _cells(cells: tuple[str, ...]) -> str:
    return "".join(f" {cell:>{_CELL}}" for cell in cells)
