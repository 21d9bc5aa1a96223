"""Scene flow from above: what a run found in the other frames beside what is true of the frame.

Colours and arrows are velocities over ground in the frame's ego axes: x, forward, points up the
picture and y, left, to the left. Above them, what the cameras show of the frame.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.evaluation.flow.from_above import Cells, FlowClip, FlowMap
from mim4d.evaluation.flow.scores import NEAR_M
from mim4d.evaluation.flow.truth import MOVING_M_S
from mim4d.geometry.box_corners import box_corners
from mim4d.viz.canvas import FAINT, INK, Canvas, PanelGrid, show_colours, show_nothing
from mim4d.viz.flow_wheel import STANDING, draw_wheel, flow_colours, full_speed
from mim4d.viz.legend import Entry, draw_legend
from mim4d.viz.top import OUTLINE, draw_ego, place, prepare_axes
from mim4d.viz.wireframe import left_to_right

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARROW_S = 0.5
"""An arrow reaches where something will be after so many seconds."""
EMPTY = 0.5
"""Opacity of what moves where the volume holds nothing; what stands there is not drawn."""
_PANEL, _LEFT, _BETWEEN, _LEGEND, _TOP = 660, 76, 84, 292, 96
_STEP_M = 10.0


def draw_flow(shown: FlowClip, title: str) -> Canvas:
    """Draw the scene flow of one clip."""
    width = 2 * _PANEL + _BETWEEN + _LEGEND
    cameras = _camera_grid(shown, width)
    top = cameras.top + cameras.height + 52
    canvas = Canvas(_LEFT + width, top + _PANEL + 122)
    full_m_s = _full_speed(shown)
    _draw_words(canvas, shown, title, top)
    _draw_cameras(canvas, cameras, shown)
    for left, map_, heading in (
        (_LEFT, shown.found, "found in the other frames"),
        (_LEFT + _PANEL + _BETWEEN, shown.truth, f"truth: {shown.truth_name}"),
    ):
        canvas.text(left, top - 26, heading, size_px=16, weight="bold")
        axes = canvas.axes(left, top, _PANEL, _PANEL)
        if map_ is None:
            show_nothing(axes, "no velocity is known in this frame")
            axes.set_axis_off()
            continue
        prepare_axes(axes, shown.cells.reach_m, _STEP_M, "the car")
        _draw_map(axes, map_, shown.cells, full_m_s)
        _draw_boxes(axes, shown.boxes_ego)
        draw_ego(axes, torch.eye(4), shown.cells.reach_m, INK, True)
        _draw_near(axes)
    _draw_key(canvas, _LEFT + 2 * _PANEL + _BETWEEN + 36, top, full_m_s)
    return canvas


def _full_speed(shown: FlowClip) -> float:
    """What both maps and the boxes call full speed: that of the truth, where there is one."""
    map_ = shown.truth or shown.found
    speeds = map_.velocities[map_.held].norm(dim=-1)
    return full_speed(speeds[speeds > MOVING_M_S])


def _camera_grid(shown: FlowClip, width: int) -> PanelGrid:
    clip, t = shown.clip, shown.frame
    rows, columns = (int(size) for size in clip.image_sizes[0, t].amax(dim=0))
    panel = min((width + 4) // clip.num_cameras - 4, 420)
    height = round(panel * rows / max(columns, 1))
    return PanelGrid(_LEFT, _TOP + 22, panel, height, 1, clip.num_cameras)


def _draw_cameras(canvas: Canvas, grid: PanelGrid, shown: FlowClip) -> None:
    clip, t = shown.clip, shown.frame
    for column, n in enumerate(left_to_right(clip)):
        canvas.text(grid.column_left(column), grid.top - 20, clip.camera_names[n], size_px=13)
        if not clip.image_present[0, t, n]:
            show_nothing(grid.axes(canvas, 0, column, (1, 1)), "no image")
            continue
        rows, columns = clip.image_sizes[0, t, n].tolist()
        image = clip.images[0, t, n, :, :rows, :columns].movedim(0, -1) / 255
        show_colours(grid.axes(canvas, 0, column, (rows, columns)), image)


def _draw_map(axes: "Axes", map_: FlowMap, cells: Cells, full_m_s: float) -> None:
    """Squares that hold something by their colour, arrows where it moves."""
    colours = flow_colours(map_.velocities, full_m_s)
    moving = map_.velocities.norm(dim=-1) > MOVING_M_S
    opacity = map_.held.float().clamp(min=EMPTY) * (map_.held | moving)
    pixels = torch.cat([colours, opacity.unsqueeze(-1)], dim=-1)
    reach = cells.reach_m
    # Rows of the picture are x, from the top down; columns y, from the left on: both fall.
    pixels = pixels.transpose(0, 1).flip(0, 1)
    axes.imshow(
        pixels.numpy(), extent=(reach, -reach, -reach, reach), interpolation="nearest", zorder=2
    )
    x, y = place(cells.centres[moving])
    u, v = place(ARROW_S * map_.velocities[moving])
    arrows: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "dots"}
    axes.quiver(x, y, u, v, color=INK, width=1.3, headwidth=4, headlength=5, zorder=5, **arrows)
    axes.set_xlim(reach, -reach)
    axes.set_ylim(-reach, reach)


def _draw_boxes(axes: "Axes", boxes_ego: Float[Tensor, "k 9"]) -> None:
    """Outlines, strong where a box moves."""
    for box, corners in zip(boxes_ego, box_corners(boxes_ego), strict=True):
        moves = bool(box[7:].norm() > MOVING_M_S)
        colour, width = (INK, 1.5) if moves else ("#8b93a1", 0.9)
        axes.plot(*place(corners[OUTLINE]), color=colour, linewidth=width, zorder=4)


def _draw_near(axes: "Axes") -> None:
    """The circle within which the headline's objects are."""
    turn = torch.linspace(0, 2 * torch.pi, 97)
    circle = NEAR_M * torch.stack([turn.cos(), turn.sin()], dim=-1)
    axes.plot(*place(circle), color=FAINT, linewidth=0.9, linestyle=(0, (4, 4)), zorder=3)


