"""`poses.csv`: where the car was, in metres with a quaternion or as a satellite receiver says it.

    time_us, x_m, y_m, z_m, qw, qx, qy, qz            any axes with z up; car from its own axes
    time_us, lat_deg, lon_deg, height_m, heading_deg  [, pitch_deg, roll_deg]

The time's column may be `time_s`, `time_ms`, `time_us` or `time_ns`. Heading is clockwise from
north. Latitude and longitude (WGS 84) become metres east, north and up of the first pose.
"""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from mim4d.errors import DataError
from mim4d.importing.csv_columns import Table, read_table, refuse_missing
from mim4d.importing.recording import PoseTrack
from mim4d.importing.rotations import from_yaw_pitch_roll
from mim4d.importing.times import seconds
from mim4d.writing.rows import quaternion_wxyz

METRIC = ("x_m", "y_m", "z_m", "qw", "qx", "qy", "qz")
GEODETIC = ("lat_deg", "lon_deg", "height_m", "heading_deg")
HOLDS = (
    "a line of names, then a line for every pose of the car: time_us (or time_s, time_ms, time_ns) "
    f"with {', '.join(METRIC)}, or with {', '.join(GEODETIC)}. Poses are not made up: without them "
    "nothing is learned from motion"
)
LONGEST_GAP_US = 1_000_000
"""Poses farther apart are not joined by a straight line."""
_EQUATOR_M, _FLATTENING = 6378137.0, 1 / 298.257223563


def read_poses(path: Path, car_from_body: Float[np.ndarray, "4 4"]) -> PoseTrack:
    """Poses of the car.

    Args:
        path: `poses.csv`.
        car_from_body: Mount of what the file speaks of; the identity where that is the car itself.

    Raises:
        DataError: The file is missing or damaged, a time occurs twice or goes back, or a quaternion
            is not of length 1.
    """
    table = read_table(path, HOLDS)
    times = _times(table)
    if "lat_deg" in table.columns:
        refuse_missing(table, GEODETIC, HOLDS)
        positions, rotations = _geodetic(table)
    else:
        refuse_missing(table, METRIC, HOLDS)
        values = table.numbers(*METRIC)
        positions, rotations = values[:, :3], _unit(table, values[:, 3:])
    if not np.array_equal(car_from_body, np.eye(4)):
        positions, rotations = of_car(positions, rotations, np.linalg.inv(car_from_body))
    return PoseTrack(times, positions, rotations, str(path))


def _times(table: Table) -> Int64[np.ndarray, " q"]:
    times = np.array(table.times_us(), dtype=np.int64)
    steps = np.diff(times)
    if (bad := np.flatnonzero(steps <= 0)).size:
        line = int(bad[0]) + 3
        how = "occurs twice" if steps[bad[0]] == 0 else "is before that of the line above"
        raise DataError(
            f"{table.path}, line {line}: time {seconds(int(times[line - 2]))} {how} ({bad.size} "
            "such lines); times must increase: sort the file and remove what is doubled"
        )
    return times


def _unit(table: Table, quaternions: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, "q 4"]:
    lengths = np.linalg.norm(quaternions, axis=1)
    if (bad := np.flatnonzero(np.abs(lengths - 1) > 0.01)).size:
        line = int(bad[0])
        raise DataError(
            f"{table.path}, line {line + 2}: quaternion w x y z {quaternions[line].tolist()} has "
            f"length {lengths[line]:.3f} ({bad.size} such lines), expected 1; are these columns "
            "angles, or in another order?"
        )
    unit: Float[np.ndarray, "q 4"] = quaternions / lengths[:, None]
    return unit


def _geodetic(table: Table) -> tuple[Float[np.ndarray, "q 3"], Float[np.ndarray, "q 4"]]:
    place = table.numbers(*GEODETIC[:3])
    if np.abs(place[:, 0]).max() > 90 or np.abs(place[:, 1]).max() > 360:
        raise DataError(
            f"{table.path}: latitudes reach {np.abs(place[:, 0]).max():g} and longitudes "
            f"{np.abs(place[:, 1]).max():g}; expected degrees up to 90 and 360: are they in "
            "metres, minutes or exchanged?"
        )
    heading = table.numbers("heading_deg")[:, 0]
    tilts = np.zeros((table.length, 2))
    for i, name in enumerate(("pitch_deg", "roll_deg")):
        if name in table.columns:
            tilts[:, i] = table.numbers(name)[:, 0]
    rotations = np.array(
        [
            quaternion_wxyz(from_yaw_pitch_roll(90.0 - h, *tilt))
            for h, tilt in zip(heading.tolist(), tilts.tolist(), strict=True)
        ]
    )
    return east_north_up(place), rotations


def east_north_up(place: Float[np.ndarray, "q 3"]) -> Float[np.ndarray, "q 3"]:
    """Latitude, longitude (degrees) and height to metres from the first of them (WGS 84)."""
    latitude, longitude = np.radians(place[:, 0]), np.radians(place[:, 1])
    squared = _FLATTENING * (2 - _FLATTENING)
    normal = _EQUATOR_M / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    across = (normal + place[:, 2]) * np.cos(latitude)
    centred = np.stack(
        [
            across * np.cos(longitude),
            across * np.sin(longitude),
            (normal * (1 - squared) + place[:, 2]) * np.sin(latitude),
        ],
        axis=-1,
    )
    phi, theta = float(latitude[0]), float(longitude[0])
    sin_phi, cos_phi, sin, cos = math.sin(phi), math.cos(phi), math.sin(theta), math.cos(theta)
    axes = np.array(
        [
            [-sin, cos, 0.0],
            [-sin_phi * cos, -sin_phi * sin, cos_phi],
            [cos_phi * cos, cos_phi * sin, sin_phi],
        ]
    )
    metres: Float[np.ndarray, "q 3"] = (centred - centred[0]) @ axes.T
    return metres


def of_car(
    positions: Float[np.ndarray, "q 3"],
    rotations: Float[np.ndarray, "q 4"],
    body_from_car: Float[np.ndarray, "4 4"],
) -> tuple[Float[np.ndarray, "q 3"], Float[np.ndarray, "q 4"]]:
    """Poses of the car, from those of a body that is fixed to it."""
    vectors, place = rotations[:, 1:], body_from_car[:3, 3]
    # A vector turned by a unit quaternion, without the matrix.
    twice = 2 * np.cross(vectors, place)
    moved = positions + place + rotations[:, :1] * twice + np.cross(vectors, twice)
    (w, x, y, z), (a, b, c, d) = rotations.T, quaternion_wxyz(body_from_car[:3, :3])
    product = [
        w * a - x * b - y * c - z * d,
        w * b + x * a + y * d - z * c,
        w * c - x * d + y * a + z * b,
        w * d + x * c - y * b + z * a,
    ]
    return moved, np.stack(product, axis=-1)
