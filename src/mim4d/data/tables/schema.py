"""The nuScenes tables we read: which fields become which columns, and from JSON to arrays.

A table `<name>.json` is a list of records. Each becomes a dictionary of numpy columns: texts as
UTF-8 bytes, numbers as they are (metres, microseconds, quaternions w x y z), and every token that
names a record of another table as the row number there (int32, -1 where the token is empty). A list
of tokens becomes one row of such numbers, filled up with -1. Tables and fields that are not listed
here are never looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mim4d.data.tables.json_rows import iter_rows
from mim4d.data.tables.lenses import lens_of
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
class Word:
    """A text whose case does not count; it becomes lower case."""

    field: str


@dataclass(frozen=True)
class Lens:
    """What a record says of a lens under any usual name, as JSON; empty for a pinhole camera."""

    field: str


@dataclass(frozen=True)
class Link:
    """A token of table `target`. `may_be_empty`: the empty token is allowed and becomes -1.

    `may_be_absent`: so is a record without the field.
    """

    field: str
    target: str
    may_be_empty: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True)
class Links:
    """A list of tokens of table `target`; an absent field is an empty list."""

    field: str
    target: str


Field = Text | Word | Lens | Number | Link | Links
"""What a field of a record is."""

BAD_VALUE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What `convert` raises where a record lacks the field or it has another form."""

_POSE = {
    "translation_m": Number("translation", shape=(3,)),
    "rotation_wxyz": Number("rotation", shape=(4,)),
}

SCHEMA: dict[str, dict[str, Field]] = {
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
        "modality": Word("modality"),
    },
    "calibrated_sensor": {
        "token": Text("token"),
        "sensor": Link("sensor_token", "sensor"),
        **_POSE,
        "intrinsics": Number("camera_intrinsic", shape=(3, 3), missing=np.nan),
        "distortion": Lens("camera_distortion"),
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
        "is_valid": Number("is_valid", np.bool_, missing=True),
        "prev": Link("prev", "sample_data", may_be_empty=True),
        "next": Link("next", "sample_data", may_be_empty=True),
    },
    "category": {"token": Text("token"), "name": Text("name")},
    "attribute": {"token": Text("token"), "name": Text("name")},
    "visibility": {"token": Text("token"), "level": Text("level", missing="")},
    "instance": {"token": Text("token"), "category": Link("category_token", "category")},
    "sample_annotation": {
        "token": Text("token"),
        "sample": Link("sample_token", "sample"),
        "instance": Link("instance_token", "instance"),
        **_POSE,
        "size_wlh_m": Number("size", shape=(3,)),
        "num_lidar_points": Number("num_lidar_pts", np.int32, missing=-1),
        "num_radar_points": Number("num_radar_pts", np.int32, missing=-1),
        "visibility": Link("visibility_token", "visibility", may_be_empty=True, may_be_absent=True),
        "attributes": Links("attribute_tokens", "attribute"),
        "prev": Link("prev", "sample_annotation", may_be_empty=True),
        "next": Link("next", "sample_annotation", may_be_empty=True),
    },
}

OPTIONAL_TABLES = ("category", "attribute", "visibility", "instance", "sample_annotation")
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
        absent = name in OPTIONAL_TABLES and not path.exists()
        tables[name] = _columns([], fields) if absent else _read_columns(path, fields)
    for name, columns in tables.items():
        columns["token_order"] = _token_order(folder / f"{name}.json", columns["token"])
    for name, fields in SCHEMA.items():
        for key, field in fields.items():
            if isinstance(field, Link | Links):
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


def _read_columns(path: Path, fields: dict[str, Field]) -> Columns:
    if not path.is_file():
        raise MissingFileError(
            f"table {path.name} not found in {path.parent}; "
            f"a nuScenes-format data set needs {', '.join(REQUIRED_TABLES)}"
        )
    pieces, count = [], 0
    for rows in iter_rows(path):
        try:
            pieces.append(_columns(rows, fields))
        except BAD_VALUE:
            raise _first_bad_record(path, rows, fields, count) from None
        count += len(rows)
    return join_columns(pieces)


def _columns(rows: Sequence[dict[str, Any]], fields: dict[str, Field]) -> Columns:
    return {key: convert(rows, field) for key, field in fields.items()}


