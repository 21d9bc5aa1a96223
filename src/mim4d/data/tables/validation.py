"""Checks on the columns of the nuScenes tables that go beyond their form.

Chains of `prev` and `next` must be consistent, poses rigid and finite, intrinsics invertible. Each
fault is found by a function from columns to the rows that have it. `check_tables` runs them once,
before the columns are cached, and refuses the first record at fault; how many more there are is
told. `mim4d check` uses the same functions and names them all.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.data.tables.columns import Columns
from mim4d.errors import DataError

QUATERNION_TOLERANCE = 1e-3
"""Largest deviation of a quaternion's length from 1."""

Found = NDArray[Any]
"""Rows of a table."""


def check_tables(folder: Path, tables: dict[str, Columns]) -> None:
    """Raise a `DataError` at the first record that cannot be right."""
    sample, annotations = tables["sample"], tables["sample_annotation"]
    check_chain(folder / "sample.json", sample, sample["timestamp_us"])
    data = tables["sample_data"]
    check_chain(folder / "sample_data.json", data, data["timestamp_us"])
    times = sample["timestamp_us"][annotations["sample"]]
    check_chain(folder / "sample_annotation.json", annotations, times)
    for name, owner, what in (
        ("sample", sample["scene"], "sample of another scene"),
        ("sample_data", _series(tables), "measurement of another scene or channel"),
        ("sample_annotation", annotations["instance"], "box of another object"),
    ):
        crossing = crossing_links(tables[name], owner)
        path = folder / f"{name}.json"
        _refuse(path, tables[name], crossing, f"next is a {what}", "records that belong together")
    for name in ("ego_pose", "calibrated_sensor", "sample_annotation"):
        check_poses(folder / f"{name}.json", tables[name])
    check_sizes(folder / "sample_annotation.json", annotations)
    check_intrinsics(folder / "calibrated_sensor.json", tables)


def one_way_links(columns: Columns, forward: str, backward: str) -> Found:
    """Rows whose `forward` neighbour does not point back with `backward`."""
    rows = np.flatnonzero(columns[forward] >= 0)
    return rows[columns[backward][columns[forward][rows]] != rows]


def cyclic_rows(columns: Columns) -> Found:
    """Rows from which `next` never ends: double the stride until every chain has ended."""
    end = len(columns["next"])
    reached = np.append(np.where(columns["next"] < 0, end, columns["next"]), end)
    for _ in range(max(end, 1).bit_length()):
        reached = reached[reached]
    return np.flatnonzero(reached[:-1] != end)


def backward_in_time(columns: Columns, times_us: NDArray[Any]) -> Found:
    """Rows whose `next` lies earlier in time."""
    rows = np.flatnonzero(columns["next"] >= 0)
    return rows[times_us[columns["next"][rows]] < times_us[rows]]


def crossing_links(columns: Columns, owner: NDArray[Any]) -> Found:
    """Rows whose `next` belongs to another owner (scene, object, channel)."""
    rows = np.flatnonzero(columns["next"] >= 0)
    return rows[owner[columns["next"][rows]] != owner[rows]]


def infinite_translations(columns: Columns) -> Found:
    """Rows with a translation that is not finite."""
    return np.flatnonzero(~np.isfinite(columns["translation_m"]).all(axis=1))


def bad_quaternions(columns: Columns) -> Found:
    """Rows with a rotation that is not of unit length; NaN fails every comparison."""
    deviation = np.abs(np.sqrt(np.square(columns["rotation_wxyz"]).sum(axis=1)) - 1)
    return np.flatnonzero(~(deviation <= QUATERNION_TOLERANCE))


def bad_sizes(columns: Columns) -> Found:
    """Rows with a side that is not finite or not positive."""
    size = columns["size_wlh_m"]
    return np.flatnonzero(~(np.isfinite(size) & (size > 0)).all(axis=1))


def nameless_sensors(columns: Columns) -> Found:
    """Sensors whose channel is empty or blank."""
    return np.flatnonzero(np.char.strip(columns["channel"]) == b"")


