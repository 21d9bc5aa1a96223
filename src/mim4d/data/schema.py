"""The nuScenes tables we read: which fields become which columns, and from JSON to arrays.

A table `<name>.json` is a list of records. Each becomes a dictionary of numpy columns: texts as
UTF-8 bytes, numbers as they are (metres, microseconds, quaternions w x y z), and every token that
names a record of another table as the row number there (int32, -1 where the token is empty). Tables
and fields that are not listed here are never looked at.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mim4d.errors import DataError, MissingFileError

Columns = dict[str, NDArray[Any]]
"""Columns of one table by name."""

Bytes = NDArray[Any]
"""Texts as UTF-8 bytes of a fixed length (numpy's `S` types)."""


@dataclass(frozen=True)
class Text:
    """A text; anything that is not a string is kept as JSON. `missing` replaces an absent field."""

    field: str
    missing: str | None = None


@dataclass(frozen=True)
class Number:
    """Numbers of a fixed shape. `missing` replaces an absent or empty field in every place."""

    field: str
    dtype: type[np.generic] = np.float64
    shape: tuple[int, ...] = ()
    missing: int | float | None = None


@dataclass(frozen=True)
class Link:
    """A token of table `target`. `may_be_empty`: the empty token is allowed and becomes -1."""

    field: str
    target: str
    may_be_empty: bool = False


_POSE = {
    "translation_m": Number("translation", shape=(3,)),
    "rotation_wxyz": Number("rotation", shape=(4,)),
}

SCHEMA: dict[str, dict[str, Text | Number | Link]] = {
    "log": {"token": Text("token"), "location": Text("location", missing="")},
    "scene": {
        "token": Text("token"),
        "name": Text("name"),
        "log": Link("log_token", "log"),
        "first_sample": Link("first_sample_token", "sample"),
        "last_sample": Link("last_sample_token", "sample"),
    },
    "sample": {
        "token": Text("token"),
        "timestamp_us": Number("timestamp", np.int64),
        "scene": Link("scene_token", "scene"),
        "prev": Link("prev", "sample", may_be_empty=True),
        "next": Link("next", "sample", may_be_empty=True),
    },
    "sensor": {
        "token": Text("token"),
        "channel": Text("channel"),
        "modality": Text("modality"),
    },
    "calibrated_sensor": {
        "token": Text("token"),
        "sensor": Link("sensor_token", "sensor"),
        **_POSE,
        "intrinsics": Number("camera_intrinsic", shape=(3, 3), missing=np.nan),
        "distortion": Text("camera_distortion", missing=""),
    },
    "ego_pose": {"token": Text("token"), **_POSE},
    "sample_data": {
        "token": Text("token"),
        "sample": Link("sample_token", "sample"),
        "ego_pose": Link("ego_pose_token", "ego_pose"),
        "calibrated_sensor": Link("calibrated_sensor_token", "calibrated_sensor"),
        "timestamp_us": Number("timestamp", np.int64),
        "is_key_frame": Number("is_key_frame", np.bool_),
        "height_px": Number("height", np.int32, missing=0),
        "width_px": Number("width", np.int32, missing=0),
        "filename": Text("filename"),
        "prev": Link("prev", "sample_data", may_be_empty=True),
        "next": Link("next", "sample_data", may_be_empty=True),
    },
    "category": {"token": Text("token"), "name": Text("name")},
    "instance": {"token": Text("token"), "category": Link("category_token", "category")},
    "sample_annotation": {
        "token": Text("token"),
        "sample": Link("sample_token", "sample"),
        "instance": Link("instance_token", "instance"),
        **_POSE,
        "size_wlh_m": Number("size", shape=(3,)),
        "num_lidar_points": Number("num_lidar_pts", np.int32, missing=-1),
        "prev": Link("prev", "sample_annotation", may_be_empty=True),
        "next": Link("next", "sample_annotation", may_be_empty=True),
    },
}

OPTIONAL_TABLES = ("category", "instance", "sample_annotation")
"""Tables a data set without labels may leave out; they are then empty."""

REQUIRED_TABLES = tuple(name for name in SCHEMA if name not in OPTIONAL_TABLES)


def read_tables(folder: Path) -> dict[str, Columns]:
    """Read every table of `folder` into columns, links resolved to row numbers.

    Raises:
        DataError: If a table is missing or not valid JSON, a record lacks a field or has one of the
            wrong form, a token occurs twice, or a link leads nowhere.
    """
    tables: dict[str, Columns] = {}
    for name, fields in SCHEMA.items():
        path = folder / f"{name}.json"
        rows = [] if name in OPTIONAL_TABLES and not path.exists() else _read_rows(path)
        tables[name] = {key: _column(path, rows, field) for key, field in fields.items()}
    for name, columns in tables.items():
        columns["token_order"] = _token_order(folder / f"{name}.json", columns["token"])
    for name, fields in SCHEMA.items():
        for key, field in fields.items():
            if isinstance(field, Link):
                tables[name][key] = _resolve(folder / f"{name}.json", tables, name, key, field)
    return tables


def find_rows(target: Columns, tokens: Bytes) -> NDArray[np.int32]:
    """Row number of each token in table `target`; -1 where there is none."""
    order = target["token_order"]
    if len(order) == 0:
        return np.full(len(tokens), -1, np.int32)
    place = np.searchsorted(target["token"], tokens, sorter=order)
    rows = np.asarray(order[np.minimum(place, len(order) - 1)], np.int32)
    return np.where(target["token"][rows] == tokens, rows, np.int32(-1))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise MissingFileError(
            f"table {path.name} not found in {path.parent}; "
            f"a nuScenes-format data set needs {', '.join(REQUIRED_TABLES)}"
        )
    rows = parse_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"{path}: expected a JSON list of records, found something else; restore the file"
        )
    return rows


