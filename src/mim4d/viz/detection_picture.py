"""What a detector found in a clip: boxes over every camera's image, and all of it from above.

Predicted boxes are coloured by class, true ones are white; from above, dotted lines are velocities
(where a thing will be in a second), and a red line joins a true box and what took it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.detection.pictures import compare
from mim4d.evaluation.detection.predict import DetectedClip
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.viz.canvas import FAINT, Canvas, PanelGrid, points, show_colours, show_nothing
from mim4d.viz.overlay import picture
from mim4d.viz.top import ARROW_S, OUTLINE, draw_ego, place, prepare_axes
from mim4d.viz.wireframe import box_segments, front_and_rear, project_segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLOURS = {
    "car": "#00b4f5",
    "truck": "#ff7a1a",
    "bus": "#a855f7",
    "trailer": "#b98a5a",
    "construction_vehicle": "#e6c700",
    "pedestrian": "#ff2d55",
    "motorcycle": "#ff4fd8",
    "bicycle": "#35d07f",
    "traffic_cone": "#ff9e80",
    "barrier": "#8f9bff",
}
_TRUE, _ERROR = "#f8fafc", "#dc2626"
_PANEL, _MARGIN, _ABOVE = 400, 24, 760
_STILL_M_S = 0.3


@dataclass(frozen=True)
class ShownBoxes:
    """Boxes of a clip to be drawn, in `ref`.

    Attributes:
        boxes_ref: Centre, size, yaw, velocity.
        colours: Of each.
    """

    boxes_ref: Float[Tensor, "k 9"]
    colours: list[str]


def draw_detected(
    detected: DetectedClip, min_score: float, out: Path, range_m: float = 50.0
) -> Path:
    """Draw what was found in one clip.

    Args:
        detected: The clip, what was found and what is true.
        min_score: Boxes of a lower score are left out.
        out: Picture to write.
        range_m: From the car to each side of the view from above.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    compared = compare(detected, min_score)
    predicted = ShownBoxes(compared.boxes_ref, [CLASS_COLOURS[name] for name in compared.names])
    true = ShownBoxes(compared.true_ref, [_TRUE] * len(compared.true_ref))
    clip = detected.clip
    found = f"{len(compared.boxes_ref)} boxes from a score of {min_score:g} on"
    known = "no truth" if detected.truth is None else f"{len(compared.true_ref)} true ones"
    title = f"{clip.scene_names[0]}, {clip.key_tokens[0][:8]}: {found}, {known}"
    rows = [row for row in front_and_rear(clip) if row]
    height, width = (int(size) for size in clip.image_sizes.amax(dim=(0, 1, 2)))
    panels = PanelGrid(
        left=_MARGIN,
        top=64,
        panel_width=_PANEL,
        panel_height=round(_PANEL * height / max(width, 1)),
        rows=len(rows),
        columns=max(map(len, rows)),
        gap=6,
    )
    total = max(panels.top + panels.height + 80, panels.top + _ABOVE + 40) + _MARGIN
    canvas = Canvas(3 * _MARGIN + panels.width + _ABOVE + 60, total)
    canvas.text(_MARGIN, 20, title, size_px=17, weight="bold")
    for r, row in enumerate(rows):
        for c, n in enumerate(row):
            size = clip.image_sizes[0, clip.key, n].tolist()
            axes = panels.axes(canvas, r, c, (size[0], size[1]))
            if not bool(clip.image_present[0, clip.key, n]):
                show_nothing(axes, "no image")
                continue
            show_colours(axes, picture(clip, clip.key, n))
            _draw_in_image(axes, clip, n, true, 1.0)
            _draw_in_image(axes, clip, n, predicted, 1.6)
    above = canvas.axes(2 * _MARGIN + panels.width + 50, panels.top, _ABOVE, _ABOVE)
    prepare_axes(above, range_m, 10.0, "ref")
    draw_ego(above, clip.ref_from_ego[0, clip.key], range_m, "#ffffff", True)
    _draw_from_above(above, (true, predicted), compared.pairs, range_m)
    _draw_legend(canvas, panels.top + panels.height + 10, predicted)
    return canvas.save(out)


def _draw_legend(canvas: Canvas, top: int, predicted: ShownBoxes) -> None:
    present = [n for n, colour in CLASS_COLOURS.items() if colour in predicted.colours]
    for i, name in enumerate(present):
        left = _MARGIN + (i % 6) * 200
        canvas.text(left, top + 24 * (i // 6), f"■ {name}", color=CLASS_COLOURS[name])
    note = "thin, pale: true; dotted: 1 s of motion; red: from a true box to the one that took it"
    canvas.text(_MARGIN, top + 54, note, size_px=13, color=FAINT)


def _draw_in_image(axes: "Axes", clip: Clip, n: int, boxes: ShownBoxes, line_px: float) -> None:
    from matplotlib.collections import LineCollection

    segments = box_segments(boxes.boxes_ref)
    if len(segments) == 0:
        return
    k, e = segments.shape[:2]
    camera_from_ref = invert_rigid(clip.ref_from_camera[0, clip.key, n])
    segments = transform_points(camera_from_ref, segments.reshape(-1, 3)).reshape(k * e, 2, 3)
    height, width = clip.image_sizes[0, clip.key, n].tolist()
    intrinsics = clip.intrinsics[0, clip.key, n]
    pixels, visible = project_segments(intrinsics, segments, (height, width))
    tints = [boxes.colours[i // e] for i in visible.nonzero().flatten().tolist()]
    for wide, colours in ((2.2 * line_px, "#00000055"), (line_px, tints)):
        lines = list(pixels[visible].numpy())
        axes.add_collection(
            LineCollection(lines, colors=colours, linewidths=points(wide)), autolim=False
        )


def _draw_from_above(
    axes: "Axes",
    true_and_predicted: tuple[ShownBoxes, ShownBoxes],
    pairs: Int[Tensor, "p 2"],
    range_m: float,
) -> None:
    axes.set_facecolor("#1f2937")
    axes.grid(color="#374151", linewidth=0.6)
    true, predicted = true_and_predicted
    for boxes, width in ((true, 1.0), (predicted, 1.8)):
        rows = zip(boxes.boxes_ref, box_corners(boxes.boxes_ref), boxes.colours, strict=True)
        for box, corners, colour in rows:
            if float(box[:2].abs().max()) > range_m:
                continue
            axes.plot(*place(corners[OUTLINE]), color=colour, linewidth=width)
            front = corners[[4, 6]].mean(dim=0)
            axes.plot(*place(torch.stack([box[:2], front[:2]])), color=colour, linewidth=width)
            velocity = box[7:9].nan_to_num()
            if velocity.norm() > _STILL_M_S:
                ahead = torch.stack([box[:2], box[:2] + ARROW_S * velocity])
                axes.plot(*place(ahead), color=colour, linewidth=0.8 * width, linestyle=":")
    for found, taken in pairs.tolist():
        ends = torch.stack([predicted.boxes_ref[found, :2], true.boxes_ref[taken, :2]])
        axes.plot(*place(ends), color=_ERROR, linewidth=1.6, zorder=6)
