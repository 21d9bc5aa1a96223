"""Maps as lines: over every camera, and from above, the truth beside what a run draws.

Lines lie on the plane z = 0 of `ref`. From above, x (forward) points up and y (left) to the left.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.map_views import MapView, SeenLine
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.viz.canvas import FAINT, INK, Canvas, PanelGrid, points, show_colours
from mim4d.viz.overlay import picture
from mim4d.viz.top import draw_ego, place
from mim4d.viz.wireframe import left_to_right, project_segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (("divider", "#ff7a00"), ("pedestrian crossing", "#2f7bff"), ("boundary", "#12a150"))
"""Label and colour of each class of lines."""
LEAST_SCORE = 0.3
"""Lines of which a run is less sure are not drawn."""
_WIDTH, _MARGIN, _TOP, _GAP = 1600, 20, 70, 60
_PIECE_M = 1.0


def draw_maps(view: MapView) -> Canvas:
    """Cameras with the truth, then with what is drawn; both from above."""
    sides: list[tuple[str, Sequence[SeenLine]]] = []
    if view.true is not None:
        sides.append(("true", view.true))
    if view.drawn is not None:
        sure = [line for line in view.drawn if line.score >= LEAST_SCORE]
        sides.append((f"drawn, score {LEAST_SCORE:g} or more", sure))
    grid = _cameras(view.clip, len(sides))
    width_m, length_m = view.range_xy_m[1], view.range_xy_m[0]
    side_width = (_WIDTH - 2 * _MARGIN - _GAP) // 2
    above = round(min(side_width * length_m / width_m, 900))
    canvas = Canvas(_WIDTH, grid.top + grid.height + _GAP + above + 3 * _MARGIN)
    canvas.text(_MARGIN, 12, view.title, 20, weight="bold")
    _draw_key(canvas)
    for row, (name, lines) in enumerate(sides):
        _draw_cameras(canvas, grid, row, view.clip, lines)
        left = _MARGIN + row * (side_width + _GAP)
        top = grid.top + grid.height + _GAP
        canvas.text(left, top - 24, f"{name}, from above", 15)
        axes = canvas.axes(left + 40, top, above * width_m / length_m, above)
        draw_lines_from_above(axes, lines, view.range_xy_m, view.clip)
    return canvas


def draw_lines_from_above(
    axes: "Axes",
    lines: Sequence[SeenLine],
    range_xy_m: tuple[float, float],
    clip: Clip | None = None,
    points_ref: Float[Tensor, "p 3"] | None = None,
) -> None:
    """Lines of a map in the rectangle that they were cut to, over LiDAR points.

    Args:
        axes: Axes as long and wide as the rectangle.
        lines: The lines.
        range_xy_m: Length along x and width along y.
        clip: Gives the LiDAR points of its key frame.
        points_ref: The points, where there is no clip.
    """
    half_x, half_y = range_xy_m[0] / 2, range_xy_m[1] / 2
    axes.set_xlim(half_y, -half_y)
    axes.set_ylim(-half_x, half_x)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    if clip is not None:
        points_ref = clip.points_ref[0, clip.key][clip.valid_points[0, clip.key]]
    if points_ref is not None:
        axes.scatter(*place(points_ref), s=points(1.6) ** 2, color="#9aa3af", linewidths=0)
    for line in lines:
        x, y = place(line.points)
        colour = KINDS[line.kind][1]
        axes.plot(x, y, color=colour, linewidth=points(3), alpha=0.35 + 0.65 * line.score)
        axes.plot(x, y, ".", color=colour, markersize=points(7))
    draw_ego(axes, torch.eye(4), half_x, INK, True)


def lines_in_image(
    lines: Sequence[SeenLine], clip: Clip, t: int, n: int
) -> list[tuple[SeenLine, Any]]:
    """Pieces of each line, pixels `m 2 2`, that one camera of a clip (b = 1) sees."""
    camera_from_ref = invert_rigid(clip.ref_from_camera[0, t, n])
    height, width = clip.image_sizes[0, t, n].tolist()
    found = []
    for line in lines:
        segments = transform_points(camera_from_ref, _pieces(line.points).reshape(-1, 3))
        pixels, visible = project_segments(
            clip.intrinsics[0, t, n], segments.reshape(-1, 2, 3), (height, width)
        )
        found.append((line, pixels[visible].numpy()))
    return found


def _pieces(line: Float[Tensor, "m 2"]) -> Float[Tensor, "s 2 3"]:
    """Short pieces of a line on the ground, so that those in front of a camera can be told."""
    pieces = []
    for start, end in pairwise(line):
        count = max(1, int(((end - start).norm() / _PIECE_M).ceil()))
        stops = start + torch.linspace(0, 1, count + 1)[:, None] * (end - start)
        pieces.append(torch.stack([stops[:-1], stops[1:]], dim=1))
    return torch.nn.functional.pad(torch.cat(pieces), (0, 1))


def _cameras(clip: Clip, rows: int) -> PanelGrid:
    height, width = (int(size) for size in clip.image_sizes[0, clip.key].amax(dim=0))
    panel = (_WIDTH - 2 * _MARGIN) // clip.num_cameras - 4
    return PanelGrid(_MARGIN, _TOP, panel, round(panel * height / width), rows, clip.num_cameras)


def _draw_cameras(
    canvas: Canvas, grid: PanelGrid, row: int, clip: Clip, lines: Sequence[SeenLine]
) -> None:
    from matplotlib.collections import LineCollection

    t = clip.key
    for column, n in enumerate(left_to_right(clip)):
        image = picture(clip, t, n)
        axes = grid.axes(canvas, row, column, (image.shape[0], image.shape[1]))
        show_colours(axes, image)
        for line, pixels in lines_in_image(lines, clip, t, n):
            colour = KINDS[line.kind][1]
            axes.add_collection(
                LineCollection(list(pixels), colors=colour, linewidths=points(2.2)), autolim=False
            )


def _draw_key(canvas: Canvas) -> None:
    left = 700
    for label, colour in KINDS:
        canvas.text(left, 14, f"━ {label}", 17, color=colour, weight="bold")
        left += 60 + 10 * len(label)
