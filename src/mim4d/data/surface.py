"""Surfaces around the car as points that something has seen, for labels of occupancy.

Each point was seen from an origin: the way between them is free. Everything is in `ref` at the key
frame's time, metres; what moves has been brought to where it is then.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Surface:
    """Points on what stands around one car.

    Attributes:
        points: Where something is.
        origins: Where each was seen from.
        sees_through: Whether the way from the origin is known to be free.
        categories: Row of the data set's category of the box that a point is part of; -1: of none.
    """

    points: Float[Tensor, "r 3"]
    origins: Float[Tensor, "r 3"]
    sees_through: Bool[Tensor, " r"]
    categories: Int64[Tensor, " r"]

    def transformed(self, new_from_ref: Float[Tensor, "4 4"]) -> "Surface":
        """The same in a new `ref`: turned, scaled, mirrored or shifted."""
        matrix = new_from_ref.float()
        linear, shift = matrix[:3, :3], matrix[:3, 3]
        return replace(
            self,
            points=self.points @ linear.T + shift,
            origins=self.origins @ linear.T + shift,
        )


def join_surfaces(parts: list[Surface]) -> Surface:
    """Several, seen at several times or by several sensors, as one."""
    return Surface(
        torch.cat([part.points for part in parts]),
        torch.cat([part.origins for part in parts]),
        torch.cat([part.sees_through for part in parts]),
        torch.cat([part.categories for part in parts]),
    )
