from dataclasses import replace

import numpy as np
import pytest

from mim4d.world.annotate import annotate, visibility_level
from mim4d.world.curves import build_curve
from mim4d.world.layout import Layout, sample_layout
from mim4d.world.meshes import box
from mim4d.world.motion import Motion
from mim4d.world.site import Thing


def scene_with_a_car(x: float, y: float) -> Layout:
    mesh = box((-2.0, 2.0), (-1.0, 1.0), (0.0, 1.5), 3)
    car = Thing(mesh, x, y, np.pi / 2, np.zeros(10), 0, "vehicle.car")
    times = np.array([-1.0, 1.0])
    ego = Motion(build_curve((0.0, 0.0, 0.0), [(9.0, 0.0)]), times, np.zeros(2), np.zeros(2))
    layout = sample_layout(np.random.SeedSequence((1, 0, 0)), 0.5)
    return replace(layout, things=(car,), movers=(), ego=ego)


def look_at(points, distance):
    origin = np.array([0.0, 0.0, 1.0])
    rays = np.asarray(points) - origin
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return origin, rays.astype(np.float32), np.asarray(distance, dtype=np.float32)


def test_a_box_by_hand():
    origin, rays, distance = look_at(
        [[10.0, 0.0, 1.0], [10.0, 1.0, 1.0], [10.0, 9.0, 1.0]], [9.0, 4.0, 80.0]
    )
    points = np.array([[9.1, 1.9, 0.2], [10.9, -1.9, 1.4], [11.1, 0.0, 1.0], [10.0, 0.0, 1.6]])
    (found,) = annotate(scene_with_a_car(10.0, 0.0), 0.0, origin, rays, distance, points)
    assert found.size_wlh == (2.0, 4.0, 1.5)  # turned by 90°: 2 m along x, 4 m along y
    np.testing.assert_allclose(found.centre, [10.0, 0.0, 0.75])
    assert found.num_points == 2
    assert found.visible == pytest.approx(0.5)  # one of two rays is stopped on its way
    assert found.attribute == "vehicle.parked"


def test_hidden_and_distant_boxes_are_left_out():
    origin, rays, distance = look_at([[10.0, 0.0, 1.0]], [4.0])
    none = np.zeros((0, 3))
    assert annotate(scene_with_a_car(10.0, 0.0), 0.0, origin, rays, distance, none) == []
    origin, rays, distance = look_at([[61.0, 0.0, 1.0]], [60.0])
    assert annotate(scene_with_a_car(61.0, 0.0), 0.0, origin, rays, distance, none) == []


@pytest.mark.parametrize(
    ("visible", "level"), [(0.0, "1"), (0.39, "1"), (0.5, "2"), (0.7, "3"), (0.81, "4"), (1.0, "4")]
)
def test_visibility_levels(visible, level):
    assert visibility_level(visible) == level
