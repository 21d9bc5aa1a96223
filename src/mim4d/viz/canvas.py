"""A picture laid out in pixels from the top left, drawn with matplotlib.

Enters: sizes and places in pixels; leaves: a file that is written whole or not at all. Only
matplotlib's objects are used, so that nothing global changes. It is the extra `viz`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from mim4d.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

DPI = 100
JPEG_QUALITY = 90
Length = int | float
INK, FAINT, UNKNOWN = "#1b1f24", "#6b7280", "#c3c7cd"


class Canvas:
    """An empty white picture.

    Args:
        width_px: Columns.
        height_px: Rows.

    Raises:
        ImportError: If matplotlib is not installed.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'mim4d[viz]'") from error
        self.width_px, self.height_px = width_px, height_px
        self.figure = Figure(
            figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white", edgecolor="none"
        )
        self._agg: Any = FigureCanvasAgg(self.figure)

    def axes(self, left: Length, top: Length, width: Length, height: Length) -> "Axes":
        """Axes that cover a rectangle of the picture, pixels."""
        bottom = self.height_px - top - height
        return self.figure.add_axes(
            (
                left / self.width_px,
                bottom / self.height_px,
                width / self.width_px,
                height / self.height_px,
            )
        )

    def text(
        self, left: Length, top: Length, text: str, size_px: Length = 15, **style: Any
    ) -> None:
        """Write text; by default its top left corner is at the given place."""
        style = {"color": INK, "ha": "left", "va": "top", "linespacing": 1.35, **style}
        self.figure.text(
            left / self.width_px,
            1 - top / self.height_px,
            text,
            fontsize=points(size_px),
            **style,
        )

    def colour_bar(
        self,
        rectangle: tuple[Length, Length, Length, Length],
        mapping: Any,
        label: str,
        ticks: Sequence[Length] | None = None,
    ) -> None:
        """A vertical colour bar in (left, top, width, height), with its unit in the label."""
        axes = self.axes(*rectangle)
        bar = self.figure.colorbar(mapping, cax=axes)
        bar.outline.set_linewidth(0.5)
        bar.ax.minorticks_off()
        if ticks is not None:
            bar.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
        bar.ax.tick_params(labelsize=points(12), width=0.5, length=3, colors=INK)
        bar.set_label(label, fontsize=points(13), color=INK)

    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """The picture as RGB."""
        self._agg.draw()
        return np.asarray(self._agg.buffer_rgba())[..., :3].copy()

    def save(self, path: Path) -> Path:
        """Write the picture under a temporary name, then rename it.

        Raises:
            ValueError: If the ending of `path` is not a known kind of picture.
        """
        with replacing(path) as temporary:
            kind = path.suffix.lstrip(".") or "png"
            quality = {"quality": JPEG_QUALITY} if kind in ("jpg", "jpeg") else {}
            self.figure.savefig(temporary, dpi=DPI, format=kind, pil_kwargs=quality)
        return path


@dataclass(frozen=True)
class PanelGrid:
    """Equal panels in rows and columns; all lengths in pixels."""

    left: int
    top: int
    panel_width: int
    panel_height: int
    rows: int
    columns: int
    gap: int = 4

    @property
    def width(self) -> int:
        """Width of all columns with their gaps."""
        return self.columns * (self.panel_width + self.gap) - self.gap

    @property
    def height(self) -> int:
        """Height of all rows with their gaps."""
        return self.rows * (self.panel_height + self.gap) - self.gap

    def row_top(self, row: int) -> int:
        """Upper edge of a row."""
        return self.top + row * (self.panel_height + self.gap)

    def column_left(self, column: int) -> int:
        """Left edge of a column."""
        return self.left + column * (self.panel_width + self.gap)

    def axes(self, canvas: Canvas, row: int, column: int, size_hw: tuple[int, int]) -> "Axes":
        """Axes in image pixels (u right, v down, corner of the first pixel at 0) for one panel.

        The image keeps its shape; a panel of another shape stays partly empty.
        """
        axes = canvas.axes(
            self.column_left(column), self.row_top(row), self.panel_width, self.panel_height
        )
        height, width = size_hw
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_aspect("equal", anchor="NW")
        axes.set_axis_off()
        return axes


def points(size_px: Length) -> float:
    """Pixels to typographic points."""
    return size_px * 72 / DPI


def show_colours(axes: "Axes", image: Float[Tensor, "h w 3"]) -> None:
    """Draw RGB in [0, 1] over the whole of the axes, pixels visible where enlarged."""
    _show(axes, np.clip(image.float().numpy(), 0, 1))


def show_values(axes: "Axes", values: Float[Tensor, "h w"], norm: Any, colours: "Colormap") -> Any:
    """Draw numbers by colour over the whole of the axes; NaN is grey.

    Returns:
        The mapping from numbers to colours, for a colour bar.
    """
    return _show(axes, np.ma.masked_invalid(values.float().numpy()), norm=norm, cmap=colours)


def show_nothing(axes: "Axes", reason: str) -> None:
    """A grey panel that says why it is empty."""
    axes.add_patch(_rectangle(axes))
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=FAINT)


def colour_map(name: str) -> "Colormap":
    """A colour map of matplotlib, with grey for what is not known."""
    from matplotlib import colormaps

    return colormaps[name].with_extremes(bad=UNKNOWN)


def _rectangle(axes: "Axes") -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0, 0), 1, 1, transform=axes.transAxes, color="#eceef1")


def _show(axes: "Axes", image: Any, **mapping: Any) -> Any:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # Enlarged pixels stay squares; an image larger than its panel is averaged, not thinned out.
    enlarged = axes.get_window_extent().width >= image.shape[1]
    return axes.imshow(
        image,
        extent=(left, right, bottom, top),
        interpolation="nearest" if enlarged else "antialiased",
        aspect="equal",
        **mapping,
    )
