import math

import numpy as np
import pytest

from mim4d.world.objects.site import Site, half_size, rectangles
from mim4d.world.objects.stock import Stock
from mim4d.world.streets.curves import build_curve
from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.roads import LanePath, Road, StreetPlan
from mim4d.world.traffic.motion import steady
from mim4d.world.traffic.signals import Signals
from mim4d.world.traffic.traffic import Traffic
from mim4d.world.traffic.walkers import cross_streets, on_foot, stand_about, walk_sidewalks

TIMES = np.arange(0.0, 8.0, 0.1)


@pytest.fixture(scope="module")
def plan() -> StreetPlan:
    """One straight road of two lanes of 3.5 m, sidewalks of 3 m, a crossing at station 40."""
    curve = build_curve((0.0, 0.0, 0.0), [(100.0, 0.0)])
    road = Road(curve, 3.5, 1, 1, 0.0, 0.0, 3.0, 0, 0, True, False, False)
    crossing = build_curve(
        (40.0, -3.5, math.pi / 2), [(7.0, 0.0)], open_start=False, open_end=False
    )
    lane = curve.offset(-1.75)
    path = LanePath(lane, (0.0, 100.0), (), "straight", 0, True)
    return StreetPlan((road,), lane, ((0.0, 100.0),), (), (path,), (crossing,))


def traffic_on(plan: StreetPlan) -> Traffic:
    """Nobody about; the ego car far away."""
    site = Site(make_ground(plan.roads, np.random.default_rng(0)), Stock(0))
    signals = Signals(np.zeros((0, 3)), np.zeros((0, 2)))
    return Traffic(site, TIMES, signals, steady(plan.route, -300.0, 5.0, TIMES))


def test_where_people_may_walk_by_hand(plan):
    ground = traffic_on(plan).site.ground
    points = np.array([[20.0, 4.0], [20.0, -6.0], [20.0, 2.0], [40.5, 0.0], [42.0, 0.0], [20, 7.0]])
    allowed = on_foot(ground, plan.crossings, points)
    np.testing.assert_array_equal(allowed, [True, True, False, True, False, False])


def test_people_cross_from_sidewalk_to_sidewalk(plan):
    traffic = traffic_on(plan)
    cross_streets(traffic, plan, 4.0, np.random.default_rng(3))
    assert len(traffic.movers) > 3
    sides = []
    for mover in traffic.movers:
        poses = mover.motion.poses(TIMES)
        assert on_foot(traffic.site.ground, plan.crossings, poses[:, :2]).all()
        on_road = np.abs(poses[:, 1]) < 3.5
        assert on_road.any()
        assert (np.abs(poses[on_road, 0] - 40.0) < 1.3).all()
        sides.append(np.sign(np.diff(poses[on_road, 1]).mean()))
    assert set(sides) == {-1.0, 1.0}


def test_people_walk_both_ways_on_both_sides(plan):
    traffic = traffic_on(plan)
    walk_sidewalks(traffic, plan, 2.0, np.random.default_rng(4))
    rows = np.stack([mover.motion.poses(TIMES)[[0, -1]] for mover in traffic.movers])
    assert (np.abs(rows[..., 1]) > 3.5).all()
    assert (np.abs(rows[..., 1]) < 6.5).all()
    moved = rows[:, 1, 0] - rows[:, 0, 0]
    assert {(bool(y > 0), bool(d > 0)) for y, d in zip(rows[:, 0, 1], moved, strict=True)} == {
        (a, b) for a in (True, False) for b in (True, False)
    }
    assert 0.7 * 7.9 < np.abs(moved).min() < np.abs(moved).max() < 1.8 * 7.9
    facing = np.cos(rows[:, 0, 2]) * moved
    assert (facing > 0.0).all()  # nobody walks backwards


def test_people_stand_on_sidewalks(plan):
    site = traffic_on(plan).site
    stand_about(site, plan, 2.0, np.random.default_rng(5))
    people = [thing for thing in site.things if thing.category.startswith("human")]
    assert len(people) > 3
    for thing in people:
        corners = rectangles(np.array([[thing.x, thing.y, thing.yaw]]), half_size(thing.mesh))
        assert site.beyond_kerb(corners[0]) > 0.0
