"""Checks on the columns of the nuScenes tables that go beyond their form.

Chains of `prev` and `next` must be consistent, poses rigid and finite, intrinsics invertible. They
run once, before the columns are cached. The first record at fault is named, and how many more there
are.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.data.schema import Columns
from mim4d.errors import DataError

QUATERNION_TOLERANCE = 1e-3
"""Largest deviation of a quaternion's length from 1."""


def check_tables(folder: Path, tables: dict[str, Columns]) -> None:
    """Raise a `DataError` at the first record that cannot be right."""
    for name in ("sample", "sample_data"):
        check_chain(folder / f"{name}.json", tables[name])
    check_scenes(folder / "sample.json", tables["sample"])
    for name in ("ego_pose", "calibrated_sensor", "sample_annotation"):
        check_poses(folder / f"{name}.json", tables[name])
    check_sizes(folder / "sample_annotation.json", tables["sample_annotation"])
    check_intrinsics(folder / "calibrated_sensor.json", tables)


def check_chain(path: Path, columns: Columns) -> None:
    """`prev` and `next` must mirror each other, end somewhere and never go back in time."""
    for forward, backward in (("next", "prev"), ("prev", "next")):
        rows = np.flatnonzero(columns[forward] >= 0)
        linked = columns[forward][rows]
        broken = rows[columns[backward][linked] != rows]
        if len(broken):
            first = int(broken[0])
            other = int(columns[forward][first])
            found = _token(columns, int(columns[backward][other])) or "empty"
            raise DataError(
                f"{path}, token {_token(columns, first)}: {forward} is {_token(columns, other)}, "
                f"whose {backward} is {found}; expected it to point back ({len(broken)} broken "
                "links): restore the table"
            )
    _check_cycles(path, columns)
    rows = np.flatnonzero(columns["next"] >= 0)
    back = columns["timestamp_us"][columns["next"][rows]] < columns["timestamp_us"][rows]
    _refuse(path, columns, rows[back], "next lies earlier in time", "times that never decrease")


def _check_cycles(path: Path, columns: Columns) -> None:
    """Double the stride along `next` until every chain has ended; what has not is a cycle."""
    end = len(columns["next"])
    reached = np.append(np.where(columns["next"] < 0, end, columns["next"]), end)
    for _ in range(max(end, 1).bit_length()):
        reached = reached[reached]
    cyclic = np.flatnonzero(reached[:-1] != end)
    _refuse(path, columns, cyclic, "the chain of next never ends (a cycle)", "a last record")


def check_scenes(path: Path, columns: Columns) -> None:
    """Samples linked by `next` must be of the same scene."""
    rows = np.flatnonzero(columns["next"] >= 0)
    crossing = columns["scene"][columns["next"][rows]] != columns["scene"][rows]
    _refuse(path, columns, rows[crossing], "next is a sample of another scene", "the same scene")


def check_poses(path: Path, columns: Columns) -> None:
    """Translations must be finite and quaternions of unit length."""
    translation = columns["translation_m"]
    bad = np.flatnonzero(~np.isfinite(translation).all(axis=1))
    if len(bad):
        _refuse(path, columns, bad, f"translation {translation[bad[0]].tolist()}", "finite metres")
    rotation = columns["rotation_wxyz"]
    deviation = np.abs(np.sqrt(np.square(rotation).sum(axis=1)) - 1)
    bad = np.flatnonzero(~(deviation <= QUATERNION_TOLERANCE))  # NaN fails every comparison
    if len(bad):
        found = f"rotation {rotation[bad[0]].tolist()}"
        _refuse(path, columns, bad, found, "a unit quaternion w x y z")


def check_sizes(path: Path, columns: Columns) -> None:
    """Boxes must have finite, positive sides."""
    size = columns["size_wlh_m"]
    bad = np.flatnonzero(~(np.isfinite(size) & (size > 0)).all(axis=1))
    if len(bad):
        _refuse(path, columns, bad, f"size {size[bad[0]].tolist()}", "positive metres")


def check_intrinsics(path: Path, tables: dict[str, Columns]) -> None:
    """A camera's intrinsics must be `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]` with fx, fy > 0."""
    columns = tables["calibrated_sensor"]
    matrix = columns["intrinsics"]
    is_camera = tables["sensor"]["modality"][columns["sensor"]] == b"camera"
    good = np.isfinite(matrix).all(axis=(1, 2)) & (matrix[:, [0, 1], [0, 1]] > 0).all(axis=1)
    good &= (matrix[:, [1, 2, 2, 2], [0, 0, 1, 2]] == (0, 0, 0, 1)).all(axis=1)
    bad = np.flatnonzero(is_camera & ~good)
    if len(bad):
        found = f"camera_intrinsic {matrix[bad[0]].tolist()}"
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
