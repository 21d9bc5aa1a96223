"""One picture of a clip: every camera of every frame, and the scene from above.

LiDAR points and boxes lie over the pixels, projected with each image's own pose, so that a wrong
pose, time or calibration is seen at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.pixels import unit_colours
from mim4d.viz.canvas import (
    FAINT,
    INK,
    Canvas,
    PanelGrid,
    colour_map,
    points,
    show_colours,
    show_nothing,
)
from mim4d.viz.top import ARROW_S, draw_from_above, frame_colours
from mim4d.viz.wireframe import box_segments, left_to_right, project_segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEAREST_M, FARTHEST_M = 3.0, 80.0
"""Ends of the colours of distances."""
_LEFT, _RIGHT, _TOP, _LEGEND = 96, 84, 118, 330
_ENTRY, _NOTE = 27, 240
"""Heights of one line of the legend, and of what stands around the lines."""
_CLASS_COLOURS = (
    *("#ff3d6e", "#00c2d1", "#ffb000", "#8f5bff", "#3ddc5b", "#ff7a1a", "#4d8dff"),
    *("#e0e000", "#ff6bd6", "#00a37a"),
)


@dataclass(frozen=True)
class _Layout:
    """Where things lie, pixels."""

    cameras: PanelGrid
    above: int
    """Side of each of the two pictures from above."""

    @classmethod
    def of(cls, clip: Clip) -> "_Layout":
        height, width = (int(size) for size in clip.image_sizes.amax(dim=(0, 1, 2)))
        columns = clip.num_cameras
        # Few or small cameras are enlarged until the picture has a readable width.
        scale = min(max(1.0, 1500 / (columns * max(width, 1))), 8.0)
        cameras = PanelGrid(
            left=_LEFT,
            top=_TOP,
            panel_width=round(width * scale),
            panel_height=round(height * scale),
            rows=clip.num_frames,
            columns=columns,
        )
        return cls(cameras, above=int(min((cameras.width - _LEGEND - 60) / 2, 1000)))

    @property
    def above_top(self) -> int:
        return self.cameras.top + self.cameras.height + 70


def view_data(
    data: Path,
    out: Path,
    *,
    index: int,
    frames: int,
    frame_interval_s: float | None,
    image_hw: tuple[int, int],
    lidar: str | None,
    version: str | None,
) -> None:
    """Draw one clip of a data set.

    Args:
        data: Data set in the nuScenes format.
        out: Picture to write.
        index: Which clip.
        frames: Frames of the clip; the middle one is the key frame.
        frame_interval_s: Time between frames; None takes consecutive keyframes.
        image_hw: Rows and columns that images are fitted into.
        lidar: LiDAR channel, or None.
        version: Version folder, where there are several.

    Raises:
        ValueError: If the data are wrong or there is no such clip.
        ImportError: If matplotlib is not installed.
    """
    dataset = NuscenesDataset(
        data,
        version=version,
        frames=frames,
        key=frames // 2,
        frame_interval_s=frame_interval_s,
        image_hw=image_hw,
        lidar=lidar,
    )
    if not 0 <= index < len(dataset):
        raise ValueError(f"{data}: clip {index} asked for; it has clips 0 to {len(dataset) - 1}")
    draw_clip(dataset[index], dataset.category_names, f"clip {index} of {len(dataset)}").save(out)


def draw_clip(clip: Clip, category_names: tuple[str, ...], title: str = "") -> Canvas:
    """Draw a single clip (b = 1); `category_names` are those of the reader."""
    layout = _Layout.of(clip)
    grid = layout.cameras
    class_colours = _class_colours(clip)
    legend_height = _ENTRY * (clip.num_frames + 1 + len(class_colours)) + _NOTE
    bottom = max(layout.above + 70, legend_height)
    canvas = Canvas(_LEFT + grid.width + _RIGHT, layout.above_top + bottom)
    _draw_title(canvas, clip, title)
    _draw_camera_panels(canvas, grid, clip, class_colours)
    left = grid.left
    for range_m, step_m in ((60.0, 10.0), (20.0, 5.0)):
        axes = canvas.axes(left, layout.above_top, layout.above, layout.above)
        draw_from_above(axes, clip, range_m, step_m, class_colours, range_m < 30)
        left += layout.above + 60
    _draw_legend(canvas, left - 20, layout.above_top, clip, class_colours, category_names)
    return canvas


def _signed(number: float, digits: int = 2) -> str:
    """A number with its sign, as it is printed in books."""
    return f"{number:+.{digits}f}".replace("-", "−")


def _class_colours(clip: Clip) -> dict[int, str]:
    """A colour for every class that occurs in the clip."""
    classes = clip.box_classes[clip.valid_boxes].unique().tolist()
    return {kind: _CLASS_COLOURS[i % len(_CLASS_COLOURS)] for i, kind in enumerate(classes)}


def _draw_title(canvas: Canvas, clip: Clip, title: str) -> None:
    times = ", ".join(_signed(t) for t in clip.frame_times_s[0].tolist())
    canvas.text(_LEFT, 20, clip.scene_names[0], size_px=26, weight="bold")
    canvas.text(
        _LEFT,
        56,
        f"{title + ' · ' if title else ''}key sample {clip.key_tokens[0]} · {clip.num_frames} "
        f"frames × {clip.num_cameras} cameras · frames at {times} s from the key frame",
        size_px=16,
        color=FAINT,
    )


def _draw_camera_panels(
    canvas: Canvas, grid: PanelGrid, clip: Clip, class_colours: dict[int, str]
) -> None:
    order, colours = left_to_right(clip), frame_colours(clip)
    for column, n in enumerate(order):
        canvas.text(grid.column_left(column) + 2, grid.top - 22, clip.camera_names[n], size_px=15)
    mapping: Any = None
    for t in range(clip.num_frames):
        middle = grid.row_top(t) + grid.panel_height / 2
        label = _signed(clip.frame_times_s[0, t].item()) + " s" + ("\nkey" if t == clip.key else "")
        canvas.text(grid.left - 12, middle, label, va="center", ha="right", color=colours[t])
        for column, n in enumerate(order):
            size = clip.image_sizes[0, t, n].tolist()
            if not clip.image_present[0, t, n]:
                show_nothing(grid.axes(canvas, t, column, (1, 1)), "no image")
                continue
            axes = grid.axes(canvas, t, column, (size[0], size[1]))
            mapping = _draw_camera(axes, clip, t, n, class_colours) or mapping
    if mapping is not None:
        height = min(grid.height, 600)
        ticks = [3.0, 5.0, 10.0, 20.0, 40.0, 80.0]
        bar = (grid.left + grid.width + 12, grid.top, 14, height)
        canvas.colour_bar(bar, mapping, "LiDAR distance (m)", ticks)


def _draw_camera(axes: "Axes", clip: Clip, t: int, n: int, class_colours: dict[int, str]) -> Any:
    """One image with points and boxes; returns the mapping of distances to colours, if any."""
    height, width = clip.image_sizes[0, t, n].tolist()
    picture = unit_colours(clip.images[0, t, n, :, :height, :width])
    show_colours(axes, rearrange(picture, "c h w -> h w c"))
    mapping = _draw_lidar(axes, clip, t, n)
    _draw_boxes(axes, clip, t, n, class_colours)
    late_ms = (clip.image_times_s[0, t, n] - clip.frame_times_s[0, t]).item() * 1000
    label = {"facecolor": "#00000088", "edgecolor": "none", "pad": 1.5}
    axes.text(
        *(0.008, 0.985, f"{_signed(late_ms, 0)} ms"),
        transform=axes.transAxes,
        fontsize=points(11),
        color="white",
        va="top",
        bbox=label,
    )
    return mapping


def visible_points(clip: Clip, t: int, n: int) -> tuple[Tensor, Tensor]:
    """Pixels `p 2` and distances (m) of a frame's LiDAR points in one image, farthest first."""
    points_ref = clip.points_ref[0, t][clip.valid_points[0, t]]
    points_camera = transform_points(invert_rigid(clip.ref_from_camera[0, t, n]), points_ref)
    pixels, depth = project(clip.intrinsics[0, t, n], points_camera)
    size = clip.image_sizes[0, t, n].flip(-1)
    seen = ((pixels >= 0) & (pixels < size)).all(dim=-1) & (depth > 0)
    pixels, distance = pixels[seen], points_camera[seen].norm(dim=-1)
    order = distance.argsort(descending=True)
    return pixels[order], distance[order]


