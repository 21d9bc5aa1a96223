"""Centre lines against circles and lines worked out by hand."""

import math

import numpy as np
import pytest

from mim4d.data.maps.arcline import CHORD_ERROR_M, lane_centre


def path(shape: str, lengths: list[float], start: list[float], radius: float = 10.0) -> dict:
    return {"shape": shape, "segment_length": lengths, "start_pose": start, "radius": radius}


def test_a_straight_path_needs_two_points() -> None:
    points = lane_centre([path("LSR", [0, 30, 0], [1, 2, math.pi / 2])])
    np.testing.assert_allclose(points, [[1, 2], [1, 32]], atol=1e-12)


def test_a_quarter_to_the_left_and_one_to_the_right() -> None:
    quarter = 5 * math.pi
    points = lane_centre([path("LSR", [quarter, 4, quarter], [0, 0, 0])])
    # Left around (0, 10) to (10, 10), up to (10, 14), right around (20, 14) to (20, 24).
    np.testing.assert_allclose(points[-1], [20, 24], atol=1e-9)
    first = points[points[:, 1] < 9.99]
    np.testing.assert_allclose(np.hypot(first[:, 0], first[:, 1] - 10), 10, atol=1e-9)
    middles = (first[1:] + first[:-1]) / 2
    sagitta = 10 - np.hypot(middles[:, 0], middles[:, 1] - 10)
    assert 0 < sagitta.max() <= CHORD_ERROR_M * 1.001


@pytest.mark.parametrize(("shape", "end"), [("LRL", -1), ("RLR", 1)])
def test_three_arcs_turn_against_each_other(shape: str, end: int) -> None:
    # Two eighths one way around a quarter the other way: the heading is that of the start again.
    eighth = 2.5 * math.pi
    points = lane_centre([path(shape, [eighth, 2 * eighth, eighth], [0, 0, 0])])
    heading = points[-1] - points[-2]
    assert abs(math.atan2(heading[1], heading[0])) < 0.1
    assert points[-1, 0] == pytest.approx(40 * math.sin(math.pi / 4))
    assert points[-1, 1] == pytest.approx(0, abs=1e-9)
    assert np.sign(points[len(points) // 2, 1]) == -end


def test_paths_of_a_lane_are_joined_without_doubles() -> None:
    points = lane_centre(
        [path("LSR", [0, 5, 0], [0, 0, 0]), path("LSR", [0, 5, 0], [5, 0.0001, 0])]
    )
    assert len(points) == 3
    assert lane_centre([]).shape == (0, 2)
