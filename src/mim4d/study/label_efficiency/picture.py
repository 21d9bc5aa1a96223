"""Label-efficiency curves: a panel for each task and rung, a line for each start of the trunk."""

from pathlib import Path
from typing import TYPE_CHECKING

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
}
_PANEL, _HEIGHT, _LEFT, _GAP, _TOP, _BOTTOM = 430, 320, 70, 90, 50, 60
_LEGEND_LINE = 22


def draw_study(summary: Summary, out: Path) -> Path:
    """Draw the curves of a study.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    groups = summary.groups()
    titles = {row.arm: row.title for row in summary.rows}
    legend = _LEGEND_LINE * len(titles)
    width = _LEFT + max(1, len(groups)) * (_PANEL + _GAP) - _GAP + 30
    canvas = Canvas(width, _TOP + _HEIGHT + _BOTTOM + legend + 10)
    for place, (task, rung) in enumerate(groups):
        left = _LEFT + place * (_PANEL + _GAP)
        what = "head alone" if rung == "frozen" else "everything learns"
        canvas.text(left, 14, f"{task}, {what}", size_px=17, weight="bold")
        axes = canvas.axes(left, _TOP, _PANEL, _HEIGHT)
        _draw_panel(axes, summary.of_group(task, rung))
        axes.set_ylabel(f"{SCORES[task]}, %", fontsize=points(13), color=INK)
    for line, (arm, title) in enumerate(titles.items()):
        top = _TOP + _HEIGHT + _BOTTOM + _LEGEND_LINE * line
        canvas.text(_LEFT, top, "●", size_px=15, color=_COLOURS[arm])
        canvas.text(_LEFT + 20, top, title, size_px=14)
    return canvas.save(out)


def _draw_panel(axes: "Axes", rows: list[Row]) -> None:
    arms = list(dict.fromkeys(row.arm for row in rows))
    for place, arm in enumerate(arms):
        own = [row for row in rows if row.arm == arm]
        # Side by side, or intervals would hide each other.
        x = [row.labelled * 1.04 ** (place - (len(arms) - 1) / 2) for row in own]
        y = [row.score.value for row in own]
        below = [max(0.0, row.score.value - row.score.lower) for row in own]
        above = [max(0.0, row.score.upper - row.score.value) for row in own]
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
    axes.set_ylim(bottom=0)
    axes.grid(color="#e5e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("labelled scenes", fontsize=points(13), color=INK)
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(UNKNOWN)
