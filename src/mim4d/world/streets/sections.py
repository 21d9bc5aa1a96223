"""Cross-sections of roads, drawn: lanes, parking strips, sidewalks, and how all is marked."""

import numpy as np

from mim4d.world.streets.curves import Curve
from mim4d.world.streets.roads import Road

STYLES = 6  # of the line between both directions


def sample_section(
    rng: np.random.Generator,
    line: tuple[Curve, tuple[float, float]],
    lanes_p: tuple[float, float, float] = (0.54, 0.33, 0.13),
    one_way_p: float = 0.13,
) -> Road:
    """A road along a centre line.

    Args:
        rng: Source of every choice.
        line: The centre line, and the stations between which there is a road.
        lanes_p: Chances of one, two and three lanes a side.
        one_way_p: Chance of a one-way street.
    """
    curve, reach_m = line
    one_way = bool(rng.random() < one_way_p)
    right = 1 + int(rng.choice(3, p=lanes_p))
    left = right if rng.random() < 0.85 else max(right - 1, 1)
    right = max(right, 2) if one_way else right
    strips = [float(rng.uniform(2.1, 2.5)) if rng.random() < 0.6 else 0.0 for _ in range(2)]
    return Road(
        curve=curve,
        lane_width_m=float(rng.uniform(3.0, 3.8 if right < 3 else 3.4)),
        lanes_right=right,
        lanes_left=0 if one_way else left,
        parking_right_m=strips[0],
        parking_left_m=strips[1],
        sidewalk_m=float(rng.uniform(1.6, 4.5)),
        centre_style=int(rng.integers(STYLES)),
        lane_style=int(rng.random() < 0.15),
        edge_lines=bool(rng.random() < 0.5),
        bays=bool(rng.random() < 0.5),
        arrows=bool(rng.random() < 0.5),
        reach_m=reach_m,
    )


def sample_crossing_section(
    rng: np.random.Generator, line: tuple[Curve, tuple[float, float]]
) -> Road:
    """A side road: seldom more than one lane a side."""
    return sample_section(rng, line, (0.74, 0.24, 0.02), 0.1)