def parse_json(path: Path) -> Any:
    """Read a JSON file; NaN, as Python's own writer makes it, is taken (and reported later).

    Raises:
        DataError: If the file is not JSON.
    """
    content = path.read_bytes()
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(content)
        except ValueError:
            raise DataError(
                f"{path}: not valid JSON ({error}); the file is damaged or cut short: restore it"
            ) from error


def _column(path: Path, rows: list[dict[str, Any]], field: Text | Number | Link) -> NDArray[Any]:
    try:
        return _convert(rows, field)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise _first_bad_record(path, rows, field) from None


def _convert(rows: Sequence[dict[str, Any]], field: Text | Number | Link) -> NDArray[Any]:
    name = field.field
    match field:
        case Link():
            return _as_bytes([row[name] for row in rows])
        case Text(missing=None):
            return _as_bytes([row[name] for row in rows])
        case Text():
            values = [row.get(name) or field.missing for row in rows]
            return _as_bytes(
                [v if isinstance(v, str) else orjson.dumps(v).decode() for v in values]
            )
        case Number(missing=None):
            values = [row[name] for row in rows]
        case Number():
            fill = np.full(field.shape, field.missing).tolist()
            values = [fill if row.get(name) in (None, []) else row[name] for row in rows]
    return np.array(values, field.dtype).reshape(len(rows), *field.shape)


def _as_bytes(texts: Sequence[str]) -> Bytes:
    # An itemsize of 0 cannot be memory-mapped, so an empty column has one byte a row.
    return np.array([text.encode() for text in texts] or [b"x"], np.bytes_)[: len(texts)]


def _first_bad_record(
    path: Path, rows: list[dict[str, Any]], field: Text | Number | Link
) -> DataError:
    for number, row in enumerate(rows):
        try:
            _convert([row], field)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            found = repr(row[field.field])[:80] if field.field in row else "nothing"
            form = f"numbers of shape {field.shape}" if isinstance(field, Number) else "a text"
            return DataError(
                f"{path}, record {number} (token {row.get('token')}): field '{field.field}' should "
                f"be {form}, found {found}; restore the table"
            )
    return DataError(f"{path}: field '{field.field}' cannot be read; restore the table")


def _token_order(path: Path, tokens: Bytes) -> NDArray[np.int32]:
    order = np.argsort(tokens, kind="stable").astype(np.int32)
    ordered = tokens[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise DataError(
            f"{path}: token {ordered[twice[0]].decode()} occurs more than once "
            f"({len(twice)} such records); tokens must be unique: restore the table"
        )
    return order


def _resolve(
    path: Path, tables: dict[str, Columns], name: str, key: str, link: Link
) -> NDArray[np.int32]:
    tokens = tables[name][key]
    rows = find_rows(tables[link.target], tokens)
    unknown = rows < 0
    if link.may_be_empty:
        unknown &= tokens != b""
    if unknown.any():
        first = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"{path}, token {tables[name]['token'][first].decode()}: {link.field} = "
            f"'{tokens[first].decode()}' is not a token of table {link.target} "
            f"({int(unknown.sum())} such records); the tables do not belong together: restore them"
        )
    return rows
