"""Records of a table to columns: texts as UTF-8 bytes, numbers as they are.

What enters are records as JSON has them, and the fields of `schema`; what leaves are numpy arrays
(metres, microseconds, quaternions w x y z; tokens are still texts, which `read_tables` looks up).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mim4d.data.tables.lenses import lens_of
from mim4d.data.tables.schema import Field, Lens, Link, Links, Number, Text, Word

Columns = dict[str, NDArray[Any]]
"""Columns of one table by name."""

Bytes = NDArray[Any]
"""Texts as UTF-8 bytes of a fixed length (numpy's `S` types)."""

BAD_VALUE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What `convert` raises where a record lacks the field or it has another form."""


def make_columns(rows: Sequence[dict[str, Any]], fields: dict[str, Field]) -> Columns:
    """The columns of some records, by name; see `convert`."""
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
