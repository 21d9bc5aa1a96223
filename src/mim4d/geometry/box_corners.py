"""The eight corners of boxes in space."""

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.geometry.rigid import apply_linear, rotation_from_yaw


def box_corners(boxes: Float[Tensor, "k _d"]) -> Float[Tensor, "k 8 3"]:
    """Corners of boxes (centre, length, width, height, yaw, ...) in the same axes.

    Counted by three bits: bit 2 is front (+x), bit 1 left (+y), bit 0 top (+z).
    """
    signs = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    local = signs.to(boxes) / 2 * boxes[:, None, 3:6]
    return apply_linear(rotation_from_yaw(boxes[:, 6]), local) + boxes[:, None, :3]
