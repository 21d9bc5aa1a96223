"""A frame of a clip as layers of a 3D view: cameras, LiDAR, boxes, map. Everything is in `ref`."""

import math

import numpy as np
import shapely
import torch

from mim4d.data.clip import Clip
from mim4d.data.maps.map_patch import MapPatch
from mim4d.viz.map_drawing import STYLES
from mim4d.viz.overlay import class_colours
from mim4d.viz.viewer.layers import (
    Layer,
    Pictures,
    Points,
    Segments,
    by_height,
    levels,
    wire_boxes,
)

_LIDAR_POINT_M = 0.05


def clip_layers(clip: Clip, frame: int) -> dict[str, Layer]:
    """Layers by name, those that the clip has.

    Args:
        clip: One clip (b = 1).
        frame: The frame that is shown.
    """
    layers: dict[str, Layer] = {}
    if clip.image_present[0, frame].any():
        layers["cameras"] = _cameras(clip, frame)
    if (valid := clip.valid_points[0, frame]).any():
        points = clip.points_ref[0, frame][valid]
        layers["LiDAR"] = Points(points.numpy(), by_height(points[:, 2]), _LIDAR_POINT_M)
    if clip.valid_boxes[0, frame].any():
        layers["boxes"] = _boxes(clip, frame)
    if clip.maps is not None and (lines := _map_lines(clip.maps[0])) is not None:
        layers["map"] = lines
    return layers


def _cameras(clip: Clip, frame: int) -> Pictures:
    there = clip.image_present[0, frame].nonzero().flatten().tolist()
    sizes = [clip.image_sizes[0, frame, n].tolist() for n in there]
    return Pictures(
        tuple(clip.camera_names[n] for n in there),
        clip.ref_from_camera[0, frame][there].double().numpy(),
        tuple(
            2 * math.atan(height / 2 / abs(float(clip.intrinsics[0, frame, n, 1, 1])))
            for n, (height, _) in zip(there, sizes, strict=True)
        ),
        tuple(
            clip.images[0, frame, n, :, :height, :width].permute(1, 2, 0).contiguous().numpy()
            for n, (height, width) in zip(there, sizes, strict=True)
        ),
    )


def _boxes(clip: Clip, frame: int) -> Segments:
    valid = clip.valid_boxes[0, frame]
    colours = class_colours([clip], clip.category_names)
    kinds = clip.box_classes[0, frame][valid].tolist()
    return wire_boxes(clip.boxes_ref[0, frame][valid], [colours[kind] for kind in kinds])


def _map_lines(patch: MapPatch) -> Segments | None:
    """Lines and outlines of the map on the road; None where it is empty."""
    ends, colours = [], []
    around = shapely.box(*patch.bounds_m)
    for layer, style in STYLES.items():
        for geometry in patch.geometries.get(layer, ()):
            lines = geometry.boundary if geometry.geom_type.endswith("Polygon") else geometry
            for line in shapely.get_parts(shapely.intersection(lines, around)).tolist():
                if line.geom_type != "LineString":
                    continue
                corners = np.asarray(line.coords)[:, :2]
                ends.append(np.stack([corners[:-1], corners[1:]], axis=1))
                colours += [style.line or style.fill or "#000000"] * (len(corners) - 1)
    if not ends:
        return None
    flat = torch.from_numpy(np.concatenate(ends)).float()
    return Segments(torch.nn.functional.pad(flat, (0, 1)).numpy(), levels(colours))
