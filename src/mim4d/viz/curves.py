"""Losses and learning rate of a run over its steps: raw faint, running means strong.

From RUN/metrics.jsonl, and from validation.jsonl those of held-out clips.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from mim4d.runs.metrics_file import VALIDATION, read_metrics
from mim4d.viz.canvas import FAINT, INK, Canvas, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIRECT, REBUILT, TOTAL = "#2563eb", "#d9480f", INK
_PANELS = (
    ("total loss", "weighted sum", (("loss", "loss", TOTAL),)),
    (
        "distance error",
        "mean |d̂ − d| of the step's rays (m)",
        (
            ("distance", "direct volumes", DIRECT),
            ("predicted_distance", "rebuilt frame", REBUILT),
        ),
    ),
    (
        "colour error",
        "mean |ĉ − c|, colours in [0, 1]",
        (
            ("colour", "direct volumes", DIRECT),
            ("predicted_colour", "rebuilt frame", REBUILT),
        ),
    ),
    (
        "depth head",
        "cross-entropy against LiDAR",
        (
            ("depth", "beside the rest", DIRECT),
            ("depth_alone", "steps of depth alone", REBUILT),
        ),
    ),
    ("learning rate", "of all but the backbone", (("lr", "learning rate", TOTAL),)),
)


def running_mean(values: Float64[np.ndarray, " s"], window: int) -> Float64[np.ndarray, " s"]:
    """Mean over `window` steps around each step (fewer at the ends), NaN left out."""
    half = window // 2
    padded = np.pad(values, half, constant_values=np.nan)
    known = ~np.isnan(padded)
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, padded, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], known]))
    width = 2 * half + 1
    count = counts[width:] - counts[:-width]
    return np.where(count > 0, sums[width:] - sums[:-width], np.nan) / np.maximum(count, 1)


def draw_curves(run: Path, out: Path) -> Path:
    """Draw the losses of a run.

    Args:
        run: Run folder.
        out: Picture to write.

    Raises:
        ValueError: If the run has no complete step yet.
        ImportError: If matplotlib is not installed.
    """
    metrics = read_metrics(run)
    validated = read_metrics(run, VALIDATION) if (run / VALIDATION).is_file() else {}
    shown = [panel for panel in _PANELS if any(name in metrics for name, _, _ in panel[2])]
    panel, gap, height = 430, 90, 300
    canvas = Canvas(70 + len(shown) * (panel + gap) - gap + 20, height + 110)
    for i, (title, label, lines) in enumerate(shown):
        left = 70 + i * (panel + gap)
        canvas.text(left, 14, title, size_px=17, weight="bold")
        axes = canvas.axes(left, 46, panel, height)
        _draw_panel(axes, metrics, lines, validated)
        axes.set_ylabel(label, fontsize=points(13), color=INK)
    return canvas.save(out)


def _draw_panel(
    axes: "Axes",
    metrics: dict[str, NDArray[Any]],
    lines: tuple[tuple[str, str, str], ...],
    validated: dict[str, NDArray[Any]],
) -> None:
    steps = metrics["step"] + 1
    window = max(1, len(steps) // 20)
    for name, label, colour in lines:
        if name in metrics:
            values = metrics[name]
            known = np.isfinite(values)
            axes.plot(steps[known], values[known], color=colour, alpha=0.22, linewidth=0.8)
            smooth = values if name == "lr" else running_mean(values, window)
            axes.plot(steps, smooth, color=colour, linewidth=1.8, label=label)
        if name in validated:
            at, held_out = validated["step"] + 1, f"{label}, held out"
            axes.plot(at, validated[name], "o--", color=colour, clip_on=False, label=held_out)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, steps[-1])
    axes.grid(color="#e5e7eb", linewidth=0.7)
    axes.set_xlabel("optimiser step", fontsize=points(13), color=INK)
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#c3c7cd")
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, fontsize=points(13), labelcolor=INK)
