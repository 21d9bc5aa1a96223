"""Predicted layers of the ground beside the true ones: over every camera's image and from above.

Over the images, each pixel shows the cell in which its ray meets the ground (z = 0 of `ref`), so
that a cell at the wrong place is seen at once. True boxes are outlined everywhere.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.painted_clips import PaintedClip
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.camera import unproject
from mim4d.geometry.ground_plane import reach_of_ground
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import apply_linear
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.viz.canvas import FAINT, INK, Canvas, Length, show_colours, show_nothing
from mim4d.viz.legend import Entry, draw_legend
from mim4d.viz.overlay import picture
from mim4d.viz.top import OUTLINE, draw_ego, place, prepare_axes
from mim4d.viz.wireframe import front_and_rear

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAYER_COLOURS = {
    "drivable_area": "#b9c2cf",
    "crossing": "#2f7bff",
    "divider": "#ff9d00",
    "boundary": "#12a150",
    "vehicle": "#c026d3",
    "pedestrian": "#ff2d55",
}
"""From the bottom to the top."""
_IGNORED = "#4b5563"
_THRESHOLD = 0.5
_OVER_IMAGE = 0.55
_PANEL, _GAP, _MARGIN, _TOP, _ABOVE = 340, 6, 26, 92, 620


def draw_painted(painted: PaintedClip, folder: Path) -> Path:
    """Draw one clip and return the picture's path.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    clip = painted.clip
    predicted = painted.probabilities >= _THRESHOLD
    said = paint(predicted, painted.layers, None)
    sides = [("predicted", said)]
    if painted.occupied is not None and painted.ignored is not None:
        true = paint(painted.occupied & ~painted.ignored, painted.layers, painted.ignored)
        sides.append(("true", true))
    rows = [row for row in front_and_rear(clip) if row]
    height, width = (int(size) for size in clip.image_sizes[0, clip.key].amax(dim=0))
    panel_height = round(_PANEL * height / max(width, 1))
    left = _MARGIN + 90 + max(map(len, rows)) * (_PANEL + _GAP)
    bottom = _TOP + len(sides) * len(rows) * (panel_height + _GAP)
    canvas = Canvas(left + len(sides) * (_ABOVE + 76), max(bottom, _TOP + _ABOVE) + 150)
    _draw_words(canvas, painted)
    top = _TOP
    for row in rows:
        for words, colours in sides:
            canvas.text(_MARGIN + 78, top + panel_height / 2, words, ha="right", va="center")
            for column, n in enumerate(row):
                x = _MARGIN + 90 + column * (_PANEL + _GAP)
                axes = canvas.axes(x, top, _PANEL, panel_height)
                _draw_camera(axes, clip, n, colours, painted.cells)
            top += panel_height + _GAP
    for words, colours in sides:
        left += 62
        canvas.text(left, _TOP - 24, f"{words}, from above")
        _draw_above(canvas.axes(left, _TOP, _ABOVE, _ABOVE), clip, colours, painted.cells)
        left += _ABOVE + 14
    _draw_layers(canvas, _MARGIN + 90, max(bottom, _TOP + _ABOVE) + 56, painted)
    return canvas.save(folder / f"{painted.name}.png")


def paint(
    masks: Bool[Tensor, "l y x"],
    layers: tuple[str, ...],
    ignored: Bool[Tensor, "l y x"] | None,
) -> Float[Tensor, "y x 4"]:
    """Colours of cells, things over the road; the last number says where there is any."""
    from matplotlib.colors import to_rgb

    colours = torch.zeros(*masks.shape[1:], 4)
    for name, colour in LAYER_COLOURS.items():
        if name in layers:
            colours[masks[layers.index(name)]] = torch.tensor([*to_rgb(colour), 1.0])
    if ignored is not None:
        colours[ignored.any(dim=0)] = torch.tensor([*to_rgb(_IGNORED), 1.0])
    return colours


