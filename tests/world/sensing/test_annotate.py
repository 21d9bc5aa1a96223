from dataclasses import replace

import numpy as np
import pytest

from mim4d.world.objects.meshes import box
from mim4d.world.objects.site import Thing
from mim4d.world.scene.layout import sample_layout
from mim4d.world.sensing.annotate import annotate, visibility_level, within_reach
from mim4d.world.sensing.bodies import Bodies, find_bodies

pytestmark = pytest.mark.slow

NOBODY = np.zeros(0)
EGO = np.zeros(3)


@pytest.fixture(scope="module")
def layout():
    return sample_layout(np.random.SeedSequence((1, 0, 0)), 0.5)


def car_at(layout, x: float, y: float) -> Bodies:
    """A car of 4 x 2 x 1.5 m, its origin half a metre behind its middle, heading to the left."""
    mesh = box((-1.5, 2.5), (-1.0, 1.0), (0.0, 1.5), 3)
    car = Thing(mesh, x, y, np.pi / 2, np.zeros(10), 0, "vehicle.car")
    tree = replace(car, category="")
    return find_bodies(replace(layout, things=(tree, car), movers=()))


def boxes_of(bodies, points, pixels):
    poses = bodies.poses(np.zeros((0, 3)))
    near = within_reach(bodies, poses, EGO)
    return annotate(bodies, poses, NOBODY, near, np.asarray(points), np.array([pixels]))


def test_a_box_by_hand(layout):
    points = [[9.1, 2.4, 0.2], [10.9, -1.4, 1.4], [11.1, 0.0, 1.0], [10.0, 0.0, 1.6]]
    (found,) = boxes_of(car_at(layout, 10.0, 0.0), points, [40, 10])
    assert found.instance == 1  # the tree in front of it in the list has no number
    assert found.size_wlh == (2.0, 4.0, 1.5)  # turned by 90°: 2 m along x, 4 m along y
    np.testing.assert_allclose(found.centre, [10.0, 0.5, 0.75])
    assert found.num_points == 2
    assert found.visible == 0.25
    assert found.attribute == "vehicle.parked"


def test_seen_by_lidar_or_camera_and_within_reach(layout):
    none, inside = np.zeros((0, 3)), [[10.0, 0.5, 1.0]]
    car = car_at(layout, 10.0, 0.0)
    assert boxes_of(car, none, [40, 0]) == []
    assert boxes_of(car, none, [40, 1])[0].num_points == 0
    assert boxes_of(car, inside, [0, 0])[0].visible == 0.0
    assert boxes_of(car_at(layout, 59.0, 0.0), none, [9, 9]) != []
    assert boxes_of(car_at(layout, 61.0, 0.0), [[61.0, 0.5, 1.0]], [9, 9]) == []


@pytest.mark.parametrize(
    ("visible", "level"), [(0.0, "1"), (0.39, "1"), (0.5, "2"), (0.7, "3"), (0.81, "4"), (1.0, "4")]
)
def test_visibility_levels(visible, level):
    assert visibility_level(visible) == level
