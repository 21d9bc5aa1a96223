import math

import numpy as np
import pytest

from mim4d.world.streets.network import sample_plan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plans():
    return [sample_plan(np.random.default_rng(i), 60.0) for i in range(40)]


def test_paths_stay_on_the_road_and_turn_as_they_say(plans):
    from mim4d.world.streets.ground import make_ground

    for plan in plans:
        ground = make_ground(plan.roads, np.random.default_rng(0))
        for path in plan.paths:
            first_m, last_m = path.span_m
            stations = np.linspace(first_m, last_m, 200)
            poses = path.curve.poses(stations)
            assert ground.beyond_kerb(poses[:, :2])[:, 0].max() < -0.9  # half a car's width
            bends = path.curve.curvatures(stations)
            assert np.abs(bends).max() < 1 / 4.0
            step = np.diff(poses, axis=0)
            course = np.arctan2(step[:, 1], step[:, 0]) - poses[:-1, 2] - step[:, 2] / 2
            assert np.abs(np.remainder(course + math.pi, 2 * math.pi) - math.pi).max() < 0.05


def test_every_lane_has_a_path_that_keeps_right(plans):
    for plan in plans:
        for index, road in enumerate(plan.roads):
            own = [p for p in plan.paths if p.road == index and p.turn == "straight"]
            assert len(own) == road.lanes_left + road.lanes_right
            for path in own:
                x, y, yaw = path.curve.poses(np.array([sum(path.span_m) / 2]))[0]
                station, lateral = road.curve.project(np.array([[x, y]]))
                along = road.curve.poses(station)[0, 2]
                assert math.cos(yaw - along) * lateral[0] < 0.0  # the road's middle is to the left
