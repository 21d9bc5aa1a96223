"""A vector map drawn from above and over the pixels.

Enters: a `MapPatch` in `ref`; the map lies on the plane z = 0. Over the pixels, lines are cut at
the near plane and at the border of the image, so that only what is in front of a camera is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.maps.map_names import POLYGON_LAYERS, MapLayer
from mim4d.data.maps.map_patch import MapPatch
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.viz.canvas import points
from mim4d.viz.wireframe import project_segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FARTHEST_M = 45.0
"""Over the pixels, the map ends here: farther away its lines are one at the horizon."""

_COARSE_M, _FINE_M = 2.0, 0.5
"""Length of the pieces of a line; fine ones where some of them may be hidden."""
_SLACK, _SLACK_M = 0.03, 0.3
"""How far behind a surface a piece may seem to lie and still be seen: kerbs, bumps and rounding."""


@dataclass(frozen=True)
class LayerStyle:
    """How a layer is drawn.

    Attributes:
        label: What the legend calls it.
        line: Colour of lines and outlines; None: no line.
        fill: Colour of areas from above; None: none.
        over_pixels: Whether it is drawn over images as well.
        dashes: matplotlib's style of its lines from above.
    """

    label: str
    line: str | None = None
    fill: str | None = None
    over_pixels: bool = False
    dashes: Any = "solid"


STYLES: dict[MapLayer, LayerStyle] = {
    "drivable_area": LayerStyle("drivable area", fill="#e8eaee"),
    "carpark_area": LayerStyle("car park", fill="#dcd6f3"),
    "walkway": LayerStyle("walkway", fill="#f6ecd9"),
    "ped_crossing": LayerStyle("pedestrian crossing", "#2f7bff", "#cfe0ff", True),
    "stop_line": LayerStyle("stop line", "#e11d48", "#f9c9d3", True),
    "lane_centre": LayerStyle("lane centre", "#9aa3af", None, False, (0, (1, 3))),
    "lane_divider": LayerStyle("lane divider", "#ff9d00", None, True),
    "road_divider": LayerStyle("road divider", "#ff4d00", None, True),
    "road_boundary": LayerStyle("road boundary", "#12a150", None, True),
}
"""From the bottom to the top."""


def draw_map_from_above(
    axes: "Axes", patch: MapPatch, layers: Sequence[MapLayer], width_px: float = 1.5
) -> None:
    """Areas filled lightly, lines over them, below everything else.

    Args:
        axes: Axes of a picture from above (see `viz.top`).
        patch: The map.
        layers: Layers to draw.
        width_px: Width of lines.
    """
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.path import Path

    for order, (layer, style) in enumerate(STYLES.items()):
        if layer not in layers:
            continue
        z = 1 + order / 100
        if layer in POLYGON_LAYERS and style.fill:
            paths = [
                Path.make_compound_path(*(Path(_swapped(ring.coords)) for ring in _rings(polygon)))
                for polygon in patch.polygons(layer)
            ]
            axes.add_collection(
                PathCollection(paths, facecolors=style.fill, edgecolors="none", zorder=z),
                autolim=False,
            )
        if style.line:
            lines = LineCollection(
                [line.flip(-1).numpy() for line in patch.polylines(layer)],
                colors=style.line,
                linewidths=points(width_px),
                linestyles=style.dashes,
                zorder=z,
            )
            axes.add_collection(lines, autolim=False)


def _rings(polygon: Any) -> list[Any]:
    return [polygon.exterior, *polygon.interiors]


def _swapped(coordinates: Any) -> list[tuple[float, float]]:
    """From (x, y) of `ref` to the axes of a picture from above: y across, x up."""
    return [(y, x) for x, y in coordinates]


def draw_map_in_image(
    axes: "Axes",
    clip: Clip,
    t: int,
    n: int,
    layers: Sequence[MapLayer],
    width_px: float = 1.6,
    distance: Float[Tensor, "h w"] | None = None,
) -> None:
    """Lines of the map of a clip (b = 1) over one image, on the plane z = 0 of `ref`.

    Args:
        axes: Axes in image pixels.
        clip: A clip with a map.
        t: Frame.
        n: Camera.
        layers: Layers to draw; areas only as outlines.
        width_px: Width of lines.
        distance: As in `map_lines_in_image`.
    """
    from matplotlib.collections import LineCollection

    assert clip.maps is not None, "only called for clips with a map"
    for layer, style in STYLES.items():
        if layer not in layers or not style.over_pixels:
            continue
        lines = map_lines_in_image(clip.maps[0], layer, clip, t, n, distance)
        # A dark line below keeps the coloured one readable on any ground.
        for width, colour in ((width_px + 1.2, "#00000055"), (width_px, style.line)):
            drawn = LineCollection(
                list(lines.numpy()),
                colors=colour,
                linewidths=points(width),
                capstyle="round",
            )
            axes.add_collection(drawn, autolim=False)


def map_lines_in_image(
    patch: MapPatch,
    layer: MapLayer,
    clip: Clip,
    t: int,
    n: int,
    distance: Float[Tensor, "h w"] | None = None,
) -> Float[Tensor, "m 2 2"]:
    """End points, pixels, of what one camera sees of a layer's lines.

    Args:
        patch: The map.
        layer: Which of its layers.
        clip: A clip (b = 1) of the same `ref`.
        t: Frame.
        n: Camera.
        distance: What each pixel of the image shows is so far away, metres (NaN: infinitely);
            pieces behind it are left out. None: nothing hides the map.
    """
    segments_ref = _segments(patch, layer, _COARSE_M if distance is None else _FINE_M)
    pose = clip.ref_from_camera[0, t, n]
    far = (segments_ref.mean(dim=1) - pose[:3, 3]).norm(dim=-1)
    segments_ref, far = segments_ref[far < FARTHEST_M], far[far < FARTHEST_M]
    segments = transform_points(invert_rigid(pose), segments_ref.reshape(-1, 3)).reshape(-1, 2, 3)
    height, width = clip.image_sizes[0, t, n].tolist()
    pixels, visible = project_segments(clip.intrinsics[0, t, n], segments, (height, width))
    if distance is not None:
        u, v = pixels.mean(dim=1).unbind(-1)
        row, column = v.long().clamp(0, height - 1), u.long().clamp(0, width - 1)
        visible &= ~(far > distance[row, column] * (1 + _SLACK) + _SLACK_M)
    return pixels[visible]


def _segments(patch: MapPatch, layer: MapLayer, longest_m: float) -> Float[Tensor, "m 2 3"]:
    """A layer's lines in pieces of at most some metres, at z = 0."""
    pieces = [torch.zeros(0, 2, 2)]
    for line in patch.polylines(layer):
        for start, end in pairwise(line):
            count = max(1, int(((end - start).norm() / longest_m).ceil()))
            share = torch.linspace(0, 1, count + 1)[:, None]
            stops = start + share * (end - start)
            pieces.append(torch.stack([stops[:-1], stops[1:]], dim=1))
    return torch.nn.functional.pad(torch.cat(pieces), (0, 1))
