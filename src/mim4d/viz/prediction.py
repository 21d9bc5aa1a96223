"""A prediction drawn: images, rendered colours and distances by camera, the scene from above."""

from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from torch import Tensor

from mim4d.evaluation.predicted_clip import PredictedClip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tensors.pixels import unit_colours
from mim4d.viz.canvas import (
    FAINT,
    Canvas,
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

_LEFT, _RIGHT, _TOP, _ABOVE = 130, 96, 84, 420
HIGHEST_M = 4.0
"""What lies higher is left out of the picture from above."""


def draw_prediction(predicted: PredictedClip, grid: VoxelGrid, title: str) -> Canvas:
    """Draw one prediction."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    clip, t = predicted.clip, predicted.frame
    rows = ("image", "rendered\ncolour", "rendered\ndistance")
    height, width = (int(size) for size in clip.image_sizes[0, t].amax(dim=0))
    panel_width = min(max(1500 // clip.num_cameras, 200), 448)
    panels = PanelGrid(
        _LEFT, _TOP, panel_width, round(panel_width * height / max(width, 1)), 3, clip.num_cameras
    )
    canvas = Canvas(_LEFT + max(panels.width, 700) + _RIGHT, _TOP + panels.height + _ABOVE + 110)
    canvas.text(_LEFT, 14, title, size_px=22, weight="bold")
    images = rearrange(unit_colours(clip.images[0, t]), "n c h w -> n h w c")
    distances = torch.where(predicted.shown, predicted.seen.distances_m.float(), torch.nan)
    far = ScalarMappable(distance_norm(), distance_colours())
    for row, label in enumerate(rows):
        middle = panels.row_top(row) + panels.panel_height / 2
        canvas.text(_LEFT - 12, middle, label, size_px=13.5, va="center", ha="right")
        for column, n in enumerate(left_to_right(clip)):
            axes = panels.axes(canvas, row, column, _size(clip.image_sizes[0, t, n]))
            if not clip.image_present[0, t, n]:
                show_nothing(axes, "no image")
            elif row == 0:
                rows_px, columns_px = _size(clip.image_sizes[0, t, n])
                show_colours(axes, images[n, :rows_px, :columns_px])
            elif row == 1:
                show_colours(axes, predicted.seen.colours[n])
            else:
                show_values(axes, distances[n], far.norm, far.cmap)
            if row == 0:
                left = panels.column_left(column)
                canvas.text(left + 2, _TOP - 21, clip.camera_names[n], size_px=14)
    bar = (_LEFT + panels.width + 12, panels.row_top(2) + 4, 13, panels.panel_height - 8)
    canvas.colour_bar(bar, far, "distance (m)", DISTANCE_TICKS_M)
    top = _TOP + panels.height + 60
    label = f"Where rays end, seen from above, up to {HIGHEST_M:g} m (sky has no distance to learn)"
    canvas.text(_LEFT, top - 34, label, size_px=15)
    tall = ScalarMappable(Normalize(0.0, HIGHEST_M), colour_map("turbo"))
    _draw_above(canvas.axes(_LEFT, top, _ABOVE, _ABOVE), predicted, grid, tall)
    canvas.colour_bar((_LEFT + _ABOVE + 12, top, 13, _ABOVE), tall, "height (m)")
    return canvas


def _draw_above(axes: "Axes", predicted: PredictedClip, grid: VoxelGrid, tall: Any) -> None:
    """Forward is up, left is left; what is higher covers what is lower."""
    x, y, z = predicted.points_ego.T
    order = z.argsort()
    order = order[z[order] < HIGHEST_M]
    axes.scatter(
        y[order].numpy(),
        x[order].numpy(),
        c=z[order].numpy(),
        s=points(1.6) ** 2,
        linewidths=0,
        norm=tall.norm,
        cmap=tall.cmap,
    )
    axes.plot(0, 0, marker="^", color="black")
    axes.set_xlim(grid.upper_m[1], grid.lower_m[1])
    axes.set_ylim(grid.lower_m[0], grid.upper_m[0])
    axes.set_xlabel("← left   y (m)   right →", fontsize=points(12), color=FAINT)
    axes.set_ylabel("x (m), forward →", fontsize=points(12), color=FAINT)
    axes.tick_params(labelsize=points(12), colors=FAINT)


def _size(hw: Tensor) -> tuple[int, int]:
    rows, columns = hw.tolist()
    return rows, columns
