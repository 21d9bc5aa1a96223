"""Calibrations of cameras with sound values, ready for the checks of lenses and of mounts.

Metres and pixels; `ego` has x forward, y left, z up, cameras have x right, y down, z along the
optical axis.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take


@dataclass(frozen=True)
class Cameras:
    """Calibrations of cameras with sound values, and the images taken with them.

    Attributes:
        rows: Rows of `calibrated_sensor`, `m`.
        channels: Channel of each.
        matrix: Intrinsics, `m 3 3`.
        size_wh: Columns and rows of their images, `m 2`; 0 unknown.
        ego_from_camera: Rotation, `m 3 3`.
        position_m: In `ego`, `m 3`.
    """

    rows: Rows
    channels: list[str]
    matrix: NDArray[np.float64]
    size_wh: NDArray[np.int64]
    ego_from_camera: NDArray[np.float64]
    position_m: NDArray[np.float64]


def rotations(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices `m 3 3` of quaternions w x y z `m 4` of about unit length."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def sound_cameras(tables: TableSet) -> Cameras:
    """Those whose intrinsics, rotation and position can be used."""
    columns = tables["calibrated_sensor"]
    is_camera = take(tables["sensor"]["modality"] == b"camera", columns["sensor"], False)
    good = is_camera & columns["sound"] & (tables.channel_of_calibration >= 0)
    good &= np.isfinite(columns["intrinsics"]).all(axis=(1, 2))
    good &= (columns["intrinsics"][:, [0, 1], [0, 1]] > 0).all(axis=1)
    good &= np.isfinite(columns["translation_m"]).all(axis=1)
    good &= np.abs(np.linalg.norm(columns["rotation_wxyz"], axis=1) - 1) < 0.01
    rows = np.flatnonzero(good)
    data = tables["sample_data"]
    size = np.zeros((len(good), 2), np.int64)
    known = np.flatnonzero((data["calibrated_sensor"] >= 0) & (data["width_px"] > 0))
    calibration = data["calibrated_sensor"][known]
    size[calibration, 0], size[calibration, 1] = data["width_px"][known], data["height_px"][known]
    return Cameras(
        rows,
        [tables.channels[c] for c in tables.channel_of_calibration[rows]],
        columns["intrinsics"][rows],
        size[rows],
        rotations(columns["rotation_wxyz"][rows]),
        columns["translation_m"][rows],
    )


def add_cameras(
    tables: TableSet,
    rule: Rule,
    cameras: Cameras,
    bad: NDArray[np.bool_],
    found: Callable[[int], str],
    findings: Findings,
) -> None:
    """Name the calibrations `bad` among the cameras."""
    for number in np.flatnonzero(bad).tolist():
        token = tables.token("calibrated_sensor", int(cameras.rows[number]))
        place = Place(f"{cameras.channels[number]}: {found(number)}", token)
        findings.add(rule, "calibrated_sensor", place)
