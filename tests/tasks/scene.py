"""A clip with boxes where a test wants them, a small map, and walls."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import shapely
import torch

from mim4d.data.clip import Clip
from mim4d.data.maps.map_names import MAP_LAYERS
from mim4d.data.maps.map_patch import MapPatch
from mim4d.data.surface import Surface
from tests.toy import toy_clip

CLASSES = ("vehicle.car", "human.pedestrian.adult", "vehicle.emergency.police")


class Box(NamedTuple):
    """A box on the ground; of the first class, with LiDAR points and fully visible."""

    x: float
    y: float
    length: float = 4.0
    width: float = 2.0
    yaw: float = 0.0
    kind: int = 0
    points: int = 5
    visibility: int = 4


def clip_with(*boxes: Box, seed: int = 0, frames: int = 1) -> Clip:
    """A toy clip whose key frame holds these boxes; other frames hold one far to the left."""
    clip = replace(toy_clip(seed, frames), maps=(straight_road(),), surfaces=(two_walls(),))
    rows = torch.zeros(1, frames, len(boxes), 9)
    rows[..., 1] = 30.0
    rows[0, clip.key] = torch.tensor(
        [[b.x, b.y, 0.8, b.length, b.width, 1.6, b.yaw, 0.0, 0.0] for b in boxes]
    ).reshape(-1, 9)

    def numbers(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long).expand(1, frames, len(boxes))

    return replace(
        clip,
        boxes_ref=rows,
        valid_boxes=torch.ones(1, frames, len(boxes), dtype=torch.bool),
        valid_velocities=torch.ones(1, frames, len(boxes), dtype=torch.bool),
        box_classes=numbers([b.kind for b in boxes]),
        box_lidar_points=numbers([b.points for b in boxes]),
        box_visibility=numbers([b.visibility for b in boxes]),
        category_names=CLASSES,
    )


def two_walls() -> Surface:
    """Points 8 m to the left and 12 m to the right of the car, seen from above it."""
    x, y, z = torch.meshgrid(
        torch.arange(-20.0, 20.0),
        torch.tensor([8.0, -12.0]),
        torch.tensor([0.5, 2.0]),
        indexing="ij",
    )
    points = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    every = torch.ones(len(points), dtype=torch.bool)
    origins = torch.tensor([0.0, 0.0, 1.5]).expand_as(points)
    return Surface(points, origins, every, torch.full((len(points),), -1))


def straight_road() -> MapPatch:
    """12 m wide along x, a divider in its middle, and a crossing over x from 6 to 10."""
    known = shapely.box(-90, -90, 90, 90)
    layers = {
        "drivable_area": [shapely.box(-90, -6, 90, 6)],
        "ped_crossing": [shapely.box(6, -6, 10, 6)],
        "road_divider": [shapely.LineString([(-90, 0), (90, 0)])],
        "road_boundary": [shapely.LineString([(-90, y), (90, y)]) for y in (-6, 6)],
    }
    arrays = {name: np.array(layers.get(name, []), dtype=object) for name in MAP_LAYERS}
    return MapPatch((-50, -50, 50, 50), known, arrays)
