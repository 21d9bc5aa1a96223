"""Legends: what colours, lines and areas mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mim4d.data.clip import Clip
from mim4d.data.maps.map_names import MapLayer
from mim4d.viz.canvas import INK, Canvas, Length, points
from mim4d.viz.map_drawing import STYLES
from mim4d.viz.overlay import Overlay


@dataclass(frozen=True)
class Entry:
    """One line of a legend.

    Attributes:
        label: What it means.
        colour: Of the mark or line.
        marker: matplotlib's mark; empty: none.
        line: matplotlib's style of line; "none": none.
        fill: Colour of an area instead of a mark.
    """

    label: str
    colour: Any = None
    marker: str = ""
    line: Any = "none"
    fill: str | None = None

    def handle(self) -> Any:
        """What matplotlib draws before the label."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if self.fill is not None:
            edge = self.colour or "#c3c7cd"
            return Patch(facecolor=self.fill, edgecolor=edge, linewidth=0.8, label=self.label)
        return Line2D(
            [],
            [],
            color=self.colour,
            marker=self.marker or "none",
            linestyle=self.line,
            linewidth=2.0,
            label=self.label,
        )


def class_entries(clip: Clip, overlay: Overlay) -> list[Entry]:
    """Classes of boxes of a clip (b = 1), and how many of each the key frame has."""
    found = clip.box_classes[0, clip.key][clip.valid_boxes[0, clip.key]].tolist()
    present = set(clip.box_classes[clip.valid_boxes].tolist())
    return [
        Entry(f"{overlay.category_names[kind]} ({found.count(kind)})", colour, "s")
        for kind, colour in overlay.colours.items()
        if kind in present
    ]


def map_entries(layers: Sequence[MapLayer], over_pixels: bool = False) -> list[Entry]:
    """Layers of the map: as seen from above, or only the lines that lie over pixels."""
    entries = []
    for layer, style in STYLES.items():
        if layer not in layers or (over_pixels and not style.over_pixels):
            continue
        fill = None if over_pixels else style.fill
        line = style.dashes if style.line else "none"
        entries.append(Entry(style.label, style.line, line=line, fill=fill))
    return entries


def draw_legend(
    canvas: Canvas,
    left: Length,
    top: Length,
    entries: Sequence[Entry],
    title: str = "",
    columns: int = 1,
    size_px: Length = 14,
) -> None:
    """Write a legend whose top left corner is at the given place, pixels."""
    axes = canvas.axes(left, top, 10, 10)
    axes.set_axis_off()
    axes.legend(
        handles=[entry.handle() for entry in entries],
        loc="upper left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0,
        frameon=False,
        ncols=columns,
        fontsize=points(size_px),
        labelcolor=INK,
        labelspacing=0.75,
        columnspacing=1.8,
        title=title or None,
        title_fontproperties={"size": points(size_px), "weight": "bold"},
        alignment="left",
    )
