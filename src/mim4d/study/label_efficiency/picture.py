"""Label-efficiency curves: a panel for each task and rung, a line for each start of the trunk.

Where the ceiling was trained, below each panel the share of the gap to it that each arm closes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mim4d.study.label_efficiency.bootstrap import Interval
from mim4d.study.label_efficiency.summary import SCORES, Row, Summary
from mim4d.viz.canvas import FAINT, INK, UNKNOWN, Canvas, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "random": "#6b7280",
    "imagenet": "#7c3aed",
    "weights": "#a16207",
    "pretrained": "#2563eb",
    "pretrained_encoder": "#38bdf8",
    "pretrained_depth": "#0891b2",
    "pretrained_volume": "#1e3a8a",
    "depth_only": "#d9480f",
    "random_lidar": "#be123c",
    "exact_depth": "#15803d",
}
_PANEL, _HEIGHT, _LEFT, _GAP, _TOP, _BOTTOM = 430, 320, 70, 90, 50, 60
_SHARES_HEIGHT = 160
_LEGEND_LINE = 22


def draw_study(summary: Summary, out: Path) -> Path:
    """Draw the curves of a study.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    groups = summary.groups()
    titles = {row.arm: row.title for row in summary.rows}
    shares = _SHARES_HEIGHT + _BOTTOM if any(row.gap_closed for row in summary.rows) else 0
    below = _TOP + _HEIGHT + _BOTTOM + shares
    width = _LEFT + max(1, len(groups)) * (_PANEL + _GAP) - _GAP + 30
    canvas = Canvas(width, below + _LEGEND_LINE * len(titles) + 10)
    for place, (task, rung) in enumerate(groups):
        left = _LEFT + place * (_PANEL + _GAP)
        rows = summary.of_group(task, rung)
        what = "head alone" if rung == "frozen" else "everything learns"
        canvas.text(left, 14, f"{task}, {what}", size_px=17, weight="bold")
        axes = canvas.axes(left, _TOP, _PANEL, _HEIGHT)
        _draw_panel(axes, rows, [(row, row.score) for row in rows])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"{SCORES[task]}, %", fontsize=points(13), color=INK)
        closed = [(row, row.gap_closed) for row in rows if row.gap_closed is not None]
        if closed:
            axes = canvas.axes(left, _TOP + _HEIGHT + _BOTTOM, _PANEL, _SHARES_HEIGHT)
            _draw_panel(axes, rows, closed)
            axes.axhline(0, color=UNKNOWN, linewidth=1)
            axes.set_ylabel("gap closed, %", fontsize=points(13), color=INK)
    for line, (arm, title) in enumerate(titles.items()):
        top = below + _LEGEND_LINE * line
        canvas.text(_LEFT, top, "●", size_px=15, color=_COLOURS[arm])
        canvas.text(_LEFT + 20, top, title, size_px=14)
    return canvas.save(out)


def _draw_panel(axes: "Axes", rows: list[Row], shown: list[tuple[Row, Interval]]) -> None:
    """A number of each arm over labelled scenes.

    Args:
        axes: Where to draw.
        rows: All of the task and rung, so that panels have the same arms at the same places.
        shown: What of them is drawn.
    """
    arms = list(dict.fromkeys(row.arm for row in rows))
    for place, arm in enumerate(arms):
        own = [(row.labelled, value) for row, value in shown if row.arm == arm]
        # Side by side, or intervals would hide each other.
        x = [labelled * 1.04 ** (place - (len(arms) - 1) / 2) for labelled, _ in own]
        y = [each.value for _, each in own]
        below = [max(0.0, each.value - each.lower) for _, each in own]
        above = [max(0.0, each.upper - each.value) for _, each in own]
        axes.errorbar(
            x,
            y,
            yerr=(below, above),
            color=_COLOURS[arm],
            marker="o",
            markersize=5,
            linewidth=1.8,
            elinewidth=1.2,
            capsize=3,
        )
    counts = sorted({row.labelled for row in rows})
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(counts, labels=[str(count) for count in counts])
    axes.set_xlim(counts[0] / 1.3, counts[-1] * 1.3)
    axes.grid(color="#e5e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("labelled scenes", fontsize=points(13), color=INK)
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(UNKNOWN)
