"""The ground as a plane: z = 0 of the ego frame, where the wheels of the car stand."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_LEAST_FALL = 1e-6
ROAD_SHARE = 0.05
"""What lies nearer to the flat ground than this share of its distance is road."""


def reach_of_ground(
    origins_ego: Float[Tensor, "*#b 3"], directions_ego: Float[Tensor, "*#b 3"]
) -> Float[Tensor, "*b"]:
    """How many times its direction each ray goes until it meets the ground.

    Along unit directions these are metres along the ray; along directions of depth 1 (the z of a
    camera), metres of depth.

    Args:
        origins_ego: Where rays start, metres. At or below the ground they never meet it.
        directions_ego: Of any length.

    Returns:
        The multiples; infinite where a ray never meets the ground.
    """
    height, fall = origins_ego[..., 2], -directions_ego[..., 2]
    meets = (fall > _LEAST_FALL) & (height > 0)
    return torch.where(meets, height / fall.clamp(min=_LEAST_FALL), torch.inf)


def is_road(distances_m: Float[Tensor, "*b"], ground_m: Float[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
    """Where |d − d_ground| is below `ROAD_SHARE` · d, d_ground being the flat ground's distance."""
    return (distances_m - ground_m).abs() < ROAD_SHARE * distances_m