def bad_intrinsics(columns: Columns, is_camera: NDArray[np.bool_]) -> Found:
    """Cameras whose intrinsics are not `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]` with fx, fy > 0."""
    matrix = columns["intrinsics"]
    good = np.isfinite(matrix).all(axis=(1, 2)) & (matrix[:, [0, 1], [0, 1]] > 0).all(axis=1)
    good &= (matrix[:, [1, 2, 2, 2], [0, 0, 1, 2]] == (0, 0, 0, 1)).all(axis=1)
    return np.flatnonzero(is_camera & ~good)


def check_chain(path: Path, columns: Columns, times_us: NDArray[Any]) -> None:
    """`prev` and `next` must mirror each other, end somewhere and never go back in time."""
    for forward, backward in (("next", "prev"), ("prev", "next")):
        broken = one_way_links(columns, forward, backward)
        if len(broken):
            raise DataError(
                f"{path}, token {_token(columns, int(broken[0]))}: "
                f"{describe_link(columns, int(broken[0]), forward, backward)}; expected it to "
                f"point back ({len(broken)} broken links): restore the table"
            )
    cyclic = cyclic_rows(columns)
    _refuse(path, columns, cyclic, "the chain of next never ends (a cycle)", "a last record")
    back = backward_in_time(columns, times_us)
    _refuse(path, columns, back, "next lies earlier in time", "times that never decrease")


def describe_link(columns: Columns, row: int, forward: str, backward: str) -> str:
    """What a link that is not mirrored looks like."""
    other = int(columns[forward][row])
    found = _token(columns, int(columns[backward][other])) or "empty"
    return f"{forward} is {_token(columns, other)}, whose {backward} is {found}"


def _series(tables: dict[str, Columns]) -> NDArray[np.int64]:
    """A number for the scene and channel of each measurement."""
    data = tables["sample_data"]
    names, channel = np.unique(tables["sensor"]["channel"], return_inverse=True)
    of_data = channel[tables["calibrated_sensor"]["sensor"][data["calibrated_sensor"]]]
    return tables["sample"]["scene"][data["sample"]] * np.int64(len(names)) + of_data


def check_poses(path: Path, columns: Columns) -> None:
    """Translations must be finite and quaternions of unit length."""
    bad = infinite_translations(columns)
    if len(bad):
        found = f"translation {columns['translation_m'][bad[0]].tolist()}"
        _refuse(path, columns, bad, found, "finite metres")
    bad = bad_quaternions(columns)
    if len(bad):
        found = f"rotation {columns['rotation_wxyz'][bad[0]].tolist()}"
        _refuse(path, columns, bad, found, "a unit quaternion w x y z")


def check_sizes(path: Path, columns: Columns) -> None:
    """Boxes must have finite, positive sides."""
    bad = bad_sizes(columns)
    if len(bad):
        found = f"size {columns['size_wlh_m'][bad[0]].tolist()}"
        _refuse(path, columns, bad, found, "positive metres")


def check_intrinsics(path: Path, tables: dict[str, Columns]) -> None:
    """A camera's intrinsics must be invertible and of the pinhole form."""
    columns = tables["calibrated_sensor"]
    is_camera = tables["sensor"]["modality"][columns["sensor"]] == b"camera"
    bad = bad_intrinsics(columns, is_camera)
    if len(bad):
        found = f"camera_intrinsic {columns['intrinsics'][bad[0]].tolist()}"
        expected = "[[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0"
        _refuse(path, columns, bad, found, expected)


def _token(columns: Columns, row: int) -> str:
    return columns["token"][row].decode() if row >= 0 else ""


def _refuse(path: Path, columns: Columns, bad: NDArray[Any], found: str, expected: str) -> None:
    if len(bad):
        raise DataError(
            f"{path}, token {_token(columns, int(bad[0]))}: {found}; expected {expected} "
            f"({len(bad)} such records): correct or restore the table"
        )
