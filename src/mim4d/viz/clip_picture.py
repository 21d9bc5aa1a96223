"""One picture of a clip: every camera of every frame, and the scene from above.

LiDAR points, boxes and the map lie over the pixels, projected with each image's own pose, so that a
wrong pose, time or calibration is seen at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mim4d.data.augment.clip_augmentation import ClipAugmentation, ClipRequest
from mim4d.data.clip import Clip
from mim4d.data.maps.scene_maps import has_maps
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, points, show_nothing
from mim4d.viz.distance_colours import DISTANCE_TICKS_M
from mim4d.viz.legend import Entry, class_entries, draw_legend, map_entries
from mim4d.viz.map_drawing import FARTHEST_M
from mim4d.viz.overlay import EVERYTHING, Overlay, Shown, draw_image
from mim4d.viz.top import ARROW_S, draw_from_above, frame_colours
from mim4d.viz.wireframe import left_to_right

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _RIGHT, _TOP, _LEGEND = 96, 84, 118, 330
_ENTRY, _NOTE = 27, 240
"""Heights of one line of the legend, and of what stands around the lines."""
_MAP_SIDE_M = 120.0
"""The larger picture from above shows so much."""


@dataclass(frozen=True)
class _Layout:
    """Where things lie, pixels."""

    cameras: PanelGrid
    above: int
    """Side of each of the two pictures from above."""

    @classmethod
    def of(cls, clip: Clip) -> "_Layout":
        # A clip without any image has panels nevertheless.
        height, width = (int(size) or 64 for size in clip.image_sizes.amax(dim=(0, 1, 2)))
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
    without: tuple[str, ...] = (),
    body_masks: Path | None = None,
    augmentation: ClipAugmentation | None = None,
    augment_seed: int = 0,
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
        without: What to leave out: `lidar`, `boxes`, `map` or layers of the map.
        body_masks: Folder of masks of the car itself; what they cover is tinted.
        augmentation: What the clip undergoes before it is drawn.
        augment_seed: Seed of what is drawn from its ranges.

    Raises:
        ValueError: If the data are wrong or there is no such clip.
        ImportError: If matplotlib is not installed.
    """
    shown = Shown.without(without)
    dataset = NuscenesDataset(
        data,
        version=version,
        frames=frames,
        key=frames // 2,
        frame_interval_s=frame_interval_s,
        image_hw=image_hw,
        lidar=lidar,
        map_range_m=map_range(data, version, shown),
        body_masks=body_masks,
        augmentation=augmentation or ClipAugmentation(),
    )
    if not 0 <= index < len(dataset):
        raise ValueError(f"{data}: clip {index} asked for; it has clips 0 to {len(dataset) - 1}")
    title = f"clip {index} of {len(dataset)}"
    if augmentation is not None:
        title += f", augmented with seed {augment_seed}"
    clip = dataset[ClipRequest(index, augment_seed)]
    draw_clip(clip, dataset.category_names, title, shown).save(out)


def map_range(data: Path, version: str | None, shown: Shown) -> tuple[float, float] | None:
    """How much map the pictures need: None where the data set has none, or none is wanted."""
    if not shown.layers or not has_maps(NuscenesTables.open(data, version)):
        return None
    return _MAP_SIDE_M, _MAP_SIDE_M


@dataclass(frozen=True)
class _Content:
    """What is drawn, in which colours."""

    overlay: Overlay
    entries: list[Entry]
    map_entries: list[Entry]

    @classmethod
    def of(cls, clip: Clip, category_names: tuple[str, ...], shown: Shown) -> "_Content":
        overlay = Overlay.of([clip], category_names, shown)
        counts = clip.valid_points[0].sum(dim=1).tolist()
        frames = zip(frame_colours(clip), clip.frame_times_s[0].tolist(), counts, strict=True)
        entries = [Entry(f"{_signed(s)} s: {n:,} points", colour, "^") for colour, s, n in frames]
        entries.append(Entry("cameras of the key frame", "#2563eb", ">"))
        entries += class_entries(clip, overlay)
        return cls(overlay, entries, [] if clip.maps is None else map_entries(shown.layers))

    @property
    def legend_height(self) -> int:
        return _ENTRY * (len(self.entries) + len(self.map_entries)) + _NOTE


def draw_clip(
    clip: Clip, category_names: tuple[str, ...], title: str = "", shown: Shown = EVERYTHING
) -> Canvas:
    """Draw a single clip (b = 1); `category_names` are those of the reader."""
    layout = _Layout.of(clip)
    grid = layout.cameras
    content = _Content.of(clip, category_names, shown)
    bottom = max(layout.above + 70, content.legend_height)
    canvas = Canvas(_LEFT + grid.width + _RIGHT, layout.above_top + bottom)
    _draw_title(canvas, clip, title)
    _draw_camera_panels(canvas, grid, clip, content)
    left = grid.left
    for range_m, step_m in ((_MAP_SIDE_M / 2, 10.0), (20.0, 5.0)):
        axes = canvas.axes(left, layout.above_top, layout.above, layout.above)
        draw_from_above(axes, clip, range_m, step_m, content.overlay, range_m < 30)
        left += layout.above + 60
    _draw_legends(canvas, left - 20, layout.above_top, clip, content)
    return canvas


def _signed(number: float, digits: int = 2) -> str:
    """A number with its sign, as it is printed in books."""
    return f"{number:+.{digits}f}".replace("-", "−")


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


def _draw_camera_panels(canvas: Canvas, grid: PanelGrid, clip: Clip, content: _Content) -> None:
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
            mapping = draw_image(axes, clip, t, n, content.overlay) or mapping
            _label_delay(axes, clip, t, n)
    if mapping is not None:
        height = min(grid.height, 600)
        bar = (grid.left + grid.width + 12, grid.top, 14, height)
        canvas.colour_bar(bar, mapping, "LiDAR distance (m)", DISTANCE_TICKS_M)


def _label_delay(axes: "Axes", clip: Clip, t: int, n: int) -> None:
    """Write how much later than its frame an image was taken."""
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


def _draw_legends(
    canvas: Canvas,
    left: int,
    top: int,
    clip: Clip,
    content: _Content,
) -> None:
    draw_legend(canvas, left, top, content.entries, "frames (triangle: ego pose) and boxes")
    top += 40 + _ENTRY * len(content.entries)
    if content.map_entries:
        draw_legend(canvas, left, top, content.map_entries, "map")
        top += 40 + _ENTRY * len(content.map_entries)
    note = (
        "From above, everything lies in ref, the ego\nframe at the key frame. Boxes are those of\n"
        f"the key frame; arrows show {ARROW_S:g} s of motion.\nOver the images: LiDAR of the "
        "frame's own\ntime, coloured by distance; a cross marks the\nfront of a box; numbers are "
        "the exposure\ntime minus the frame's time."
    )
    if content.map_entries:
        note += f" The map lies on the\nplane z = 0, drawn up to {FARTHEST_M:g} m away."
    canvas.text(left, top + 10, note, size_px=13, color=FAINT)
