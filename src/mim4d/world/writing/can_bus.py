"""The ego car's own messages, in the manner of nuScenes' CAN bus expansion.

    can_bus/<scene>_pose.json               50 Hz: pos, orientation (`global`); vel, accel,
                                            rotation_rate (ego axes; accel includes gravity)
    can_bus/<scene>_ms_imu.json             100 Hz: linear_accel (with gravity), q, rotation_rate
    can_bus/<scene>_steeranglefeedback.json 100 Hz: angle of the steering wheel, radians, left > 0
    can_bus/<scene>_vehicle_monitor.json    2 Hz: speed (km/h), yaw rate and steering (degrees), ...
    can_bus/<scene>_route.json              x, y every metre, from 50 m before to 50 m after
    can_bus/<scene>_meta.json               counts, rates and statistics of the messages

Times are microseconds since 1970. Messages cover the time from the first to the last sample.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from jaxtyping import Float, Int64

from mim4d.world.sensing.rig import quaternion_about_z
from mim4d.world.sensing.tracks import pose_rates
from mim4d.world.traffic.motion import Motion

POSE_HZ, WHEEL_HZ, MONITOR_HZ = 50, 100, 2
GRAVITY = 9.80665
WHEELBASE_M, AXLE_M, WHEEL_RADIUS_M = 2.588, 1.511, 0.31
STEERING_RATIO = 15.2  # of the wheel's turn to the road wheels'
SMOOTHING_S = 0.1  # half the span over which accelerations are taken
ROUTE_M = 50.0
STANDING_MPS = 0.1
Message = dict[str, Any]


@dataclass(frozen=True)
class EgoState:
    """How the car moves at some times.

    Attributes:
        utimes: Microseconds since 1970.
        poses: x, y and yaw in `global`.
        speeds: Along its axis, metres per second.
        sideways: Speed to its left.
        yaw_rates: Radians per second.
        forward: Acceleration along its axis, metres per second squared.
        leftward: Acceleration to its left.
    """

    utimes: Int64[np.ndarray, " q"]
    poses: Float[np.ndarray, "q 3"]
    speeds: Float[np.ndarray, " q"]
    sideways: Float[np.ndarray, " q"]
    yaw_rates: Float[np.ndarray, " q"]
    forward: Float[np.ndarray, " q"]
    leftward: Float[np.ndarray, " q"]

    @property
    def steering(self) -> Float[np.ndarray, " q"]:
        """Angle of the steering wheel, radians, of a car without slip; kept while it stands."""
        moving = self.speeds > STANDING_MPS
        bend = np.where(moving, self.yaw_rates / np.where(moving, self.speeds, 1.0), 0.0)
        last = np.maximum.accumulate(np.where(moving, np.arange(len(bend)), 0))
        angles: Float[np.ndarray, " q"] = STEERING_RATIO * np.arctan(WHEELBASE_M * bend[last])
        return angles


def ego_state(
    motion: Motion,
    duration_s: float,
    rate_hz: int,
    first_us: int,
    offset_m: Float[np.ndarray, "2"],
) -> EgoState:
    """The car's state at a rate, from time 0 to `duration_s`.

    Args:
        motion: Of the car, world axes.
        duration_s: From the first to the last sample.
        rate_hz: Messages per second.
        first_us: Timestamp of time 0.
        offset_m: Position of the world's origin in `global`.
    """
    times_us = np.arange(0, round(duration_s * 1e6) + 1, round(1e6 / rate_hz))
    times_s = times_us * 1e-6
    poses = motion.poses(times_s)
    rates = pose_rates(motion, times_s)
    before, after = (pose_rates(motion, times_s + side) for side in (-SMOOTHING_S, SMOOTHING_S))
    change = (after - before)[:, :2] / (2 * SMOOTHING_S)
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    return EgoState(
        utimes=times_us + first_us,
        poses=poses + np.array([*offset_m, 0.0]),
        speeds=rates[:, 0] * cos + rates[:, 1] * sin,
        sideways=rates[:, 1] * cos - rates[:, 0] * sin,
        yaw_rates=rates[:, 2],
        forward=change[:, 0] * cos + change[:, 1] * sin,
        leftward=change[:, 1] * cos - change[:, 0] * sin,
    )


def pose_messages(state: EgoState) -> list[Message]:
    """Message `pose`."""
    return [
        {
            "accel": [forward, leftward, GRAVITY],
            "orientation": quaternion_about_z(yaw),
            "pos": [x, y, 0.0],
            "rotation_rate": [0.0, 0.0, yaw_rate],
            "utime": utime,
            "vel": [speed, sideways, 0.0],
        }
        for (x, y, yaw), speed, sideways, yaw_rate, forward, leftward, utime in _rows(state)
    ]


def imu_messages(state: EgoState) -> list[Message]:
    """Message `ms_imu`; its axes are the car's."""
    return [
        {
            "linear_accel": [forward, leftward, GRAVITY],
            "q": quaternion_about_z(yaw),
            "rotation_rate": [0.0, 0.0, yaw_rate],
            "utime": utime,
        }
        for (_, _, yaw), _, _, yaw_rate, forward, leftward, utime in _rows(state)
    ]


