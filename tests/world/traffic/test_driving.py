import math

import numpy as np
import pytest

from mim4d.world.streets.curves import build_curve
from mim4d.world.traffic.driving import (
    FIRMEST_START,
    HARDEST_BRAKE,
    LINE_GAP_M,
    NEVER,
    STANDSTILL_GAP_M,
    STEP_S,
    Bodies,
    Driver,
    Surroundings,
    blocked_by,
    set_off,
    speed_limits,
)

ROAD = build_curve((0.0, 0.0, 0.0), [(500.0, 0.0)])
TURN = build_curve((0.0, 0.0, 0.0), [(60.0, 0.0), (8.0 * math.pi / 2, 1 / 8.0), (100.0, 0.0)])
NO_LINES = np.zeros((0, 3))
STEPS = 200
DRIVER = Driver(10.0)


def bodies(poses: np.ndarray, half=(2.2, 0.9), speed: float = 0.0) -> Bodies:
    return Bodies(poses[None], np.array([half]), np.full((1, len(poses)), speed))


def among(*others: Bodies, curve=ROAD, lines=NO_LINES) -> Surroundings:
    blocked = [blocked_by(curve, other, 0.9, 0.25) for other in others]
    blocked.append(np.zeros((0, STEPS, 3)))
    return Surroundings(np.concatenate(blocked), lines)


def standing(x: float, y: float, yaw: float) -> Bodies:
    return bodies(np.tile([x, y, yaw], (STEPS, 1)))


def test_blocked_stations_by_hand():
    ahead = blocked_by(ROAD, standing(50.0, 0.5, 0.0), 0.9, 0.25)
    np.testing.assert_allclose(ahead[0, 0], [50.0 - 2.2, 50.0 + 2.2, 0.0])
    across = blocked_by(ROAD, standing(50.0, 2.5, math.pi / 2), 0.9, 0.25)
    np.testing.assert_allclose(across[0, 0], [50.0 - 0.9, 50.0 + 0.9, 0.0])
    beside = blocked_by(ROAD, standing(50.0, 2.2, 0.0), 0.9, 0.25)  # 0.4 m between the sides
    assert beside[0, 0, 0] == NEVER
    oncoming = bodies(np.tile([50.0, 0.0, math.pi], (3, 1)), speed=6.0)
    np.testing.assert_allclose(blocked_by(ROAD, oncoming, 0.9, 0.25)[0, 0], [47.8, 52.2, -6.0])


def test_free_road_reaches_the_wished_speed():
    stations, speeds = set_off(ROAD, DRIVER, among(), 0.0, 2.2)
    np.testing.assert_allclose(speeds, 10.0, atol=0.3)
    np.testing.assert_allclose(np.diff(stations), (speeds[1:] + speeds[:-1]) / 2 * STEP_S)


@pytest.mark.parametrize("distance_m", [30.0, 60.0, 120.0])
def test_stops_behind_what_stands(distance_m):
    stations, speeds = set_off(ROAD, DRIVER, among(standing(distance_m, 0.0, 0.0)), 0.0, 2.2)
    gap = distance_m - 2.2 - (stations + 2.2)
    assert gap.min() > STANDSTILL_GAP_M - 0.3
    assert gap[-1] < STANDSTILL_GAP_M + 1.5
    assert speeds[-1] < 0.2
    assert np.diff(speeds).min() / STEP_S > -HARDEST_BRAKE - 1e-9


def test_waits_before_a_closed_line_and_starts_when_it_opens():
    lines = np.array([[60.0, -1.0, 12.0]])
    stations, speeds = set_off(ROAD, DRIVER, among(lines=lines), 0.0, 2.2)
    closed = np.arange(STEPS) * STEP_S < 12.0
    assert (stations[closed] + 2.2 < 60.0 - LINE_GAP_M + 0.3).all()
    assert speeds[closed][-1] < 0.2
    assert stations[-1] > 60.0
    assert speeds[-1] > 5.0
    assert np.diff(speeds).max() / STEP_S < FIRMEST_START + 1e-9


def test_drives_on_where_stopping_is_no_longer_possible():
    lines = np.array([[60.0, 5.0, 15.0]])  # closes when the front is 7.8 m before it
    stations, speeds = set_off(ROAD, DRIVER, among(lines=lines), 0.0, 2.2)
    assert speeds.min() > 9.0
    assert stations[60] + 2.2 > 60.0


def test_follows_a_slower_leader_at_a_gap():
    times = np.arange(STEPS) * STEP_S
    poses = np.column_stack([30.0 + 5.0 * times, np.zeros((STEPS, 2))])
    stations, speeds = set_off(ROAD, DRIVER, among(bodies(poses, speed=5.0)), 0.0, 2.2)
    gap = poses[:, 0] - 2.2 - stations - 2.2
    assert gap.min() > STANDSTILL_GAP_M
    assert speeds[-1] == pytest.approx(5.0, abs=0.3)
    assert gap[-1] == pytest.approx(STANDSTILL_GAP_M + 5.0 * DRIVER.headway_s, abs=2.0)


def test_gives_way_to_a_crossing_vehicle():
    times = np.arange(STEPS) * STEP_S
    # It would be at station 60 when the crossing vehicle is.
    poses = np.column_stack(
        [np.full(STEPS, 60.0), 8.0 * (times - 6.0), np.full(STEPS, math.pi / 2)]
    )
    around = among(bodies(poses, speed=8.0))
    stations, speeds = set_off(ROAD, DRIVER, around, 0.0, 2.2)
    inside = (stations + 2.2 > around.blocked[0, :, 0]) & (stations - 2.2 < around.blocked[0, :, 1])
    assert not inside.any()
    assert speeds.min() < 8.0
    assert stations[-1] > 80.0


def test_slows_down_for_a_bend_in_time():
    driver = Driver(12.0)
    stations, speeds = set_off(TURN, driver, among(curve=TURN), 0.0, 2.2)
    bend = (stations > 60.0) & (stations < 60.0 + 8.0 * math.pi / 2)
    assert speeds[bend].max() < math.sqrt(driver.bend_mps2 * 8.0) * 1.15
    assert speeds[stations < 30.0].min() > 9.0
    assert np.diff(speeds).min() / STEP_S > -3.0


def test_speed_limits_by_hand():
    limits = speed_limits(TURN, Driver(12.0, bend_mps2=2.0), (0.0, 80.0), (0.0, 50.0, 0.0))
    assert limits.at(65.0) == pytest.approx(4.0)  # 4²/8 m is 2 m/s²
    assert limits.at(10.0) == 12.0
    assert limits.at(55.0) == pytest.approx(math.sqrt(16.0 + 2 * 1.4 * 5.0), abs=0.1)
