"""What divides lanes: one rule for everything that reads maps made of lanes."""

from typing import Literal

import numpy as np
from jaxtyping import Float


def divider_kind(
    left: Float[np.ndarray, "p 2"], beside: Float[np.ndarray, "q 2"] | None, yellow: bool
) -> Literal["road_divider", "lane_divider"] | None:
    """What the left boundary of a lane outside of intersections is.

    Lanes of both directions are divided by a `road_divider`, as is everything that is painted
    yellow; lanes of one direction by a `lane_divider`.

    Args:
        left: The boundary, in the direction of travel.
        beside: The left boundary of the lane on the other side; None if there is none.
        yellow: Whether it is painted yellow.

    Returns:
        The table of the nuScenes map that it belongs to; None if it divides nothing.
    """
    if beside is None:
        return "road_divider" if yellow else None
    opposite = float((left[-1] - left[0]) @ (beside[-1] - beside[0])) < 0
    return "road_divider" if opposite or yellow else "lane_divider"
