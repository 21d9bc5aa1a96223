"""What lies over the pixels of one image: LiDAR by distance, boxes as wire frames, the map.

Everything is projected with the image's own pose, so that a wrong pose, time or calibration is
seen at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.maps.map_names import MAP_LAYERS, MapLayer
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.tensors.pixels import unit_colours
from mim4d.viz.canvas import points, show_colours
from mim4d.viz.distance_colours import distance_colours, distance_norm
from mim4d.viz.map_drawing import draw_map_in_image
from mim4d.viz.wireframe import box_segments, project_segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CATEGORY_COLOURS = {
    "vehicle.car": "#00b4f5",
    "vehicle.truck": "#ff7a1a",
    "vehicle.bus": "#a855f7",
    "vehicle.trailer": "#b98a5a",
    "vehicle.construction": "#e6c700",
    "vehicle.motorcycle": "#ff4fd8",
    "vehicle.bicycle": "#35d07f",
    "human.pedestrian.child": "#ff8ac4",
    "human.pedestrian.construction_worker": "#d9ff3d",
    "human.pedestrian.police_officer": "#5b7cff",
    "human.pedestrian": "#ff2d55",
    "movable_object.barrier": "#8f9bff",
    "movable_object.trafficcone": "#ff9e80",
}
"""nuScenes' detection classes, and kinds of people, by how the names of their categories begin."""
_BODY_TINT = (1.0, 0.1, 0.6)
_OTHER_COLOURS = ("#00a37a", "#c0ca33", "#d4a5a5", "#94a3b8", "#c026d3", "#fb7185")


@dataclass(frozen=True)
class Shown:
    """What is drawn over images and from above."""

    lidar: bool = True
    boxes: bool = True
    layers: tuple[MapLayer, ...] = MAP_LAYERS

    @classmethod
    def without(cls, hidden: tuple[str, ...]) -> "Shown":
        """Everything but what is named: `lidar`, `boxes`, `map` or layers of the map."""
        layers = () if "map" in hidden else MAP_LAYERS
        return cls(
            lidar="lidar" not in hidden,
            boxes="boxes" not in hidden,
            layers=tuple(layer for layer in layers if layer not in hidden),
        )


EVERYTHING = Shown()


@dataclass(frozen=True)
class Overlay:
    """What lies over the pixels, and in which colours.

    Attributes:
        shown: What is drawn.
        colours: Colour of each class of boxes.
        category_names: Those of the reader, for legends.
    """

    shown: Shown = EVERYTHING
    colours: Mapping[int, str] = field(default_factory=dict)
    category_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, clips: Sequence[Clip], category_names: tuple[str, ...], shown: Shown) -> "Overlay":
        """With a colour for every class that occurs in the clips."""
        return cls(
            shown, class_colours(clips, category_names) if shown.boxes else {}, category_names
        )


def class_colours(clips: Sequence[Clip], category_names: tuple[str, ...]) -> dict[int, str]:
    """A colour for every class of boxes that occurs in the clips, the same in every data set."""
    kinds = {kind for clip in clips for kind in clip.box_classes[clip.valid_boxes].tolist()}
    others = iter(_OTHER_COLOURS * (1 + len(kinds)))
    colours = {}
    for kind in sorted(kinds):
        name = category_names[kind]
        known = [c for start, c in _CATEGORY_COLOURS.items() if name.startswith(start)]
        colours[kind] = known[0] if known else next(others)
    return colours


def draw_image(
    axes: "Axes",
    clip: Clip,
    t: int,
    n: int,
    overlay: Overlay,
    distance: Float[Tensor, "h w"] | None = None,
) -> Any:
    """One image of a clip (b = 1) and what lies over it.

    Args:
        axes: Axes in image pixels.
        clip: The clip.
        t: Frame.
        n: Camera; it has an image there.
        overlay: What to draw over the pixels.
        distance: Exact distance of every pixel, where it is known: hides the map behind things.

    Returns:
        The mapping of LiDAR distances to colours; None if there are no points.
    """
    pixels = picture(clip, t, n)
    if clip.on_body is not None:
        covered = clip.on_body[0, n, : pixels.shape[0], : pixels.shape[1], None]
        pixels = torch.where(covered, 0.5 * (pixels + pixels.new_tensor(_BODY_TINT)), pixels)
    show_colours(axes, pixels)
    # Lines are as thin as the panel is small.
    thin = min(1.0, max(0.55, axes.get_window_extent().width / 560))
    mapping = _draw_lidar(axes, clip, t, n) if overlay.shown.lidar else None
    if clip.maps is not None:
        draw_map_in_image(axes, clip, t, n, overlay.shown.layers, 1.8 * thin, distance)
    if overlay.shown.boxes:
        _draw_boxes(axes, clip, t, n, overlay.colours, 1.3 * thin)
    return mapping


def picture(clip: Clip, t: int, n: int) -> Float[Tensor, "h w 3"]:
    """One image of a clip without its padding, colours in [0, 1]."""
    height, width = clip.image_sizes[0, t, n].tolist()
    return rearrange(unit_colours(clip.images[0, t, n, :, :height, :width]), "c h w -> h w c")


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
    pixels, distance = visible_points(clip, t, n)
    if len(pixels) == 0:
        return None
    side = max(1.2, axes.get_window_extent().width / 260)
    return axes.scatter(
        pixels[:, 0].numpy(),
        pixels[:, 1].numpy(),
        c=distance.numpy(),
        s=points(side) ** 2,
        marker="s",
        linewidths=0,
        cmap=distance_colours(),
        norm=distance_norm(),
    )


def _draw_boxes(
    axes: "Axes", clip: Clip, t: int, n: int, colours: Mapping[int, str], line_px: float
) -> None:
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
    of_box = [colours[kind] for kind in clip.box_classes[0, t][valid].tolist()]
    shown = visible.nonzero().flatten().tolist()
    # A dark line below keeps the coloured one readable on any background.
    for width_px, tint in (
        (2 * line_px, lambda i: "#00000066"),
        (line_px, lambda i: of_box[i // e]),
    ):
        lines = LineCollection(
            list(pixels[visible].numpy()),
            colors=[tint(i) for i in shown],
            linewidths=points(width_px),
        )
        axes.add_collection(lines, autolim=False)
