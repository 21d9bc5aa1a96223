import math

import numpy as np
import pytest

from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.network import APART_M, STRAIGHT_M, sample_plan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plans():
    return [sample_plan(np.random.default_rng(100 + i), 45.0) for i in range(60)]


def test_plans_vary(plans):
    roads = [len(plan.roads) for plan in plans]
    assert {1, 2, 3, 4} <= set(roads)
    every = [road for plan in plans for road in plan.roads]
    assert {road.lanes_right for road in every} == {1, 2, 3}
    assert {road.centre_style for road in every} == set(range(6))
    assert any(road.lanes_left == 0 for road in every)
    assert any(opening.between for road in every for opening in road.openings)
    joins = [junction.through for plan in plans for junction in plan.junctions]
    assert 0.2 < np.mean(joins) < 0.9
    assert any(junction.first > 0 for plan in plans for junction in plan.junctions)
    bends = [np.abs(plan.roads[0].curve.pieces[:, 3]).max() > 0 for plan in plans]
    assert 0.2 < np.mean(bends) < 1.0


def test_the_ego_car_goes_straight_turns_and_changes_lanes(plans):
    turns, changes = {"left": 0, "right": 0, "on": 0}, 0
    for plan in plans:
        sharp = plan.route.curvatures(np.arange(0.0, 45.0, 0.5))
        tight = sharp[np.abs(sharp) > 1 / 25]
        name = "on" if not len(tight) else "left" if tight[0] > 0 else "right"
        turns[name] += 1
        if name == "on":
            _, lateral = plan.roads[0].curve.project(
                plan.route.poses(np.array([-10.0, 85.0]))[:, :2]
            )
            changes += abs(lateral[1] - lateral[0]) > 2.5
    assert min(turns.values()) > 4
    assert changes > 0


def test_the_route_starts_abreast_of_the_origin(plans):
    for plan in plans:
        x, y, _ = plan.route.poses(np.zeros(1))[0]
        assert math.hypot(x, y) < 12.0
        assert abs(plan.roads[0].curve.station_of(float(x), float(y))) < 0.3


def test_roads_meet_at_their_junctions_only(plans):
    for plan in plans:
        for j in plan.junctions:
            meeting = plan.roads[j.first].curve.poses(np.array([j.first_m]))[0]
            start = plan.roads[j.second].curve.poses(np.array([j.second_m]))[0]
            np.testing.assert_allclose(meeting[:2], start[:2], atol=1e-6)
            for index, at in ((j.first, j.first_m), (j.second, j.second_m)):
                around = np.linspace(at - STRAIGHT_M + 1, at + STRAIGHT_M - 1, 20)
                assert not plan.roads[index].curve.curvatures(around).any()
            road, other = plan.roads[j.second], plan.roads[j.first]
            low, high = plan.inside_m[j.second]
            stations = np.arange(low, high, 2.0)
            away = stations[np.abs(stations) > STRAIGHT_M + 5.0]
            _, lateral = other.curve.project(road.curve.poses(away)[:, :2])
            wide = max(other.left_edge_m, other.right_edge_m) + other.sidewalk_m
            assert (np.abs(lateral) > wide + APART_M).all()


def test_openings_lie_apart_and_in_order(plans):
    for plan in plans:
        for road in plan.roads:
            for before, after in zip(road.openings[:-1], road.openings[1:], strict=True):
                assert after.start_m - before.end_m > before.clear_m + after.clear_m
            for opening in road.openings:
                assert road.near_junction(opening.end_m + 3.0, 3.1)


def test_crossings_reach_from_kerb_to_kerb(plans):
    for plan in plans:
        ground = make_ground(plan.roads, np.random.default_rng(0))
        for crossing in plan.crossings:
            length = float(crossing.pieces[0, 4])
            along = crossing.poses(np.array([-0.3, 0.3, length / 2, length - 0.3, length + 0.3]))
            beyond = ground.beyond_kerb(along[:, :2])[:, 0]
            assert (beyond[1:4] < 0).all()
            assert (beyond[[0, 4]] > -0.1).all()  # corners may begin there


def test_stop_lines_lie_before_openings(plans):
    seen = 0
    for plan in plans:
        for path in plan.paths:
            for stop in path.stops_m:
                x, y, _ = path.curve.poses(np.array([stop + 6.5]))[0]
                inside = []
                for road in plan.roads:
                    station, lateral = road.curve.project(np.array([[x, y]]))
                    inside.append(abs(lateral[0]) < 14 and road.near_junction(station[0], 6.0))
                assert any(inside)
                seen += 1
    assert seen > 50


def test_a_plan_depends_on_its_generator_only():
    first, second = (sample_plan(np.random.default_rng(3), 45.0) for _ in range(2))
    assert len(first.roads) == len(second.roads)
    np.testing.assert_array_equal(first.route.pieces, second.route.pieces)
    for a, b in zip(first.roads, second.roads, strict=True):
        np.testing.assert_array_equal(a.parameters(4), b.parameters(4))
