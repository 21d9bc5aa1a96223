import math

import numpy as np
import pytest

from mim4d.world.streets.curves import build_curve
from mim4d.world.traffic.motion import Motion, steady

LINE = build_curve((0.0, 0.0, 0.0), [(50.0, 0.0)])
BEND = build_curve((0.0, 0.0, 0.0), [(10.0, 0.0), (20.0 * math.pi / 2, 1 / 20.0), (30.0, 0.0)])


def braking(base_m: float = 0.0, curve=LINE) -> Motion:
    """From 10 m/s at 2 m/s² to a stop after 5 s and 25 m."""
    times = np.linspace(0.0, 5.0, 6)
    return Motion(curve, times, 10.0 * times - times**2, 10.0 - 2.0 * times, base_m=base_m)


def test_between_knots_the_acceleration_is_constant():
    motion = braking()
    np.testing.assert_allclose(motion.stations(np.array([0.5, 2.25, 5.0])), [4.75, 17.4375, 25.0])
    np.testing.assert_allclose(motion.speeds(np.array([0.5, 2.25, 5.0])), [9.0, 5.5, 0.0])


def test_outside_its_knots_it_goes_on_at_the_last_speed():
    np.testing.assert_allclose(braking().stations(np.array([-1.0, 7.0])), [-10.0, 25.0])
    np.testing.assert_allclose(braking().speeds(np.array([-1.0, 7.0])), [10.0, 0.0])


def test_speed_is_the_rate_of_the_station():
    motion, step = braking(), 1e-5
    times = np.linspace(-0.9, 6.1, 71)
    rate = (motion.stations(times + step) - motion.stations(times - step)) / (2 * step)
    np.testing.assert_allclose(motion.speeds(times), rate, atol=1e-4)


def test_a_body_on_two_points_of_a_circle():
    motion = braking(base_m=4.0, curve=BEND)
    (x, y, yaw) = motion.poses(np.array([4.9]))[0]
    assert math.hypot(x, y) > 0.0
    centre = np.array([10.0, 20.0])
    half_turn = 2.0 / 20.0  # half the base, seen from the middle of the circle
    radius = 20.0 * math.cos(half_turn)  # the chord's middle lies inside the circle
    assert np.hypot(*(np.array([x, y]) - centre)) == pytest.approx(radius)
    assert yaw == pytest.approx(math.atan2(y - centre[1], x - centre[0]) + math.pi / 2)


def test_yaw_turns_smoothly_into_a_bend():
    motion = braking(base_m=3.0, curve=BEND)
    yaw = motion.poses(np.linspace(0.0, 5.0, 501))[:, 2]
    rate = np.diff(yaw) / 0.01
    assert np.abs(np.diff(rate)).max() < 0.05  # the curve's own yaw rate jumps by up to 0.4 rad/s


def test_backwards_along_a_curve():
    motion = steady(LINE, 20.0, -1.5, np.array([0.0, 4.0]))
    np.testing.assert_allclose(motion.poses(np.array([2.0])), [[17.0, 0.0, math.pi]])
    np.testing.assert_allclose(motion.speeds(np.array([2.0])), [-1.5])
