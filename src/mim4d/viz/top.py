"""A clip from above, in `ref`: x, forward, points up the picture and y, left, to the left.

Points and ego poses of all frames, coloured by frame; map, cameras and boxes of the key frame. What
stands still coincides over the frames if the poses are right: walls are thin lines.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.camera import unproject
from mim4d.geometry.rigid import transform_points
from mim4d.viz.canvas import FAINT, INK, points
from mim4d.viz.map_drawing import draw_map_from_above
from mim4d.viz.overlay import Overlay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARROW_S = 1.0
"""A velocity arrow reaches where the object will be after so many seconds."""
_STILL_M_S = 0.3
OUTLINE = [4, 6, 2, 0, 4]
"""Lower corners of a box around its outline, from the front right."""


def frame_colours(clip: Clip) -> list[Any]:
    """One colour per frame: blues before the key frame, near black, oranges after it."""
    from matplotlib import colormaps

    t, key = clip.num_frames, clip.key
    past = [colormaps["GnBu"](0.65 + 0.3 * i / max(key, 1)) for i in range(key)]
    later = t - 1 - key
    future = [colormaps["YlOrRd"](0.75 - 0.35 * i / max(later, 1)) for i in range(later)]
    return [*past, INK, *future]


def draw_from_above(
    axes: "Axes",
    clip: Clip,
    range_m: float,
    step_m: float,
    overlay: Overlay,
    name_cameras: bool = True,
) -> None:
    """Draw a single clip from above.

    Args:
        axes: Square axes.
        clip: One clip (b = 1).
        range_m: From the ego car of the key frame to each side of the picture, metres.
        step_m: Width of the metre grid's cells.
        overlay: What to draw; the colours of boxes.
        name_cameras: Write the cameras' names (they need a picture of few metres).
    """
    prepare_axes(axes, range_m, step_m, "ref")
    colours = frame_colours(clip)
    frames = [t for t in range(clip.num_frames) if clip.frame_present[0, t]]
    if clip.maps is not None:
        draw_map_from_above(axes, clip.maps[0], overlay.shown.layers)
    # The key frame last, so that it lies on top.
    for t in sorted(frames, key=lambda t: t == clip.key) if overlay.shown.lidar else ():
        _draw_points(axes, clip.points_ref[0, t][clip.valid_points[0, t]], range_m, colours[t])
    for t in frames:
        draw_ego(axes, clip.ref_from_ego[0, t], range_m, colours[t], t == clip.key)
    _draw_cameras(axes, clip, range_m / 9, name_cameras)
    if overlay.shown.boxes:
        _draw_boxes(axes, clip, overlay.colours)


def place(points_ref: Float[Tensor, "*p c"]) -> tuple[Any, Any]:
    """Coordinates for the picture's axes, whose horizontal one is inverted."""
    return points_ref[..., 1].numpy(), points_ref[..., 0].numpy()


def prepare_axes(axes: "Axes", range_m: float, step_m: float, frame: str) -> None:
    """Make square axes those of a picture from above, so many metres to each side of a frame."""
    axes.set_xlim(range_m, -range_m)
    axes.set_ylim(-range_m, range_m)
    axes.set_aspect("equal")
    count = math.floor(range_m / step_m)
    ticks = [i * step_m for i in range(-count, count + 1)]
    labels = [f"{tick:g}".replace("-", "−") if i % 2 == 0 else "" for i, tick in enumerate(ticks)]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.grid(color="#dfe3e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=points(12), length=0, colors=FAINT)
    axes.set_xlabel(f"← left      y of {frame} (m)      right →", fontsize=points(13), color=INK)
    axes.set_ylabel(f"x of {frame} (m)      forward →", fontsize=points(13), color=INK)
    for spine in axes.spines.values():
        spine.set_color("#c3c7cd")


def _draw_points(axes: "Axes", points_ref: Tensor, range_m: float, colour: Any) -> None:
    near = points_ref[:, :2].abs().amax(dim=1) < range_m
    axes.scatter(
        *place(points_ref[near]), s=points(1.3) ** 2, color=colour, linewidths=0, alpha=0.55
    )


def draw_ego(axes: "Axes", ref_from_ego: Tensor, range_m: float, colour: Any, key: bool) -> None:
    """A triangle at the ego origin that points along the heading."""
    size = range_m / (24 if key else 32)
    triangle = torch.tensor([[size, 0, 0], [-0.6 * size, 0.55 * size, 0], [-0.3 * size, 0, 0]])
    triangle = torch.cat([triangle, triangle[1:2] * torch.tensor([1.0, -1.0, 1.0])])
    x, y = place(transform_points(ref_from_ego, triangle))
    axes.fill(x, y, facecolor=colour, edgecolor="white", linewidth=1.0, zorder=6 if key else 5)


def _draw_cameras(axes: "Axes", clip: Clip, reach_m: float, name_cameras: bool) -> None:
    """Position and horizontal opening of the key frame's cameras."""
    for n, name in enumerate(clip.camera_names):
        if not clip.image_present[0, clip.key, n]:
            continue
        height, width = clip.image_sizes[0, clip.key, n].tolist()
        pixels = torch.tensor([[0.0, height / 2], [width, height / 2], [width / 2, height / 2]])
        depth = torch.full((3,), reach_m)
        far = unproject(clip.intrinsics[0, clip.key, n], pixels, depth)
        corners = torch.cat([torch.zeros(1, 3), far])
        x, y = place(transform_points(clip.ref_from_camera[0, clip.key, n], corners))
        axes.fill(x[:3], y[:3], facecolor="#2563eb22", edgecolor="#2563eb", linewidth=0.9, zorder=4)
        if not name_cameras:
            continue
        axes.text(
            x[0] + 1.25 * (x[3] - x[0]),
            y[0] + 1.25 * (y[3] - y[0]),
            name.removeprefix("CAM_"),
            fontsize=points(11),
            color="#1d4ed8",
            ha="center",
            va="center",
            clip_on=True,
            bbox={"facecolor": "#ffffffb0", "edgecolor": "none", "pad": 0.8},
            zorder=7,
        )


def _draw_boxes(axes: "Axes", clip: Clip, class_colours: Mapping[int, Any]) -> None:
    """Outlines of the key frame's boxes, heading, and velocity where it is known."""
    valid = clip.valid_boxes[0, clip.key]
    boxes = clip.boxes_ref[0, clip.key][valid]
    classes = clip.box_classes[0, clip.key][valid].tolist()
    known = clip.valid_velocities[0, clip.key][valid].tolist()
    for box, corners, kind, moving in zip(boxes, box_corners(boxes), classes, known, strict=True):
        colour = class_colours[kind]
        axes.plot(*place(corners[OUTLINE]), color=colour, linewidth=1.6, zorder=4)
        front = corners[[4, 6]].mean(dim=0)
        axes.plot(*place(torch.stack([box[:2], front[:2]])), color=colour, linewidth=1.6, zorder=4)
        velocity = box[7:9]
        if moving and velocity.norm() > _STILL_M_S:
            x, y = place(torch.stack([box[:2], box[:2] + ARROW_S * velocity]))
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
            drawn = axes.annotate("", (x[1], y[1]), (x[0], y[0]), arrowprops=arrow, zorder=5)
            assert drawn.arrow_patch is not None, "an annotation with arrowprops has an arrow"
            drawn.arrow_patch.set_clip_box(axes.bbox)
