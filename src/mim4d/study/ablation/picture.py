"""An ablation as a picture: the effect of every row on every measure, with its spread.

Dots are mean differences to `full` with the same seed, lines the spread over seeds, ticks the
seeds. What is better is on the left.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.study.ablation.measure import MEASURES, Measure
from mim4d.study.ablation.over_seeds import RowSummary, Spread, Summary
from mim4d.study.ablation.rows import FULL
from mim4d.viz.canvas import FAINT, INK, UNKNOWN, Canvas, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BETTER, WORSE, UNCLEAR = "#2563eb", "#d9480f", FAINT
_NAMES, _TOP, _LINE, _PANEL, _GAP, _BOTTOM = 170, 96, 30, 205, 22, 74
_LEGEND = (
    "difference to full with the same seed: mean (dot), spread over seeds (line), single seeds "
    "(ticks);\nleft is better; grey where it is no larger than the spread, or of one seed"
)


def draw_ablation(summary: Summary, out: Path) -> Path:
    """Draw the effects of all rows beside `full`.

    Args:
        summary: The ablation.
        out: Picture to write.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    rows = [row for row in summary.rows if row.name != FULL]
    shown = [m for m in MEASURES if m.drawn and any(row.differences[m.name] for row in rows)]
    height = max(1, len(rows)) * _LINE
    canvas = Canvas(_NAMES + max(3, len(shown)) * (_PANEL + _GAP) + _GAP, _TOP + height + _BOTTOM)
    canvas.text(_GAP, 12, "Effect of one change at a time", size_px=19, weight="bold")
    canvas.text(_GAP, 42, _LEGEND, size_px=13, color=FAINT)
    for i, row in enumerate(rows):
        middle = _TOP + (i + 0.5) * _LINE
        canvas.text(_NAMES - 8, middle, row.name, size_px=14, ha="right", va="center")
    for i, measure in enumerate(shown):
        axes = canvas.axes(_NAMES + i * (_PANEL + _GAP), _TOP, _PANEL, height)
        _draw_panel(axes, rows, measure, _of_full(summary, measure))
    return canvas.save(out)


def _of_full(summary: Summary, measure: Measure) -> Spread | None:
    return next((row.values[measure.name] for row in summary.rows if row.name == FULL), None)


def _draw_panel(
    axes: "Axes", rows: list[RowSummary], measure: Measure, full: Spread | None
) -> None:
    axes.axvline(0, color=INK, linewidth=1)
    for i, row in enumerate(rows):
        spread = row.differences[measure.name]
        if spread is not None:
            _draw_effect(axes, i, spread, measure.higher_is_better)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), labels=[])
    axes.margins(x=0.08)
    if measure.higher_is_better:
        axes.invert_xaxis()  # what is better stays on the left
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=4)
    label = measure.heading
    if full is not None:
        label += f"\n(full: {full.mean:.{measure.digits}f})"
    axes.set_xlabel(label, fontsize=points(13), color=INK)
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(UNKNOWN)


def _draw_effect(axes: "Axes", y: int, spread: Spread, higher_is_better: bool) -> None:
    colour = UNCLEAR
    if spread.exceeds_spread:
        colour = BETTER if (spread.mean > 0) == higher_is_better else WORSE
    if spread.deviation is not None:
        ends = (spread.mean - spread.deviation, spread.mean + spread.deviation)
        axes.plot(ends, (y, y), color=colour, linewidth=2, solid_capstyle="butt")
    seeds = list(spread.by_seed.values())
    axes.plot(seeds, [y] * len(seeds), "|", color=colour, markersize=9, markeredgewidth=1)
    axes.plot([spread.mean], [y], "o", color=colour, markersize=6)
