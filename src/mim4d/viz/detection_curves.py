"""Precision over recall of each class at the four matching distances."""

from pathlib import Path

import numpy as np

from mim4d.evaluation.detection.evaluation import DetectionEvaluation
from mim4d.viz.canvas import FAINT, INK, Canvas, points

_SHADES = ("#9ecae1", "#4292c6", "#2171b5", "#08306b")
_PANEL, _GAP, _COLUMNS = 250, 40, 5


def draw_detection_curves(evaluation: DetectionEvaluation, out: Path) -> Path:
    """Draw the ten classes' curves.

    Args:
        evaluation: What was measured.
        out: Picture to write.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    shown = evaluation.curves()
    rows = -(-len(shown.names) // _COLUMNS)
    canvas = Canvas(70 + _COLUMNS * (_PANEL + _GAP), 70 + rows * (_PANEL + 85))
    scores = f"NDS {100 * evaluation.scores.nds:.1f}, mAP {100 * evaluation.scores.mean_ap:.1f}"
    canvas.text(60, 16, f"precision over recall: {scores} (percent)", size_px=18, weight="bold")
    recalls = np.linspace(0, 1, shown.precisions.shape[-1])
    for k, name in enumerate(shown.names):
        left = 60 + (k % _COLUMNS) * (_PANEL + _GAP)
        top = 92 + (k // _COLUMNS) * (_PANEL + 85)
        canvas.text(left, top - 24, f"{name}: AP {shown.average[k]:.3f}", size_px=14)
        axes = canvas.axes(left, top, _PANEL, _PANEL)
        if shown.num_truth[k] == 0:
            axes.text(0.5, 0.5, "no true box", ha="center", color=FAINT, fontsize=points(13))
        else:
            for d, distance in enumerate(shown.distances_m):
                label = f"{distance:g} m"
                line = shown.precisions[k, d]
                axes.plot(recalls, line, color=_SHADES[d], linewidth=1.6, label=label)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.grid(color="#e5e7eb", linewidth=0.7)
        axes.tick_params(labelsize=points(11), length=0, colors=FAINT)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#c3c7cd")
        if k % _COLUMNS == 0:
            axes.set_ylabel("precision", fontsize=points(12), color=INK)
        if k // _COLUMNS == rows - 1:
            axes.set_xlabel("recall", fontsize=points(12), color=INK)
        if axes.lines and not any(a.get_legend() for a in canvas.figure.axes):
            axes.legend(frameon=False, fontsize=points(11), labelcolor=INK, title="matched within")
    return canvas.save(out)
