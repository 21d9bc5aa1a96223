"""Numbers and names of the tables that are well formed, and yet cannot be meant.

What must hold here is what `mim4d check` calls an error: the reader refuses it too, once, before
the columns are cached. Metres, seconds, microseconds where the name says so.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.data.tables.columns import Columns
from mim4d.data.tables.validation import nameless_sensors
from mim4d.errors import DataError

KEYFRAME_INTERVAL_S = (0.02, 30.0)
NEXT_TO_NOTHING = 0.05
"""Share of the key images within an interval of their samples, below which no clock is right."""
MAX_MOUNT_M = 15.0
MAX_TILT_DEG = 45.0
UNITS_SPEED = 150.0
"""m/s: who drives faster most of the time has other units than metres and microseconds."""


def check_plausible(folder: Path, tables: dict[str, Columns]) -> None:
    """Raise a `DataError` about the first thing that cannot be meant."""
    _check_names(folder, tables)
    _check_times(folder, tables)
    _check_clocks(folder, tables)
    _check_files(folder, tables)
    _check_places(folder, tables)


def _check_names(folder: Path, tables: dict[str, Columns]) -> None:
    names, counts = np.unique(tables["scene"]["name"], return_counts=True)
    if (counts > 1).any():
        name = names[counts.argmax()].decode(errors="replace")
        raise DataError(
            f"{folder / 'scene.json'}: {counts.max()} scenes have the name {name!r}; names must "
            "be unique, because splits and choices of scenes name them: rename them"
        )
    nameless = nameless_sensors(tables["sensor"])
    if len(nameless):
        raise DataError(
            f"{folder / 'sensor.json'}, token {_token(tables['sensor'], nameless[0])}: channel is "
            "empty; name the sensor, as in CAM_FRONT or LIDAR_TOP"
        )
    data, sensor = tables["sample_data"], tables["calibrated_sensor"]["sensor"]
    key = np.flatnonzero(data["is_key_frame"] & data["is_valid"])
    _, channel = np.unique(tables["sensor"]["channel"], return_inverse=True)
    pair = data["sample"][key].astype(np.int64) * (len(channel) + 1)
    pair += channel[sensor[data["calibrated_sensor"][key]]]
    _, first = np.unique(pair, return_index=True)
    twice = np.delete(key, first)
    if len(twice):
        raise DataError(
            f"{folder / 'sample_data.json'}, token {_token(data, twice[0])}: its sample has "
            f"another key frame of the same channel ({len(twice)} such records); set "
            "is_key_frame to false in all but one"
        )


def _check_times(folder: Path, tables: dict[str, Columns]) -> None:
    sample = tables["sample"]
    after = np.flatnonzero(sample["prev"] >= 0)
    gaps = sample["timestamp_us"][after] - sample["timestamp_us"][sample["prev"][after]]
    if len(gaps) == 0:
        return
    interval, (low, high) = float(np.median(gaps)) * 1e-6, KEYFRAME_INTERVAL_S
    if not low <= interval <= high:
        raise DataError(
            f"{folder / 'sample.json'}: consecutive samples are {interval * 1e6:g} apart in "
            f"timestamp, which read as microseconds is {interval:g} s; expected {low:g} to "
            f"{high:g} s: convert the timestamps to microseconds"
        )


def _check_clocks(folder: Path, tables: dict[str, Columns]) -> None:
    """Key images must lie near the samples that they name."""
    sample, data, sensor = tables["sample"], tables["sample_data"], tables["sensor"]
    own_sensor = tables["calibrated_sensor"]["sensor"][data["calibrated_sensor"]]
    key = data["is_key_frame"] & data["is_valid"] & (sensor["modality"][own_sensor] == b"camera")
    order = np.lexsort((sample["timestamp_us"], sample["scene"]))
    gaps = np.diff(sample["timestamp_us"][order])[np.diff(sample["scene"][order]) == 0]
    if len(gaps) == 0 or not key.any():
        return
    delay = data["timestamp_us"][key] - sample["timestamp_us"][data["sample"][key]]
    near, channel = np.abs(delay) <= np.median(gaps), sensor["channel"][own_sensor[key]]
    if near.mean() <= NEXT_TO_NOTHING:
        shares = ", ".join(
            f"{name.decode(errors='replace')} {near[channel == name].mean():.0%}"
            for name in np.unique(channel)
        )
        raise DataError(
            f"{folder / 'sample_data.json'}: {near.mean():.0%} of the key images ({shares}) lie "
            f"within {np.median(gaps) * 1e-6:g} s of their samples, usual are "
            f"{np.median(delay) * 1e-6:+.3g} s: correct the cameras' clocks, or sample_token"
        )


def _check_files(folder: Path, tables: dict[str, Columns]) -> None:
    data, path = tables["sample_data"], folder / "sample_data.json"
    names, valid = data["filename"], np.flatnonzero(data["is_valid"])
    _, first = np.unique(names[valid], return_index=True)
    twice = np.delete(valid, first)
    if len(twice):
        raise DataError(
            f"{path}, token {_token(data, twice[0])}: filename "
            f"{names[twice[0]].decode(errors='replace')} is that of another measurement too "
            f"({len(twice)} such records); correct the file names"
        )
    content = np.ascontiguousarray(names).tobytes()
    if b"\\" in content:
        row = next(row for row, name in enumerate(names.tolist()) if b"\\" in name)
        raise DataError(
            f"{path}, token {_token(data, row)}: filename {names[row].decode(errors='replace')} "
            "has backslashes; write it with / as separator, relative to the data set"
        )
    absolute = [row for row, name in enumerate(names.tolist()) if name.startswith(b"/")][:1]
    if absolute and not Path(names[absolute[0]].decode(errors="replace")).exists():
        raise DataError(
            f"{path}, token {_token(data, absolute[0])}: filename "
            f"{names[absolute[0]].decode(errors='replace')} is a path of another machine; write "
            "it relative to the data set's folder (samples/...)"
        )


def _check_places(folder: Path, tables: dict[str, Columns]) -> None:
    calibrated, poses, data = (tables[n] for n in ("calibrated_sensor", "ego_pose", "sample_data"))
    far = np.flatnonzero(np.linalg.norm(calibrated["translation_m"], axis=1) > MAX_MOUNT_M)
    if len(far):
        found = calibrated["translation_m"][far[0]].tolist()
        raise DataError(
            f"{folder / 'calibrated_sensor.json'}, token {_token(calibrated, far[0])}: translation "
            f"{found}; expected at most {MAX_MOUNT_M:g} m from the ego origin ({len(far)} such "
            "records): use metres"
        )
    tilted = tilted_poses(poses["rotation_wxyz"])
    if len(tilted):
        raise DataError(
            f"{folder / 'ego_pose.json'}, token {_token(poses, tilted[0])}: the car lies on its "
            f"side or its roof ({len(tilted)} such records); check the quaternions' order "
            "(w x y z) and direction (global from ego)"
        )
    after = np.flatnonzero(data["prev"] >= 0)
    place = poses["translation_m"][data["ego_pose"]]
    moved = np.linalg.norm(place[after] - place[data["prev"][after]], axis=1)
    seconds = (data["timestamp_us"][after] - data["timestamp_us"][data["prev"][after]]) * 1e-6
    good = seconds > 0
    speed = float(np.median(moved[good] / seconds[good])) if good.any() else 0.0
    if speed > UNITS_SPEED:
        raise DataError(
            f"{folder / 'ego_pose.json'}: a median speed of {speed:.0f} m/s; expected metres, and "
            "times in microseconds: convert translations or timestamps"
        )
    _check_principal_points(folder, tables)


def _check_principal_points(folder: Path, tables: dict[str, Columns]) -> None:
    """A principal point outside the image belongs to an image of another size."""
    data, calibrated = tables["sample_data"], tables["calibrated_sensor"]
    known = np.flatnonzero((data["width_px"] > 0) & (data["height_px"] > 0))
    rows, first = np.unique(data["calibrated_sensor"][known], return_index=True)
    size = np.stack([data["width_px"], data["height_px"]], axis=1)[known[first]]
    centre = calibrated["intrinsics"][rows][:, :2, 2]
    with np.errstate(invalid="ignore"):
        outside = np.flatnonzero(((centre < 0) | (centre > size)).any(axis=1))
    if len(outside):
        row, (width, height) = rows[outside[0]], size[outside[0]].tolist()
        raise DataError(
            f"{folder / 'calibrated_sensor.json'}, token {_token(calibrated, row)}: principal "
            f"point {calibrated['intrinsics'][row][:2, 2].tolist()} lies outside of its "
            f"{width}x{height} images; intrinsics and images must have the same size: correct "
            "camera_intrinsic"
        )


def tilted_poses(rotation_wxyz: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of unit quaternions whose z axis is far off the vertical."""
    x, y = rotation_wxyz[:, 1], rotation_wxyz[:, 2]
    up = 1 - 2 * (x * x + y * y)
    return np.flatnonzero(up < np.cos(np.radians(MAX_TILT_DEG)))


def _token(columns: Columns, row: Any) -> str:
    return str(columns["token"][int(row)].decode(errors="replace"))