def join_columns(pieces: list[Columns]) -> Columns:
    """Columns of all pieces of a table, one after the other."""
    joined: Columns = {}
    for key in list(pieces[0]):
        parts = [piece.pop(key) for piece in pieces]
        if parts[0].ndim == 2 and parts[0].dtype.kind == "S":  # lists of tokens differ in length
            width = max(part.shape[1] for part in parts)
            parts = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
        joined[key] = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return joined


def convert(rows: Sequence[dict[str, Any]], field: Field) -> NDArray[Any]:
    """The values of one field of all records: tokens and texts as bytes, numbers as numbers.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OverflowError: If a record lacks the field
            or it has another form (`BAD_VALUE`).
    """
    name = field.field
    match field:
        case Link(may_be_absent=True):
            return _as_bytes([row.get(name) or "" for row in rows])
        case Links():
            return _as_byte_lists([row.get(name) or [] for row in rows])
        case Word():
            return _as_bytes([row[name].lower() for row in rows])
        case Lens():
            return _as_bytes([lens_of(row) for row in rows])
        case Link() | Text(missing=None):
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
    return _as_numbers(values, field).reshape(len(rows), *field.shape)


def _as_numbers(values: list[Any], field: Number) -> NDArray[Any]:
    found = np.array(values)
    # numpy would read the text "12" as a number, and any text as True.
    if found.dtype.kind not in "biufO":
        raise TypeError(f"expected numbers, found {found.dtype}")
    if issubclass(field.dtype, np.bool_) and found.size and found.dtype.kind != "b":
        raise TypeError("expected true or false")
    numbers = np.array(values, field.dtype) if found.dtype.kind == "O" else found
    if issubclass(field.dtype, np.integer):
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ValueError("expected whole numbers")
        limits = np.iinfo(field.dtype)
        if found.size and (numbers.min() < limits.min or numbers.max() > limits.max):
            raise OverflowError("number too large")
    return numbers.astype(field.dtype)


def _as_bytes(texts: Sequence[str]) -> Bytes:
    # An itemsize of 0 cannot be memory-mapped, so an empty column has one byte a row.
    return np.array([text.encode() for text in texts] or [b"x"], np.bytes_)[: len(texts)]


def _as_byte_lists(lists: Sequence[list[str]]) -> Bytes:
    if not all(isinstance(texts, list) for texts in lists):
        raise TypeError("expected lists")
    width = max((len(texts) for texts in lists), default=0)
    padded = [text for texts in lists for text in [*texts, *[""] * (width - len(texts))]]
    return _as_bytes(padded).reshape(len(lists), width)


def expected_form(field: Field) -> str:
    """What a field should be, for a message."""
    match field:
        case Number(dtype=np.bool_):
            return "true or false"
        case Number(shape=()):
            return "a number"
        case Number():
            return f"numbers of shape {field.shape}"
        case Links():
            return "a list of texts"
        case Lens():
            return "numbers"
    return "a text"


def _first_bad_record(
    path: Path, rows: list[dict[str, Any]], fields: dict[str, Field], offset: int
) -> DataError:
    for number, row in enumerate(rows):
        for field in fields.values():
            try:
                convert([row], field)
            except BAD_VALUE:
                found = repr(row[field.field])[:80] if field.field in row else "nothing"
                return DataError(
                    f"{path}, record {offset + number} (token {row.get('token')}): field "
                    f"'{field.field}' should be {expected_form(field)}, found {found}; "
                    "restore the table"
                )
    return DataError(f"{path}: its records do not agree in form; restore the table")


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
    path: Path, tables: dict[str, Columns], name: str, key: str, link: Link | Links
) -> NDArray[np.int32]:
    tokens = tables[name][key]
    rows, unknown = resolve(tables[link.target], tokens, link)
    if unknown.any():
        first = tuple(np.argwhere(unknown)[0])
        raise DataError(
            f"{path}, token {tables[name]['token'][first[0]].decode()}: {link.field} = "
            f"'{tokens[first].decode()}' is not a token of table {link.target} "
            f"({int(unknown.sum())} such records); the tables do not belong together: restore them"
        )
    return rows


def resolve(
    target: Columns, tokens: Bytes, link: Link | Links
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Row number of each token in `target`, -1 where there is none, and whether that is wrong."""
    rows = find_rows(target, tokens.ravel()).reshape(tokens.shape)
    unknown = rows < 0
    if isinstance(link, Links) or link.may_be_empty:
        unknown &= tokens != b""
    return rows, unknown