def steering_messages(state: EgoState) -> list[Message]:
    """Message `steeranglefeedback`."""
    pairs = zip(state.utimes.tolist(), state.steering.tolist(), strict=True)
    return [{"utime": utime, "value": angle} for utime, angle in pairs]


def monitor_messages(state: EgoState) -> list[Message]:
    """Message `vehicle_monitor`: as much of it as follows from the motion; the rest is at rest."""
    degrees = np.degrees(state.steering)
    turning = np.gradient(degrees) * MONITOR_HZ if len(degrees) > 1 else np.zeros(len(degrees))
    rows = zip(_rows(state), degrees.tolist(), turning.tolist(), strict=True)
    return [
        {
            "available_distance": 150,
            "battery_level": 80,
            "brake": int(np.clip(round(-20.0 * forward), 0, 126)),
            "brake_switch": 2 if forward < -0.3 else 1,
            "gear_position": 7,
            "left_signal": int(angle > 90.0),
            "rear_left_rpm": _wheel_rpm(speed - yaw_rate * AXLE_M / 2),
            "rear_right_rpm": _wheel_rpm(speed + yaw_rate * AXLE_M / 2),
            "right_signal": int(angle < -90.0),
            "steering": round(angle, 1),
            "steering_speed": round(speeding, 1),
            "throttle": int(np.clip(round(200.0 * forward), 0, 1000)),
            "utime": utime,
            "vehicle_speed": round(3.6 * speed, 2),
            "yaw_rate": round(float(np.degrees(yaw_rate)), 1),
        }
        for (_, speed, _, yaw_rate, forward, _, utime), angle, speeding in rows
    ]


def write_can_bus(
    folder: Path,
    scene: str,
    motion: Motion,
    duration_s: float,
    first_us: int,
    offset_m: Float[np.ndarray, "2"],
) -> None:
    """Write a scene's messages.

    Args:
        folder: Where the files go.
        scene: Name of the scene.
        motion: Of the car, world axes; known a little beyond both ends of the scene.
        duration_s: From the first to the last sample.
        first_us: Timestamp of time 0.
        offset_m: Position of the world's origin in `global`.
    """
    pose, wheel, monitor = (
        ego_state(motion, duration_s, rate, first_us, offset_m)
        for rate in (POSE_HZ, WHEEL_HZ, MONITOR_HZ)
    )
    messages = {
        "ms_imu": imu_messages(wheel),
        "pose": pose_messages(pose),
        "steeranglefeedback": steering_messages(wheel),
        "vehicle_monitor": monitor_messages(monitor),
    }
    meta = {name: _statistics(rows) for name, rows in messages.items()}
    ends = motion.stations(np.array([0.0, duration_s]))
    route = motion.curve.poses(np.arange(ends[0] - ROUTE_M, ends[1] + ROUTE_M, 1.0))
    files = {**messages, "meta": meta, "route": (route[:, :2] + offset_m).tolist()}
    for name, content in files.items():
        (folder / f"{scene}_{name}.json").write_bytes(orjson.dumps(content))


def _rows(state: EgoState) -> "zip[tuple[Any, ...]]":
    columns = (state.poses, state.speeds, state.sideways, state.yaw_rates)
    more = (state.forward, state.leftward, state.utimes)
    return zip(*(column.tolist() for column in (*columns, *more)), strict=True)


def _wheel_rpm(speed_mps: float) -> float:
    return round(60.0 * speed_mps / (2 * np.pi * WHEEL_RADIUS_M), 4)


def _statistics(messages: list[Message]) -> Message:
    """What `meta` says of one kind of message."""
    utimes = [message["utime"] for message in messages]
    timespan = (utimes[-1] - utimes[0]) * 1e-6
    stats = {}
    for field in messages[0]:
        values = np.array([message[field] for message in messages], dtype=np.float64)
        stats[field] = _spread(values)
        for name, value in _spread(np.diff(values, axis=0)).items():
            stats[field][f"diff_{name}"] = value
    return {
        "message_count": len(messages),
        "message_freq": (len(messages) - 1) / timespan if timespan > 0 else 0.0,
        "timespan": timespan,
        "var_stats": stats,
    }


def _spread(values: Float[np.ndarray, " q *c"]) -> Message:
    """Extremes, mean and standard deviation over time; of nothing, zeros."""
    if not len(values):
        values = np.zeros((1, *values.shape[1:]))
    return {
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "min": values.min(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
    }
