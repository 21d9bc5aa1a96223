"""Ten numbers a box, as UVTR regresses them, and boxes in the axes of a grid.

The code is (cx, cy, log w, log l, cz, log h, sin θ, cos θ, vx, vy), metres and m/s in the grid's
own axes. θ = −yaw − π/2 is the heading as mmdet3d before 1.0 has it, so that published weights mean
what they meant. Boxes are rows of centre, length, width, height, yaw (counter-clockwise from +x),
vx, vy.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.rigid import apply_linear, transform_points

CODE_SIZE = 10
CENTRE = (0, 1, 4)
"""Where the centre's coordinates stand in a code."""


def encode_boxes(boxes: Float[Tensor, "*k 9"]) -> Float[Tensor, "*k 10"]:
    """Codes of boxes in the same axes."""
    x, y, z, length, width, height, yaw, vx, vy = boxes.unbind(-1)
    sine, cosine = -yaw.cos(), -yaw.sin()  # of −yaw − π/2
    return torch.stack(
        [x, y, width.log(), length.log(), z, height.log(), sine, cosine, vx, vy], dim=-1
    )


def decode_boxes(code: Float[Tensor, "*k 10"]) -> Float[Tensor, "*k 9"]:
    """Boxes of codes in the same axes."""
    x, y, log_width, log_length, z, log_height, sine, cosine, vx, vy = code.unbind(-1)
    yaw = torch.atan2(-cosine, -sine)
    size = (log_length.exp(), log_width.exp(), log_height.exp())
    return torch.stack([x, y, z, *size, yaw, vx, vy], dim=-1)


def move_boxes(
    a_from_b: Float[Tensor, "4 4"], boxes_b: Float[Tensor, "*k 9"]
) -> Float[Tensor, "*k 9"]:
    """Boxes expressed in other axes; headings and velocities stay in the ground plane."""
    shape = boxes_b.shape[:-1]
    boxes = boxes_b.reshape(-1, 9)
    yaw, velocity = boxes[:, 6], boxes[:, 7:]
    flat = torch.zeros_like(yaw)
    heading = apply_linear(a_from_b[:3, :3], torch.stack([yaw.cos(), yaw.sin(), flat], dim=-1))
    moving = apply_linear(a_from_b[:3, :3], torch.cat([velocity, flat[:, None]], dim=-1))
    turned = torch.atan2(heading[:, 1], heading[:, 0])[:, None]
    centre = transform_points(a_from_b, boxes[:, :3])
    return torch.cat([centre, boxes[:, 3:6], turned, moving[:, :2]], dim=-1).reshape(*shape, 9)
