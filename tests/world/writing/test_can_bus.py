import json

import numpy as np
import pytest

from mim4d.world.streets.curves import build_curve
from mim4d.world.traffic.motion import Motion
from mim4d.world.writing.can_bus import STEERING_RATIO, WHEELBASE_M, ego_state, write_can_bus

OFFSET = np.array([100.0, 200.0])


def circling(radius_m: float, speed_mps: float) -> Motion:
    """A left-hand circle after 30 m straight on."""
    pieces = [(30.0, 0.0), (400.0, 1.0 / radius_m), (30.0, 0.0)]
    times = np.array([-0.25, 9.0])
    return Motion(
        build_curve((0.0, 0.0, 0.3), pieces), times, speed_mps * times, np.full(2, speed_mps)
    )


def test_a_circle_by_hand():
    """20 m and 10 m/s: half a radian per second, 5 m/s² to the left."""
    state = ego_state(circling(20.0, 10.0), 5.0, 50, 1_000_000, OFFSET)
    assert len(state.utimes) == 251
    assert set(np.diff(state.utimes)) == {20_000}
    straight, bend = slice(0, 140), slice(160, 251)
    np.testing.assert_allclose(state.speeds, 10.0, atol=1e-3)
    np.testing.assert_allclose(state.sideways, 0.0, atol=1e-3)
    np.testing.assert_allclose(state.yaw_rates[straight], 0.0, atol=1e-6)
    np.testing.assert_allclose(state.yaw_rates[bend], 0.5, atol=1e-6)
    np.testing.assert_allclose(state.leftward[bend], 5.0, atol=0.01)
    np.testing.assert_allclose(state.forward, 0.0, atol=0.3)
    expected = STEERING_RATIO * np.arctan(WHEELBASE_M / 20.0)
    np.testing.assert_allclose(state.steering[bend], expected, atol=1e-6)  # left is positive
    np.testing.assert_allclose(state.poses[0, :2], OFFSET, atol=1e-9)


def test_the_wheel_stays_while_the_car_stands():
    times = np.array([-0.25, 0.0, 1.0, 1.01, 5.0])
    stations = np.array([40.0, 41.0, 45.0, 45.0, 45.0])
    curve = circling(20.0, 1.0).curve
    state = ego_state(
        Motion(curve, times, stations, np.array([4.0, 4, 4, 0, 0])), 3.0, 50, 0, OFFSET
    )
    assert (state.speeds[60:] < 1e-6).all()
    assert state.steering[-1] == pytest.approx(state.steering[40], abs=0.05)
    assert state.steering[-1] > 1.0


def test_files_in_the_official_manner(tmp_path):
    write_can_bus(tmp_path, "scene-2000", circling(20.0, 10.0), 4.0, 1_000_000, OFFSET)
    kinds = {"pose": 201, "ms_imu": 401, "steeranglefeedback": 401, "vehicle_monitor": 9}
    read = {path.stem: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert set(read) == {f"scene-2000_{name}" for name in (*kinds, "meta", "route")}
    for name, count in kinds.items():
        messages = read[f"scene-2000_{name}"]
        assert len(messages) == count
        assert messages[0]["utime"] == 1_000_000
        assert messages[-1]["utime"] == 5_000_000
        meta = read["scene-2000_meta"][name]
        assert meta["message_count"] == count
        assert meta["message_freq"] == pytest.approx((count - 1) / 4.0)
        assert set(meta["var_stats"]) == set(messages[0])
    assert set(read["scene-2000_pose"][0]) == {
        *("accel", "orientation", "pos", "rotation_rate", "utime", "vel")
    }
    monitor = read["scene-2000_vehicle_monitor"][0]
    assert monitor["vehicle_speed"] == 36.0
    assert 60 * 10.0 / (2 * np.pi * 0.31) == pytest.approx(monitor["rear_left_rpm"], rel=1e-4)
    route = np.array(read["scene-2000_route"])
    path = np.array([message["pos"][:2] for message in read["scene-2000_pose"]])
    apart = np.linalg.norm(path[:, None] - route, axis=-1).min(axis=1)
    assert apart.max() < 0.51


def test_poses_are_those_of_the_tables(world, tables):
    """Where a measurement and a message share a time, they share the pose."""
    poses = {
        message["utime"]: message
        for scene in ("scene-2000", "scene-8000")
        for message in json.loads((world / "can_bus" / f"{scene}_pose.json").read_text())
    }
    shared = 0
    for ego in tables["ego_pose"].values():
        if ego["timestamp"] in poses:
            message = poses[ego["timestamp"]]
            np.testing.assert_allclose(message["pos"], ego["translation"], atol=1e-9)
            np.testing.assert_allclose(message["orientation"], ego["rotation"], atol=1e-12)
            shared += 1
    assert shared >= 6  # every sweep's at least


def test_velocity_is_the_derivative_of_the_position(world):
    messages = json.loads((world / "can_bus" / "scene-2000_pose.json").read_text())
    position = np.array([message["pos"][:2] for message in messages])
    speed = np.array([np.hypot(*message["vel"][:2]) for message in messages])
    moved = np.linalg.norm(np.diff(position, axis=0), axis=1) / 0.02
    np.testing.assert_allclose(moved, (speed[1:] + speed[:-1]) / 2, atol=0.03)