def _draw_lidar(axes: "Axes", clip: Clip, t: int, n: int) -> Any:
    from matplotlib.colors import LogNorm

    pixels, distance = visible_points(clip, t, n)
    if len(pixels) == 0:
        return None
    side = max(1.4, axes.get_window_extent().width / 260)
    return axes.scatter(
        pixels[:, 0].numpy(),
        pixels[:, 1].numpy(),
        c=distance.numpy(),
        s=points(side) ** 2,
        marker="s",
        linewidths=0,
        cmap=_near_to_far(),
        norm=LogNorm(NEAREST_M, FARTHEST_M),
    )


def _near_to_far() -> Any:
    """Yellow near, violet far; the darkest end is left out, it drowns in shadows."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colour_map("plasma_r")(torch.linspace(0, 0.88, 256).numpy()))


def _draw_boxes(axes: "Axes", clip: Clip, t: int, n: int, class_colours: dict[int, str]) -> None:
    """Wire frames, a cross on the front face."""
    from matplotlib.collections import LineCollection

    valid = clip.valid_boxes[0, t]
    segments = box_segments(clip.boxes_ref[0, t][valid])
    if len(segments) == 0:
        return
    k, e = segments.shape[:2]
    camera_from_ref = invert_rigid(clip.ref_from_camera[0, t, n])
    segments = transform_points(camera_from_ref, segments.reshape(-1, 3)).reshape(k * e, 2, 3)
    height, width = clip.image_sizes[0, t, n].tolist()
    pixels, visible = project_segments(clip.intrinsics[0, t, n], segments, (height, width))
    colours = [class_colours[kind] for kind in clip.box_classes[0, t][valid].tolist()]
    shown = visible.nonzero().flatten().tolist()
    # A dark line below keeps the coloured one readable on any background.
    for width_px, tint in ((2.6, lambda i: "#00000066"), (1.3, lambda i: colours[i // e])):
        lines = LineCollection(
            list(pixels[visible].numpy()),
            colors=[tint(i) for i in shown],
            linewidths=points(width_px),
        )
        axes.add_collection(lines, autolim=False)


def _draw_legend(
    canvas: Canvas,
    left: int,
    top: int,
    clip: Clip,
    class_colours: dict[int, str],
    category_names: tuple[str, ...],
) -> None:
    from matplotlib.lines import Line2D

    def entry(colour: Any, label: str, marker: str = "s") -> Line2D:
        return Line2D([], [], color=colour, marker=marker, linestyle="none", label=label)

    counts = clip.valid_points[0].sum(dim=1).tolist()
    entries = [
        entry(colour, f"{_signed(time)} s: {count:,} points", "^")
        for colour, time, count in zip(
            frame_colours(clip), clip.frame_times_s[0].tolist(), counts, strict=True
        )
    ]
    entries.append(entry("#2563eb", "cameras of the key frame", ">"))
    key_classes = clip.box_classes[0, clip.key][clip.valid_boxes[0, clip.key]].tolist()
    for kind, colour in class_colours.items():
        entries.append(entry(colour, f"{category_names[kind]} ({key_classes.count(kind)})"))
    axes = canvas.axes(left, top, _LEGEND, 400)
    axes.set_axis_off()
    axes.legend(
        handles=entries,
        loc="upper left",
        borderaxespad=0,
        frameon=False,
        fontsize=points(14),
        labelcolor=INK,
        labelspacing=0.75,
        title="frames (triangle: ego pose) and boxes",
        title_fontproperties={"size": points(14), "weight": "bold"},
        alignment="left",
    )
    note = (
        "From above, everything lies in ref, the ego\nframe at the key frame. Boxes are those of\n"
        f"the key frame; arrows show {ARROW_S:g} s of motion.\nOver the images: LiDAR of the "
        "frame's own\ntime, coloured by distance; a cross marks the\nfront of a box; numbers are "
        "the exposure\ntime minus the frame's time."
    )
    canvas.text(left, top + 60 + _ENTRY * len(entries), note, size_px=13, color=FAINT)