def ground_of_pixels(clip: Clip, n: int) -> Float[Tensor, "h w 2"]:
    """Where the ray of each pixel of a key image meets z = 0 of `ref`, metres; infinite if not."""
    t = clip.key
    height, width = clip.image_sizes[0, t, n].tolist()
    pixels = cell_centres((height, width)).reshape(-1, 2)
    rays = unproject(clip.intrinsics[0, t, n], pixels, torch.ones(len(pixels)))
    pose = clip.ref_from_camera[0, t, n]
    directions = apply_linear(pose[:3, :3], rays)
    reach = reach_of_ground(pose[:3, 3].expand_as(directions), directions)
    places = pose[:2, 3] + reach.unsqueeze(-1) * directions[:, :2]
    return torch.where(reach.isfinite().unsqueeze(-1), places, torch.inf).view(height, width, 2)


def cells_of_pixels(
    colours: Float[Tensor, "y x 4"], places: Float[Tensor, "h w 2"], cells: VoxelGrid
) -> Float[Tensor, "h w 4"]:
    """The colour of the cell that lies at each place; nothing outside of the cells."""
    lower, size = places.new_tensor(cells.lower_m[:2]), places.new_tensor(cells.voxel_size_m[:2])
    columns, rows, _ = cells.shape_xyz
    index = ((places - lower) / size).floor()
    inside = (index >= 0).all(dim=-1) & (index < index.new_tensor([columns, rows])).all(dim=-1)
    index = torch.where(inside.unsqueeze(-1), index, 0.0).long()
    return colours[index[..., 1], index[..., 0]] * inside.unsqueeze(-1)


def _draw_camera(
    axes: "Axes", clip: Clip, n: int, colours: Float[Tensor, "y x 4"], cells: VoxelGrid
) -> None:
    if not bool(clip.image_present[0, clip.key, n]):
        show_nothing(axes, "no image")
        return
    height, width = clip.image_sizes[0, clip.key, n].tolist()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    seen = cells_of_pixels(colours, ground_of_pixels(clip, n), cells)
    share = _OVER_IMAGE * seen[..., 3:]
    show_colours(axes, (1 - share) * picture(clip, clip.key, n) + share * seen[..., :3])


def _draw_above(
    axes: "Axes", clip: Clip, colours: Float[Tensor, "y x 4"], cells: VoxelGrid
) -> None:
    (x_min, y_min, _), (x_max, y_max, _) = cells.lower_m, cells.upper_m
    # x points up the picture, y to the left.
    shown = colours.transpose(0, 1).flip((0, 1))
    shown = shown[..., :3] * shown[..., 3:] + (1 - shown[..., 3:])
    axes.imshow(
        shown.numpy(), extent=(y_max, y_min, x_min, x_max), interpolation="nearest", zorder=0
    )
    range_m = max(abs(side) for side in (x_min, y_min, x_max, y_max))
    prepare_axes(axes, range_m, 10.0, "ref")
    draw_ego(axes, clip.ref_from_ego[0, clip.key], range_m, INK, True)
    valid = clip.valid_boxes[0, clip.key]
    for corners in box_corners(clip.boxes_ref[0, clip.key][valid]):
        if float(corners[:, :2].abs().max()) < range_m:
            axes.plot(*place(corners[OUTLINE]), color=INK, linewidth=0.7, zorder=4)


def _draw_words(canvas: Canvas, painted: PaintedClip) -> None:
    clip = painted.clip
    held_out = "TRAINED ON" if painted.trained_on else "held out"
    if painted.occupied is None:
        held_out = "no truth"
    canvas.text(_MARGIN, 16, f"{clip.scene_names[0]} ({held_out})", size_px=22, weight="bold")
    canvas.text(_MARGIN, 48, f"key sample {clip.key_tokens[0]}", size_px=14, color=FAINT)


def _draw_layers(canvas: Canvas, left: Length, top: Length, painted: PaintedClip) -> None:
    entries = [Entry(n, fill=colour) for n, colour in LAYER_COLOURS.items() if n in painted.layers]
    if painted.occupied is not None:
        entries.append(Entry("ignored: hardly to be seen", fill=_IGNORED))
        entries.append(Entry("outlines: annotated boxes", INK, line="solid"))
    draw_legend(canvas, left, top, entries, columns=4)
