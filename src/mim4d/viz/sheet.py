"""A contact sheet: several scenes side by side, all cameras of one keyframe each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, show_nothing
from mim4d.viz.distance_colours import DISTANCE_TICKS_M
from mim4d.viz.legend import Entry, draw_legend, map_entries
from mim4d.viz.overlay import Overlay, Shown, draw_image
from mim4d.viz.scene_view import SceneView
from mim4d.viz.wireframe import front_and_rear

PANEL_PX = 352
"""Width of one image."""
_MARGIN, _CAPTION, _GAP, _BETWEEN = 28, 34, 3, 30
_LEGEND_ENTRY = 25


@dataclass(frozen=True)
class _Plan:
    """Sizes, pixels."""

    columns: int
    rows: int
    tile_columns: int
    tile_rows: int
    panel_height: int

    @classmethod
    def of(cls, tiles: Sequence[SceneView]) -> "_Plan":
        rigs = [front_and_rear(tile.clip) for tile in tiles]
        sizes = tiles[0].clip.image_sizes.amax(dim=(0, 1, 2)).tolist()
        columns = 1 if len(tiles) == 1 else 2
        return cls(
            columns=columns,
            rows=math.ceil(len(tiles) / columns),
            tile_columns=max(len(row) for rig in rigs for row in rig),
            tile_rows=max(map(len, rigs)),
            panel_height=round(PANEL_PX * sizes[0] / max(sizes[1], 1)),
        )

    @property
    def tile_width(self) -> int:
        return self.tile_columns * (PANEL_PX + _GAP) - _GAP

    @property
    def tile_height(self) -> int:
        return _CAPTION + self.tile_rows * (self.panel_height + _GAP) - _GAP

    @property
    def width(self) -> int:
        return 2 * _MARGIN + self.columns * (self.tile_width + _BETWEEN) - _BETWEEN

    @property
    def height(self) -> int:
        return 2 * _MARGIN + self.rows * (self.tile_height + _BETWEEN) - _BETWEEN

    def corner(self, number: int) -> tuple[int, int]:
        """Left and top of a tile; tiles are read line by line."""
        row, column = divmod(number, self.columns)
        return (
            _MARGIN + column * (self.tile_width + _BETWEEN),
            _MARGIN + row * (self.tile_height + _BETWEEN),
        )


NOTHING = Overlay(Shown(lidar=False, boxes=False, layers=()))


def draw_sheet(tiles: Sequence[SceneView], overlay: Overlay = NOTHING) -> Canvas:
    """Draw a contact sheet.

    Args:
        tiles: Scenes, at least one.
        overlay: What to draw over the pixels; a legend below says what it is.
    """
    plan = _Plan.of(tiles)
    entries = _entries(overlay, any(tile.clip.maps is not None for tile in tiles))
    columns = max(1, plan.width // 330)
    has_key = bool(entries) or overlay.shown.lidar
    legend = math.ceil(len(entries) / columns) * _LEGEND_ENTRY + 60 if has_key else 0
    canvas = Canvas(plan.width, plan.height + legend)
    mapping: Any = None
    for number, tile in enumerate(tiles):
        mapping = _draw_tile(canvas, plan, plan.corner(number), tile, overlay) or mapping
    if has_key:
        _draw_key(canvas, plan, entries, columns, mapping)
    return canvas


def _entries(overlay: Overlay, with_map: bool) -> list[Entry]:
    boxes = [Entry(overlay.category_names[k], colour, "s") for k, colour in overlay.colours.items()]
    return [*boxes, *(map_entries(overlay.shown.layers, over_pixels=True) if with_map else [])]


def _draw_tile(
    canvas: Canvas, plan: _Plan, corner: tuple[int, int], tile: SceneView, overlay: Overlay
) -> Any:
    left, top = corner
    clip = tile.clip
    canvas.text(left, top, clip.scene_names[0], size_px=19, weight="bold")
    canvas.text(left + plan.tile_width, top + 3, tile.caption, size_px=16, color=FAINT, ha="right")
    mapping: Any = None
    grid = PanelGrid(
        left, top + _CAPTION, PANEL_PX, plan.panel_height, plan.tile_rows, plan.tile_columns, _GAP
    )
    for row, cameras in enumerate(front_and_rear(clip)):
        for column, n in enumerate(cameras):
            height, width = clip.image_sizes[0, clip.key, n].tolist()
            if not clip.image_present[0, clip.key, n]:
                show_nothing(grid.axes(canvas, row, column, (1, 1)), "no image")
                continue
            axes = grid.axes(canvas, row, column, (height, width))
            hiding = tile.hiding(n) if overlay.shown.layers else None
            found = draw_image(axes, clip, clip.key, n, overlay, hiding)
            mapping = found or mapping
    return mapping


def _draw_key(
    canvas: Canvas, plan: _Plan, entries: Sequence[Entry], columns: int, mapping: Any
) -> None:
    """The legend below the tiles, and what the colours of LiDAR points mean."""
    top = plan.height - _MARGIN + 18
    bar = 300 if mapping is not None else 0
    draw_legend(canvas, _MARGIN, top, entries, columns=columns - 1 if bar else columns, size_px=16)
    if mapping is not None:
        axes = canvas.axes(plan.width - _MARGIN - bar, top + 4, bar, 14)
        colours = canvas.figure.colorbar(mapping, cax=axes, orientation="horizontal")
        colours.outline.set_linewidth(0.5)
        axes.minorticks_off()
        colours.set_ticks(list(DISTANCE_TICKS_M), labels=[f"{t:g}" for t in DISTANCE_TICKS_M])
        axes.tick_params(labelsize=10, length=3, width=0.5)
        axes.set_xlabel("LiDAR distance (m)", fontsize=11)
