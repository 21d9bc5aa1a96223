import numpy as np
import pytest

from mim4d.world.light.contact import REACH_M, make_contact, sky_share


def footprints(rng, count=60):
    yaw = rng.uniform(-np.pi, np.pi, count)
    at, half = rng.uniform(-45.0, 45.0, (count, 2)), rng.uniform(0.2, 2.5, (count, 2))
    return np.column_stack([at, np.cos(yaw), np.sin(yaw), half])


def slow_share(rows, x, y):
    light = 1.0
    for fx, fy, cos, sin, half_x, half_y in rows:
        dx, dy = x - fx, y - fy
        ahead, aside = abs(dx * cos + dy * sin) - half_x, abs(dy * cos - dx * sin) - half_y
        outside = np.hypot(max(ahead, 0.0), max(aside, 0.0))
        if outside < REACH_M:
            inside = min(max(-max(ahead, aside), 0.0), 0.6)
            fall = np.exp(-2.5 / min(half_x + half_y, 1.0) * outside)
            light = min(light, 1.0 - 0.6 * fall - 0.5 * inside)
    return light


def test_the_grid_forgets_no_footprint():
    rng = np.random.default_rng(0)
    rows = footprints(rng)
    contact = make_contact(rows, np.array([1.0, -2.0, 1.6]))
    for x, y in rng.uniform(-42.0, 42.0, (400, 2)):
        assert sky_share(contact, x, y) == pytest.approx(slow_share(rows, x, y))


def test_darkest_under_a_car_and_open_beside_the_grid():
    rows = np.array([[10.0, 0.0, 1.0, 0.0, 2.2, 0.9]])
    contact = make_contact(rows, np.zeros(3))
    under, close, off = (sky_share(contact, 10.0, y) for y in (0.0, 1.1, 2.5))
    assert under < close < off < 1.0
    assert sky_share(contact, 10.0, 6.0) == 1.0
    assert sky_share(contact, 200.0, 0.0) == 1.0


def test_no_footprints_no_darkening():
    contact = make_contact(np.zeros((0, 6)), np.zeros(3))
    assert sky_share(contact, 1.0, 1.0) == 1.0
