"""All tables of a folder, from JSON to columns that refer to each other by row numbers.

Every token that names a record of another table becomes the row number there (int32, -1 where the
token is empty). A list of tokens becomes one row of such numbers, filled up with -1.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.data.tables.columns import (
    BAD_VALUE,
    Bytes,
    Columns,
    convert,
    expected_form,
    join_columns,
    make_columns,
)
from mim4d.data.tables.json_rows import iter_rows
from mim4d.data.tables.schema import OPTIONAL_TABLES, REQUIRED_TABLES, SCHEMA, Field, Link, Links
from mim4d.errors import DataError, MissingFileError


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
        tables[name] = make_columns([], fields) if absent else _read_columns(path, fields)
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
            pieces.append(make_columns(rows, fields))
        except BAD_VALUE:
            raise _first_bad_record(path, rows, fields, count) from None
        count += len(rows)
    return join_columns(pieces)


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
