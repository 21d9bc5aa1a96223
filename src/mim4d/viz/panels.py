"""Rows of panels, one column per camera: pictures, and numbers shown by colour.

Enters: images or numbers of every camera; leaves: rows of a canvas with their labels, and colour
bars beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.viz.canvas import (
    Canvas,
    Length,
    PanelGrid,
    colour_map,
    points,
    show_colours,
    show_nothing,
    show_values,
)
from mim4d.viz.distance_colours import DISTANCE_TICKS_M, distance_colours, distance_norm
from mim4d.viz.wireframe import left_to_right

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DENSE = 0.25
"""Share of known pixels from which a truth counts as an image, not as separate measurements."""


@dataclass(frozen=True)
class ColourRow:
    """A row of colour images, full or sub-sampled."""

    images: Float[Tensor, "n h w 3"]
    sizes: Tensor
    """Rows and columns of each that are picture, `n 2`."""

    def draw(self, axes: "Axes", n: int) -> None:
        """Draw the picture of one camera."""
        height, width = self.sizes[n].tolist()
        show_colours(axes, self.images[n, :height, :width])


@dataclass(frozen=True)
class ValueRow:
    """A row of numbers shown by colour; NaN is grey. Few known pixels are drawn as large dots."""

    values: Float[Tensor, "n h w"]
    scale: "Scale"

    def draw(self, axes: "Axes", n: int) -> None:
        """Draw the numbers of one camera."""
        values, scale = self.values[n], self.scale
        known = ~values.isnan()
        if known.float().mean() >= _DENSE:
            show_values(axes, values, scale.norm, scale.colours)
            return
        show_values(axes, torch.full_like(values, torch.nan), scale.norm, scale.colours)
        v, u = known.nonzero().T
        rows, columns = values.shape
        (_, width), (height, _) = axes.get_xlim(), axes.get_ylim()
        axes.scatter(
            ((u + 0.5) / columns * width).numpy(),
            ((v + 0.5) / rows * height).numpy(),
            c=values[known].numpy(),
            s=points(3.2) ** 2,
            linewidths=0,
            norm=scale.norm,
            cmap=scale.colours,
        )


@dataclass(frozen=True)
class Scale:
    """How numbers become colours."""

    norm: Any
    colours: Any
    label: str
    ticks: tuple[Length, ...]


Row = ColourRow | ValueRow


def distance_scale() -> Scale:
    """Metres, near ones told apart best."""
    return Scale(distance_norm(), distance_colours(), "distance (m)", DISTANCE_TICKS_M)


def error_scale() -> Scale:
    """Relative errors."""
    from matplotlib.colors import Normalize

    colours, ticks = colour_map("inferno"), (0, 0.25, 0.5, 0.75, 1)
    return Scale(Normalize(0.0, 1.0), colours, r"$|\hat{d} - d|\;/\;d$", ticks)


def draw_rows(
    canvas: Canvas, grid: PanelGrid, clip: Clip, frame: int, rows: Sequence[tuple[str, Row]]
) -> None:
    """Draw labels, panels and colour bars; cameras stand from left to right as they look.

    Args:
        canvas: To draw on.
        grid: As many rows, and columns as cameras.
        clip: Whose frame it is.
        frame: The frame.
        rows: Label and content, from top to bottom.
    """
    for row, (label, drawn) in enumerate(rows):
        middle = grid.row_top(row) + grid.panel_height / 2
        canvas.text(grid.left - 12, middle, label, size_px=13.5, va="center", ha="right")
        for column, n in enumerate(left_to_right(clip)):
            if row == 0:
                left = grid.column_left(column)
                canvas.text(left + 2, grid.top - 21, clip.camera_names[n], size_px=14)
            if not clip.image_present[0, frame, n]:
                show_nothing(grid.axes(canvas, row, column, (1, 1)), "no image")
                continue
            rows_px, columns_px = clip.image_sizes[0, frame, n].tolist()
            drawn.draw(grid.axes(canvas, row, column, (rows_px, columns_px)), n)
    _draw_bars(canvas, grid, rows)


def _draw_bars(canvas: Canvas, grid: PanelGrid, rows: Sequence[tuple[str, Row]]) -> None:
    """One colour bar beside each block of rows with the same scale."""
    from matplotlib.cm import ScalarMappable

    scales = [row.scale if isinstance(row, ValueRow) else None for _, row in rows]
    starts = [
        i for i, s in enumerate(scales) if s is not None and (i == 0 or scales[i - 1] is not s)
    ]
    for start in starts:
        scale = scales[start]
        assert scale is not None, "starts holds rows with a scale"
        stop = next((i for i in range(start, len(rows)) if scales[i] is not scale), len(rows))
        top, bottom = grid.row_top(start), grid.row_top(stop) - grid.gap
        bar = (grid.left + grid.width + 12, top + 4, 13, bottom - top - 8)
        mapping = ScalarMappable(scale.norm, scale.colours)
        canvas.colour_bar(bar, mapping, scale.label, scale.ticks)
