"""Twin of the ego-motion warp: torch's trilinear sampling, one source at a time."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def warp_volume(
    volume: Float[Tensor, "m c z y x"], source_from_target: Float[Tensor, "m 4 4"], grid: Any
) -> tuple[Float[Tensor, "m c z y x"], Bool[Tensor, "m z y x"]]:
    """Source volumes on the target's voxels, and where these lie among the source's centres."""
    centres = grid.centres_ego.reshape(*grid.shape_zyx, 3)
    highest = centres.new_tensor(grid.shape_xyz) - 1
    warped, valid = [], []
    for source, motion in zip(volume, source_from_target, strict=True):
        points = centres @ motion[:3, :3].T + motion[:3, 3]
        unit = grid.to_unit(points).unsqueeze(0)
        warped.append(F.grid_sample(source.unsqueeze(0), unit, align_corners=False))
        place = grid.to_grid(points) - 0.5
        valid.append(((place > -1e-4) & (place < highest + 1e-4)).all(dim=-1))
    return torch.cat(warped), torch.stack(valid)
