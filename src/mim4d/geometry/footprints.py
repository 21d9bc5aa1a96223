"""Where boxes stand, seen from above.

A box is a row: centre, length, width, height (metres), yaw (radians, counter-clockwise from +x),
and what else is known of it.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def in_footprints(
    points_xy: Float[Tensor, "m p 2"], boxes: Float[Tensor, "m k _d"]
) -> Bool[Tensor, "m p k"]:
    """Which points lie above or below the floor of which box; edges belong to it."""
    away = points_xy[:, :, None] - boxes[:, None, :, :2]
    cos, sin = boxes[:, None, :, 6].cos(), boxes[:, None, :, 6].sin()
    along = away[..., 0] * cos + away[..., 1] * sin
    across = away[..., 1] * cos - away[..., 0] * sin
    return (along.abs() <= boxes[:, None, :, 3] / 2) & (across.abs() <= boxes[:, None, :, 4] / 2)


def footprint_corners(boxes: Float[Tensor, "*k _d"]) -> Float[Tensor, "*k 4 2"]:
    """Corners of each box's floor, counter-clockwise from the front left."""
    half = torch.stack([boxes[..., 3], boxes[..., 4]], dim=-1)[..., None, :] / 2
    along, across = (half * half.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])).unbind(-1)
    cos, sin = boxes[..., 6, None].cos(), boxes[..., 6, None].sin()
    turned = torch.stack([along * cos - across * sin, along * sin + across * cos], dim=-1)
    return boxes[..., None, :2] + turned
