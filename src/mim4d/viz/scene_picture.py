"""One scene on one picture: cameras with what lies over their pixels, truth, and from above.

The truth (exact distance, object of every pixel) is drawn where the data set has it.
"""

import colorsys
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.truth.exact import has_instances, has_truth
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, show_colours, show_nothing, show_values
from mim4d.viz.distance_colours import DISTANCE_TICKS_M, distance_colours, distance_norm
from mim4d.viz.legend import class_entries, draw_legend, map_entries
from mim4d.viz.overlay import (
    Overlay,
    Shown,
    draw_image,
    picture,
)
from mim4d.viz.scene_view import SceneView
from mim4d.viz.top import ARROW_S, draw_from_above
from mim4d.viz.wireframe import front_and_rear

PANEL_PX = 380
RANGE_M = 40.0
_Block = Literal["measured", "distance", "objects"]
_LEFT, _TOP, _TITLE, _BAR, _ABOVE = 28, 84, 36, 76, 940


def draw_scene(view: SceneView, overlay: Overlay) -> Canvas:
    """Draw one scene.

    Args:
        view: The scene.
        overlay: What to draw over the pixels and from above.
    """
    blocks: list[_Block] = ["measured"]
    blocks += ["distance"] if has_truth(view.root) else []
    blocks += ["objects"] if has_instances(view.root) else []
    grids = _grids(view.clip, len(blocks))
    right = _LEFT + grids[0].width + _BAR + 60
    height = max(grids[-1].top + grids[-1].height + 30, _TOP + _TITLE + _ABOVE + 350)
    canvas = Canvas(right + _ABOVE + 30, height)
    canvas.text(_LEFT, 18, view.clip.scene_names[0], size_px=26, weight="bold")
    canvas.text(_LEFT, 52, view.caption, size_px=16, color=FAINT)
    for block, grid in zip(blocks, grids, strict=True):
        canvas.text(_LEFT, grid.top - 26, _block_title(block, view.clip, overlay.shown), size_px=16)
        mapping = _draw_block(canvas, grid, view, block, overlay)
        if mapping is not None:
            bar = (grid.left + grid.width + 12, grid.top, 14, grid.height)
            canvas.colour_bar(bar, mapping, "distance (m)", DISTANCE_TICKS_M)
    _draw_above(canvas, right, view, overlay)
    return canvas


def _block_title(block: _Block, clip: Clip, shown: Shown) -> str:
    if block == "distance":
        return "Exact distance along every pixel's ray"
    if block == "objects":
        return "Object of every pixel"
    drawn = ["LiDAR"] if shown.lidar else []
    drawn += ["boxes"] if shown.boxes else []
    drawn += ["map"] if clip.maps is not None else []
    return f"Images with {', '.join(drawn)}" if drawn else "Images"


def _grids(clip: Clip, count: int) -> list[PanelGrid]:
    rig = front_and_rear(clip)
    rows, columns = len(rig), max(map(len, rig))
    height, width = clip.image_sizes.amax(dim=(0, 1, 2)).tolist()
    panel_height = round(PANEL_PX * height / max(width, 1))
    step = rows * (panel_height + 4) + _TITLE
    return [
        PanelGrid(_LEFT, _TOP + _TITLE + i * step, PANEL_PX, panel_height, rows, columns)
        for i in range(count)
    ]


def _draw_block(
    canvas: Canvas, grid: PanelGrid, view: SceneView, block: _Block, overlay: Overlay
) -> Any:
    """All cameras once; returns the mapping of distances to colours, if any."""
    clip, mapping = view.clip, None
    for row, cameras in enumerate(front_and_rear(clip)):
        for column, n in enumerate(cameras):
            if not clip.image_present[0, clip.key, n]:
                show_nothing(grid.axes(canvas, row, column, (1, 1)), "no image")
                continue
            height, width = clip.image_sizes[0, clip.key, n].tolist()
            axes = grid.axes(canvas, row, column, (height, width))
            if block == "objects":
                show_colours(axes, _tinted(picture(clip, clip.key, n), view.instances(n)))
            elif block == "distance":
                mapping = _draw_distance(axes, view.distance(n))
            else:
                found = draw_image(axes, clip, clip.key, n, overlay, view.hiding(n))
                mapping = found or mapping
    return mapping


def _draw_distance(axes: Any, distance: Float[Tensor, "h w"]) -> Any:
    return show_values(axes, distance, distance_norm(), distance_colours())


def _tinted(
    colours: Float[Tensor, "h w 3"], instances: Int[Tensor, "h w"]
) -> Float[Tensor, "h w 3"]:
    """A grey image in which every object has a colour of its own."""
    grey = colours.mean(dim=-1, keepdim=True).expand(-1, -1, 3) * 0.6 + 0.3
    numbers, which = instances.unique(return_inverse=True)
    # Steps of the golden ratio around the circle of hues: neighbours in number differ most.
    palette = torch.tensor(
        [colorsys.hsv_to_rgb(0.618034 * k % 1, 0.75, 1.0) for k in numbers.tolist()]
    )
    tint = palette[which] * (0.35 + 0.65 * grey)
    return torch.where(instances[..., None] > 0, tint, grey)


def _draw_above(canvas: Canvas, left: int, view: SceneView, overlay: Overlay) -> None:
    """The scene from above with legends below."""
    top = _TOP + _TITLE
    side = f"{2 * RANGE_M:g}"
    title = f"From above, {side} m × {side} m; arrows show {ARROW_S:g} s of motion"
    canvas.text(left, top - 26, title, size_px=16)
    axes = canvas.axes(left, top, _ABOVE, _ABOVE)
    clip = view.clip
    draw_from_above(axes, clip, RANGE_M, 10.0, overlay, name_cameras=False)
    top += _ABOVE + 64
    draw_legend(canvas, left, top, class_entries(clip, overlay), "boxes")
    if clip.maps is not None:
        layers = map_entries(overlay.shown.layers)
        draw_legend(canvas, left + _ABOVE // 2 + 40, top, layers, "map")
