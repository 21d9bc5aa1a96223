import math

import numpy as np
import pytest

from mim4d.world.streets.curves import build_curve

QUARTER = math.pi / 2


def winding():
    pieces = [(20.0, 0.0), (10.0 * QUARTER, 0.1), (5.0, 0.0), (20.0, -0.05), (30.0, 0.0)]
    return build_curve((1.0, 2.0, 0.3), pieces)


def test_quarter_circle_by_hand():
    pieces = [(5.0, 0.0), (10.0 * QUARTER, 0.1), (5.0, 0.0)]
    poses = build_curve((0.0, 0.0, 0.0), pieces).poses(np.array([0.0, 5.0, 5.0 + 10.0 * QUARTER]))
    expected = [[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [15.0, 10.0, QUARTER]]
    np.testing.assert_allclose(poses, expected, atol=1e-12)


def test_open_ends_go_straight_on():
    curve = build_curve((0.0, 0.0, 0.0), [(5.0, 0.0)])
    np.testing.assert_allclose(curve.poses(np.array([-3.0, 9.0]))[:, 0], [-3.0, 9.0])
    stations, _ = curve.project(np.array([[-3.0, 1.0], [9.0, -1.0]]))
    np.testing.assert_allclose(stations, [-3.0, 9.0])


def test_closed_start_ends_the_curve():
    curve = build_curve((0.0, 0.0, 0.0), [(5.0, 0.0)], open_start=False)
    station, lateral = curve.project(np.array([[-3.0, 4.0]]))
    np.testing.assert_allclose([station[0], lateral[0]], [0.0, 5.0])


def test_projection_inverts_poses():
    curve, stations = winding(), np.linspace(1.0, 80.0, 41)
    for lateral in (-4.0, 0.0, 3.0):
        poses = curve.poses(stations)
        side = lateral * np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
        found, left = curve.project(poses[:, :2] + side)
        np.testing.assert_allclose(found, stations, atol=1e-9)
        np.testing.assert_allclose(left, lateral, atol=1e-9)


def test_projection_agrees_with_dense_sampling(rng):
    curve = winding()
    points = rng.uniform(-20.0, 50.0, size=(200, 2))
    dense = curve.poses(np.arange(-100.0, 200.0, 0.01))[:, :2]
    nearest = np.linalg.norm(points[:, None] - dense[None, ::5], axis=-1).min(axis=1)
    _, left = curve.project(points)
    np.testing.assert_allclose(np.abs(left), nearest, atol=0.01)


def test_offset_is_parallel():
    curve, stations = winding(), np.linspace(1.0, 80.0, 41)
    _, left = curve.project(curve.offset(2.5).poses(stations)[:, :2])
    np.testing.assert_allclose(left, 2.5, atol=1e-9)


def test_turning_round_keeps_the_line():
    curve = winding()
    back = curve.reversed()
    length = float(curve.pieces[:, 4].sum())
    forward, turned = curve.poses(np.arange(0.0, 85.0)), back.poses(length - np.arange(0.0, 85.0))
    np.testing.assert_allclose(turned[:, :2], forward[:, :2], atol=1e-9)
    np.testing.assert_allclose(np.cos(turned[:, 2] - forward[:, 2]), -1.0, atol=1e-9)


def test_segments_cover_a_part():
    parts = winding().segments(10.0, 40.0)
    expected = [(10.0, 0.0), (10.0 * QUARTER, 0.1), (4.292, 0.0)]
    np.testing.assert_allclose(parts, expected, atol=1e-3)


def test_a_placed_curve_has_the_pose_at_its_new_origin():
    curve = winding().placed(30.0, (4.0, -2.0, 1.0))
    np.testing.assert_allclose(curve.poses(np.zeros(1))[0], [4.0, -2.0, 1.0], atol=1e-9)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