def _draw_key(canvas: Canvas, left: int, top: int, full_m_s: float) -> None:
    canvas.text(left, top - 26, "velocity over ground (m/s)", size_px=14, weight="bold")
    draw_wheel(canvas, left - 8, top + 4, 200, full_m_s)
    entries = [
        Entry("occupied, static", fill=str(STANDING)),
        Entry("pale: moving, but empty", fill="#f0c0c0"),
        Entry(f"where it is {ARROW_S:g} s later", INK, r"$\rightarrow$"),
        Entry("true box, moving", INK, line="-"),
        Entry("true box, static", "#8b93a1", line="-"),
        Entry(f"{NEAR_M:g} m", FAINT, line=(0, (4, 4))),
    ]
    draw_legend(canvas, left, top + 222, entries, size_px=13)


def _draw_words(canvas: Canvas, shown: FlowClip, title: str, top: int) -> None:
    clip, t = shown.clip, shown.frame
    times = [
        f"{time - clip.frame_times_s[0, t].item():+.2g} s".replace("-", "−")
        for k, time in enumerate(clip.frame_times_s[0].tolist())
        if k != t
    ]
    canvas.text(_LEFT, 18, title, size_px=22, weight="bold")
    canvas.text(
        _LEFT,
        50,
        f"key sample {clip.key_tokens[0]} · scene flow of frame {t + 1} of {clip.num_frames}, "
        f"found in the frames at {', '.join(times)}; the model did not see the images below",
        size_px=14.5,
        color=FAINT,
    )
    canvas.text(_LEFT, top + _PANEL + 58, _numbers(shown), size_px=13.5, color=FAINT)


def _numbers(shown: FlowClip) -> str:
    row = shown.row
    if row is None:
        return "Nothing is known of how things move in this frame."
    share, near = row.standing.share_moving, row.near
    parts = []
    if near.normalised_epe is not None:
        parts.append(
            f"Objects within {NEAR_M:g} m that move 1 to 4 voxels between frames ({near.points} "
            f"points of {row.near_objects.points}): normalised EPE {near.normalised_epe:.2f} (zero "
            f"flow: 1), median angle {near.median_angle_deg:.0f}°."
        )
    if row.moving.normalised_epe is not None:
        parts.append(
            f"Everything that moves in the grid ({row.moving.points} points): normalised EPE "
            f"{row.moving.normalised_epe:.2f}."
        )
    if share is not None:
        moving = f"moving (above {MOVING_M_S} m/s)"
        parts.append(f"{share:.1%} of static points are wrongly marked as {moving}.")
    return "\n".join(parts)
