import math

import numpy as np
import pytest

from mim4d.world.streets.curves import build_curve
from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.paint import painted
from mim4d.world.streets.roads import CORNER_RADIUS_M, Opening, Road


def road(curve, **changes):
    values = {
        "lane_width_m": 3.0,
        "lanes_right": 1,
        "lanes_left": 1,
        "parking_right_m": 0.0,
        "parking_left_m": 0.0,
        "sidewalk_m": 2.0,
        "centre_style": 3,
        "lane_style": 0,
        "edge_lines": False,
        "bays": False,
        "arrows": False,
    }
    return Road(curve=curve, **(values | changes))


def straight(yaw):
    return build_curve((0.0, 0.0, yaw), [(50.0, 0.0)])


def beyond(roads, points):
    return make_ground(tuple(roads), np.random.default_rng(0)).beyond_kerb(np.array(points))


def test_one_road_by_hand():
    got = beyond([road(straight(0.0))], [[9.0, 0.0], [9.0, 2.0], [9.0, 3.5], [9.0, -7.0]])
    np.testing.assert_allclose(got[:, 0], [-3.0, -1.0, 0.5, 4.0])
    np.testing.assert_allclose(got[:, 1], 2.0)


@pytest.mark.parametrize("angle", [math.pi / 2, 1.2, 1.9])
def test_corners_are_arcs_of_the_stated_radius(angle):
    """The arc's centre lies one radius from both kerbs, whatever the angle between the roads."""
    roads = [road(straight(0.0)), road(straight(angle))]
    reach = 3.0 + CORNER_RADIUS_M
    centre = np.array([(reach * math.cos(angle) + reach) / math.sin(angle), reach])
    to_corner = -centre / np.linalg.norm(centre)
    on_arc = centre + CORNER_RADIUS_M * to_corner
    got = beyond(roads, [on_arc, centre + 0.5 * (on_arc - centre), centre])
    np.testing.assert_allclose(got[:, 0], [0.0, 2.5, 5.0], atol=1e-9)


def test_a_road_that_begins_at_another_does_not_stick_out_behind_it():
    side = road(straight(math.pi / 2), reach_m=(-2.5, 500.0))
    got = beyond([road(straight(0.0)), side], [[0.0, -3.4], [4.0, -3.4], [0.0, 30.0], [3.2, 3.2]])
    assert (got[:2, 0] > 0.35).all()
    assert got[2, 0] == pytest.approx(-3.0)
    assert got[3, 0] < 0.0  # in the rounded corner


def test_paint_at_a_junction_by_hand():
    opening = Opening(20.0, 40.0, zebra=True, stop=True, ways=(1, 1))
    table = np.stack([road(straight(0.0), openings=(opening,), arrows=True).parameters(1)])

    def white(s, left):
        return painted(table, 0, s, left, 0.01)[0]

    assert white(5.0, 0.0) == pytest.approx(1.0)  # the solid line between both directions
    assert white(15.5, 0.0) < 0.01  # it ends before the stop line
    assert white(20.0 - 4.8, -1.5) == pytest.approx(1.0)  # stop line of those who come along
    assert white(20.0 - 4.8, 1.5) < 0.01  # not of those who leave
    assert white(40.0 + 4.8, 1.5) == pytest.approx(1.0)
    assert white(20.0 - 2.2, -1.5) == pytest.approx(1.0)  # a stripe, and the gap beside it
    assert white(20.0 - 2.2, -1.0) < 0.01
    assert white(30.0, -1.5) < 0.01
    assert white(20.0 - 5.0 - 2.5 - 2.0, -1.5) == pytest.approx(1.0)  # an arrow's stem
    assert white(20.0 - 5.0 - 2.5 - 2.0, 1.5) < 0.01
