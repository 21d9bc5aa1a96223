"""A clip with boxes where a test wants them."""

from dataclasses import replace
from typing import NamedTuple

import torch

from mim4d.data.clip import Clip
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
    clip = toy_clip(seed, frames)
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
