"""Does the car move as a car does? Speeds, turns, heights, units and axes of the ego poses.

Poses are compared with the next of the same scene and channel, so that small differences between
sensors do not look like motion. What enters are the tables; what leaves are findings. `global`
frame; metres, seconds, radians, quaternions w x y z.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take
from mim4d.data.tables.plausibility import MAX_TILT_DEG, UNITS_SPEED
from mim4d.data.timeline import JUMP_SPEED

MAX_SPEED = JUMP_SPEED
"""m/s; 288 km/h."""
MAX_ACCELERATION = 30.0
"""m/s²: three times what tyres allow."""
MIN_SPEED_CHANGE = 5.0
"""m/s: below, noise of the poses at short steps looks like acceleration."""
MAX_TURN_RATE = 2.5
"""rad/s: a full turn in two and a half seconds."""
MAX_SLOPE, HEIGHT_SLACK_M = 0.4, 0.5
MAX_POSE_DELAY_S = 0.05
MIN_SHARED_M, MIN_SHARED_SHARE = 0.1, 0.5
"""Where the car drove less between the sensors of a sample, one pose will do."""

JUMP = Rule(
    "pose-jump",
    "warning",
    f"at most {MAX_SPEED:g} m/s",
    "correct the poses, or nothing: clips across the jump are left out",
)
ACCELERATION = Rule(
    "pose-acceleration",
    "warning",
    f"at most {MAX_ACCELERATION:g} m/s²",
    "look at the poses there: they may jump",
)
TURN = Rule(
    "pose-turn", "warning", f"at most {MAX_TURN_RATE:g} rad/s", "look at the rotations there"
)
HEIGHT = Rule(
    "height-jump",
    "warning",
    f"slopes of at most {MAX_SLOPE:g}",
    "look at the heights there; the localisation may have slipped",
)
UNITS = Rule(
    "pose-units",
    "error",
    "metres, and times in microseconds",
    "convert translations to metres (or timestamps to microseconds)",
)
TILT = Rule(
    "pose-tilt",
    "error",
    "a car whose z axis points up",
    "check the quaternions' order (w x y z) and direction (global from ego)",
)
HEADING = Rule(
    "heading-against-motion",
    "warning",
    "a car whose x axis points where it drives",
    "check the rotations' direction (global from ego) and the ego axes (x forward)",
)
POSE_TIME = Rule(
    "pose-time",
    "warning",
    f"a pose within {MAX_POSE_DELAY_S:g} s of its measurement",
    "give every measurement the pose of its own time",
)
SHARED_POSE = Rule(
    "pose-of-another-time",
    "warning",
    "a pose of its own time for every measurement of a moving car",
    "interpolate the poses at the time of each image and sweep: these share one",
)
AT_REST = Rule(
    "no-motion",
    "remark",
    "a car that moves, or clips that say nothing about depth from motion",
    "nothing, or leave the scene out",
)


@dataclass(frozen=True)
class Steps:
    """From each measurement to the next of its scene and channel.

    Attributes:
        row: Row of the later measurement.
        moved_m: Translation, `m 3`.
        seconds: Time between them.
        speed: Length of the translation over time, m/s.
        turned_rad: Angle between the rotations.
    """

    row: Rows
    moved_m: NDArray[np.float64]
    seconds: NDArray[np.float64]
    speed: NDArray[np.float64]
    turned_rad: NDArray[np.float64]


def check_poses(tables: TableSet, findings: Findings) -> None:
    """All checks of the ego poses."""
    _check_tilt(tables, findings)
    _check_times(tables, findings)
    steps = _steps(tables)
    if len(steps.row) == 0:
        return
    if np.median(steps.speed) > UNITS_SPEED:
        _note_units(tables, steps, findings)
        return
    jump = steps.speed > MAX_SPEED
    _add(tables, JUMP, steps, jump, "{:.1f} m/s over {:g} s", findings)
    _check_acceleration(tables, steps, findings)
    turn = (steps.turned_rad > MAX_TURN_RATE * steps.seconds) & (steps.turned_rad > 0.3)
    rate = steps.turned_rad / steps.seconds
    _add(tables, TURN, steps, turn, "turns by {:.1f} rad/s over {:g} s", findings, rate)
    along = np.hypot(steps.moved_m[:, 0], steps.moved_m[:, 1])
    rise = np.abs(steps.moved_m[:, 2])
    high = (rise > HEIGHT_SLACK_M + MAX_SLOPE * along) & ~jump
    _add(tables, HEIGHT, steps, high, "height changes by {:.2f} m in {:g} s", findings, rise)
    _check_heading(tables, steps, findings)
    _check_shared(tables, steps, findings)


def _check_shared(tables: TableSet, steps: Steps, findings: Findings) -> None:
    """Measurements of one sample at one place, though the car drove between their times."""
    data = tables["sample_data"]
    key = np.flatnonzero(tables.is_sound_data & data["is_key_frame"])
    place = ego_columns(tables, key)[0]
    speed = np.full(tables.size("sample_data"), np.nan)
    speed[steps.row] = steps.speed
    order = np.argsort(data["sample"][key], kind="stable")
    key, place = key[order], place[order]
    edges = np.flatnonzero(np.diff(data["sample"][key])) + 1
    shared, groups = [], 0
    for rows, places in zip(np.split(key, edges), np.split(place, edges), strict=True):
        times = data["timestamp_us"][rows] * 1e-6
        drove = float(np.nanmedian(speed[rows])) if np.isfinite(speed[rows]).any() else 0.0
        if drove > MAX_SPEED or drove * np.ptp(times) < MIN_SHARED_M:
            continue
        groups += 1
        if np.ptp(places, axis=0).max() < 0.01:
            shared.append((int(rows[0]), drove, float(np.ptp(times))))
    if len(shared) > MIN_SHARED_SHARE * groups:
        findings.add_rows(
            SHARED_POSE,
            "sample_data",
            data,
            [row for row, _, _ in shared],
            lambda row: next(
                f"all measurements of its sample have one place; they were made within {span:.3f} "
                f"s at {drove:.1f} m/s"
                for own, drove, span in shared
                if own == row
            ),
        )


def ego_columns(tables: TableSet, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Translation and rotation of the poses of measurements; NaN where unknown or unsound."""
    poses = tables["ego_pose"]
    of_data = tables["sample_data"]["ego_pose"][rows]
    of_data = np.where(take(poses["sound"], of_data, False), of_data, -1)
    rotation = take(poses["rotation_wxyz"], of_data, np.nan)
    length = np.linalg.norm(rotation, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return take(poses["translation_m"], of_data, np.nan), rotation / length


def _steps(tables: TableSet) -> Steps:
    before, after = tables.neighbours
    times = tables["sample_data"]["timestamp_us"]
    (place_a, turn_a), (place_b, turn_b) = (ego_columns(tables, r) for r in (before, after))
    moved, seconds = place_b - place_a, (times[after] - times[before]) * 1e-6
    cosine = np.abs((turn_a * turn_b).sum(axis=1))
    good = np.isfinite(moved).all(axis=1) & np.isfinite(cosine) & (seconds > 0)
    moved, seconds = moved[good], seconds[good]
    return Steps(
        after[good],
        moved,
        seconds,
        np.linalg.norm(moved, axis=1) / seconds,
        2 * np.arccos(np.clip(cosine[good], 0, 1)),
    )


def _add(
    tables: TableSet,
    rule: Rule,
    steps: Steps,
    bad: NDArray[np.bool_],
    text: str,
    findings: Findings,
    values: NDArray[np.float64] | None = None,
) -> None:
    """Name the ego poses at which the steps `bad` end; `text` takes a value and the time."""
    values = steps.speed if values is None else values
    for step in np.flatnonzero(bad).tolist():
        row = int(steps.row[step])
        pose = int(tables["sample_data"]["ego_pose"][row])
        found = text.format(values[step], steps.seconds[step])
        place = Place(f"{found} ({tables.channel(row)})", tables.token("ego_pose", pose))
        findings.add(rule, "ego_pose", place)


def _check_acceleration(tables: TableSet, steps: Steps, findings: Findings) -> None:
    velocity = steps.moved_m / steps.seconds[:, None]
    rows, group = tables.series
    series = np.zeros(tables.size("sample_data"), np.int64)
    series[rows] = group
    same = series[steps.row[1:]] == series[steps.row[:-1]]
    change = np.linalg.norm(velocity[1:] - velocity[:-1], axis=1)
    seconds = (steps.seconds[1:] + steps.seconds[:-1]) / 2
    hard = same & (change > MIN_SPEED_CHANGE)
    hard &= change > MAX_ACCELERATION * seconds
    hard &= (steps.speed[1:] <= MAX_SPEED) & (steps.speed[:-1] <= MAX_SPEED)
    bad = np.concatenate([[False], hard])
    value = np.concatenate([[0.0], change / seconds])
    _add(tables, ACCELERATION, steps, bad, "{:.0f} m/s² at a step of {:g} s", findings, value)


def _note_units(tables: TableSet, steps: Steps, findings: Findings) -> None:
    speed = float(np.median(steps.speed))
    guess = " (millimetres?)" if 500 < speed < 60_000 else ""
    first = int(tables["sample_data"]["ego_pose"][steps.row[0]])
    findings.add(
        UNITS,
        "ego_pose",
        Place(f"a median speed of {speed:.0f} m/s{guess}", tables.token("ego_pose", first)),
        count=len(steps.row),
    )


def _check_tilt(tables: TableSet, findings: Findings) -> None:
    poses = tables["ego_pose"]
    rotation = poses["rotation_wxyz"]
    unit = np.abs(np.linalg.norm(rotation, axis=1) - 1) < 0.01
    x, y = rotation[:, 1], rotation[:, 2]
    up = np.clip(1 - 2 * (x * x + y * y), -1, 1)
    with np.errstate(invalid="ignore"):
        tilted = unit & poses["sound"] & (up < np.cos(np.radians(MAX_TILT_DEG)))
    findings.add_rows(
        TILT,
        "ego_pose",
        poses,
        np.flatnonzero(tilted),
        lambda row: f"its z axis is {np.degrees(np.arccos(up[row])):.0f} degrees off the vertical",
    )


def _check_times(tables: TableSet, findings: Findings) -> None:
    data, poses = tables["sample_data"], tables["ego_pose"]
    pose_time = take(poses["timestamp_us"], data["ego_pose"], -1)
    sound = data["sound"] & take(poses["sound"], data["ego_pose"], False)
    delay = np.abs(pose_time - data["timestamp_us"]) * 1e-6
    late = np.flatnonzero(sound & (pose_time >= 0) & (delay > MAX_POSE_DELAY_S))
    findings.add_rows(
        POSE_TIME,
        "sample_data",
        data,
        late,
        lambda row: (
            f"its pose {tables.token('ego_pose', int(data['ego_pose'][row]))} "
            f"is {delay[row]:g} s away"
        ),
    )


def _check_heading(tables: TableSet, steps: Steps, findings: Findings) -> None:
    """Cars mostly drive forwards: a scene that drives backwards all the time is suspicious."""
    _, rotation = ego_columns(tables, steps.row)
    w, x, y, z = rotation.T
    forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + z * w)], axis=1)
    moving = (steps.speed > 2.0) & (steps.speed < MAX_SPEED)
    cosine = (forward * steps.moved_m[:, :2]).sum(axis=1) / np.maximum(
        np.linalg.norm(steps.moved_m[:, :2], axis=1), 1e-9
    )
    scene = tables.scene_of_data[steps.row]
    names = tables["scene"]["name"]
    for number in np.unique(scene).tolist():
        own = scene == number
        own_moving = own & moving
        if not (steps.speed[own] > 0.1).any():
            place = Place(f"{_name(names, number)} never moves", tables.token("scene", number))
            findings.add(AT_REST, "scene", place)
        elif own_moving.any() and np.median(cosine[own_moving]) < 0.3:
            degrees = np.degrees(np.arccos(np.median(cosine[own_moving])))
            place = Place(
                f"{_name(names, number)} drives {degrees:.0f} degrees off its x axis",
                tables.token("scene", number),
            )
            findings.add(HEADING, "scene", place)


def _name(names: NDArray[Any], row: int) -> str:
    return f"scene {names[row].decode(errors='replace')}"
