"""The tables of a data set, read so that one fault does not hide the next.

What enters is the folder of tables; what leaves are columns as `mim4d.data.tables.columns` makes
them, with every fault of form noted: what cannot be read becomes a filler and its record is marked
unsound. Links to what is not there become -1. Metres, microseconds, quaternions w x y z.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.data.tables.columns import BAD_VALUE, Columns, convert, expected_form, join_columns
from mim4d.data.tables.json_rows import TableFormatError, iter_rows
from mim4d.data.tables.read_tables import resolve
from mim4d.data.tables.schema import OPTIONAL_TABLES, SCHEMA, Field, Link, Links, Number, Text

Rows = NDArray[Any]

MISSING_TABLE = Rule(
    "missing-table", "error", "a file of this name beside the other tables", "restore the table"
)
NO_TABLE = Rule(
    "absent-table", "remark", "a table of this name", "nothing; the reader does without it"
)
UNREADABLE = Rule(
    "unreadable-table", "error", "a JSON list of records", "restore the file: it is damaged or cut"
)
EMPTY_TABLE = Rule("empty-table", "error", "at least one record", "restore the table")
NO_RECORDS = Rule(
    "no-records", "remark", "at least one record", "nothing; the reader does without them"
)
MISSING_FIELD = Rule("missing-field", "error", "the field in every record", "restore the table")
WRONG_TYPE = Rule("wrong-type", "error", "a value of the field's type", "correct the record")
DUPLICATE = Rule("duplicate-token", "error", "a token that occurs once", "remove the copies")
DANGLING = Rule(
    "dangling-link", "error", "a token of the other table", "restore tables that belong together"
)
EMPTY_LINK = Rule("empty-link", "error", "a token of the other table", "fill in the token")

_EXTRA: dict[str, dict[str, Field]] = {
    "scene": {"num_samples": Number("nbr_samples", np.int64, missing=-1)},
    "ego_pose": {"timestamp_us": Number("timestamp", np.int64, missing=-1)},
    "instance": {
        "first": Link("first_annotation_token", "sample_annotation", True, True),
        "last": Link("last_annotation_token", "sample_annotation", True, True),
        "num_annotations": Number("nbr_annotations", np.int64, missing=-1),
    },
    "map": {
        "token": Text("token"),
        "filename": Text("filename", missing=""),
        "logs": Links("log_tokens", "log"),
    },
}

CHECKED: dict[str, dict[str, Field]] = {
    name: {**SCHEMA.get(name, {}), **_EXTRA.get(name, {})} for name in (*SCHEMA, "map")
}
"""Every table and field that is looked at."""

_MAY_BE_ABSENT = (*OPTIONAL_TABLES, "map")


@dataclass(frozen=True)
class TableSet:
    """The tables of a data set.

    Attributes:
        root: Folder of the data set.
        version: Name of the folder of tables.
        columns: By table; `sound` says which records could be read whole.
        present: Tables that are there and readable; the others have no records.
    """

    root: Path
    version: str
    columns: dict[str, Columns]
    present: frozenset[str]

    def __getitem__(self, table: str) -> Columns:
        return self.columns[table]

    def size(self, table: str) -> int:
        """Number of records."""
        return len(self.columns[table]["token"])

    def token(self, table: str, row: int) -> str:
        """Token of a record; empty for row -1."""
        return self.columns[table]["token"][row].decode(errors="replace") if row >= 0 else ""

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Sorted channels of the sensors."""
        return tuple(sorted({_text(c) for c in self["sensor"]["channel"]}))

    @cached_property
    def modality_of_channel(self) -> dict[str, str]:
        """'camera', 'lidar' or 'radar' by channel."""
        sensor = self["sensor"]
        pairs = zip(sensor["channel"], sensor["modality"], strict=True)
        return {_text(channel): _text(modality) for channel, modality in pairs}

    @cached_property
    def channel_of_calibration(self) -> NDArray[np.int64]:
        """Index into `channels` of each calibrated sensor; -1 unknown."""
        names = [_text(c) for c in self["sensor"]["channel"]]
        of_sensor = np.array([self.channels.index(name) for name in names], np.int64)
        return take(of_sensor, self["calibrated_sensor"]["sensor"], -1)

    @cached_property
    def channel_of_data(self) -> NDArray[np.int64]:
        """Index into `channels` of each measurement; -1 unknown."""
        return take(self.channel_of_calibration, self["sample_data"]["calibrated_sensor"], -1)

    @cached_property
    def scene_of_data(self) -> NDArray[np.int64]:
        """Scene of each measurement; -1 unknown."""
        return take(self["sample"]["scene"], self["sample_data"]["sample"], -1).astype(np.int64)

    @cached_property
    def is_sound_data(self) -> NDArray[np.bool_]:
        """Measurements whose record, sample, scene and channel are known, and that are valid."""
        data = self["sample_data"]
        known = (self.channel_of_data >= 0) & (self.scene_of_data >= 0) & data["is_valid"]
        return known & data["sound"] & take(self["sample"]["sound"], data["sample"], False)

    @cached_property
    def series(self) -> tuple[Rows, NDArray[np.int64]]:
        """Sound measurements by scene and channel, oldest first; and the number of their series."""
        rows = np.flatnonzero(self.is_sound_data)
        group = self.scene_of_data[rows] * len(self.channels) + self.channel_of_data[rows]
        order = np.lexsort((self["sample_data"]["timestamp_us"][rows], group))
        return rows[order], group[order]

    @cached_property
    def neighbours(self) -> tuple[Rows, Rows]:
        """Each sound measurement and the next of the same scene and channel."""
        rows, group = self.series
        same = np.flatnonzero(group[1:] == group[:-1])
        return rows[same], rows[same + 1]

    def channel(self, row: int) -> str:
        """Channel of a measurement."""
        index = int(self.channel_of_data[row])
        return self.channels[index] if index >= 0 else ""

    def is_modality(self, modality: str) -> NDArray[np.bool_]:
        """Measurements of one modality."""
        of_channel = [self.modality_of_channel[c] == modality for c in self.channels]
        return take(np.array(of_channel, np.bool_), self.channel_of_data, False)


def take(column: NDArray[Any], rows: Rows, fill: Any) -> NDArray[Any]:
    """`column[rows]`, and `fill` where the row is -1."""
    if len(column) == 0:
        return np.full((len(rows), *column.shape[1:]), fill, column.dtype)
    known = (rows >= 0).reshape(-1, *[1] * (column.ndim - 1))
    return np.where(known, column[np.maximum(rows, 0)], fill)


def read_table_set(root: Path, version: str, findings: Findings) -> TableSet:
    """Read all tables, noting every fault of form."""
    folder = root / version
    columns: dict[str, Columns] = {}
    present = set()
    for name, fields in CHECKED.items():
        read = _read(folder / f"{name}.json", name, fields, findings)
        if read is not None:
            present.add(name)
        columns[name] = _with_unique_tokens(name, read or _blank(fields), findings)
    for name, fields in CHECKED.items():
        for key, field in fields.items():
            if isinstance(field, Link | Links):
                columns[name][key] = _resolve(columns, present, (name, key, field), findings)
    return TableSet(root, version, columns, frozenset(present))


def _blank(fields: dict[str, Field]) -> Columns:
    blank = {key: convert([], field) for key, field in fields.items()}
    return {**blank, "sound": np.zeros(0, np.bool_)}


def _read(path: Path, name: str, fields: dict[str, Field], findings: Findings) -> Columns | None:
    if not path.is_file():
        rule = NO_TABLE if name in _MAY_BE_ABSENT else MISSING_TABLE
        findings.add(rule, name, Place("no such file", file=_relative(path)))
        return None
    pieces: list[Columns] = []
    try:
        for rows in iter_rows(path):
            pieces.append(_read_piece(name, rows, fields, findings))
    except TableFormatError as error:
        findings.add(UNREADABLE, name, Place(error.found, file=_relative(path)))
        return None
    columns = join_columns(pieces)
    if len(columns["token"]) == 0:
        rule = NO_RECORDS if name in _MAY_BE_ABSENT else EMPTY_TABLE
        findings.add(rule, name, Place("an empty list", file=_relative(path)))
    return columns


def _relative(path: Path) -> str:
    """As from the data set's folder."""
    return f"{path.parent.name}/{path.name}"


def _read_piece(
    name: str, rows: list[dict[str, Any]], fields: dict[str, Field], findings: Findings
) -> Columns:
    sound = np.ones(len(rows), np.bool_)
    columns: Columns = {}
    for key, field in fields.items():
        try:
            columns[key] = convert(rows, field)
        except BAD_VALUE:
            columns[key], bad = _convert_each(rows, field)
            sound[bad] = False
            _note_values(name, rows, field, bad, findings)
    return {**columns, "sound": sound}


def _convert_each(rows: list[dict[str, Any]], field: Field) -> tuple[NDArray[Any], list[int]]:
    """Values record by record, a filler for those that cannot be read, and which those are."""
    values, bad = [], []
    filler = {field.field: _filler(field)}
    for number, row in enumerate(rows):
        try:
            value = convert([row], field)
        except BAD_VALUE:
            bad.append(number)
            value = convert([filler], field)
        values.append({"value": value})
    return join_columns(values)["value"], bad


def _filler(field: Field) -> Any:
    match field:
        case Number():
            blank = np.nan if issubclass(field.dtype, np.floating) else 0
            return np.full(field.shape, blank, field.dtype).tolist()
        case Links():
            return []
    return ""


def _note_values(
    name: str, rows: Sequence[dict[str, Any]], field: Field, bad: list[int], findings: Findings
) -> None:
    for number in bad:
        row = rows[number]
        token = str(row.get("token", ""))
        if field.field not in row:
            place = Place(f"record {number} has no field '{field.field}'", token)
            findings.add(MISSING_FIELD, name, place, group=field.field)
        else:
            form, value = expected_form(field), repr(row[field.field])[:60]
            place = Place(f"'{field.field}' should be {form}, is {value}", token)
            findings.add(WRONG_TYPE, name, place, group=field.field)


def _with_unique_tokens(name: str, columns: Columns, findings: Findings) -> Columns:
    """Without the later records of a token that occurs again, in the order to look tokens up."""
    tokens = columns["token"]
    order = np.argsort(tokens, kind="stable").astype(np.int32)
    twice = (tokens[order][1:] == tokens[order][:-1]) & (tokens[order][1:] != b"")
    if twice.any():
        copies = np.sort(order[1:][twice])
        times = Counter(tokens[copies].tolist())
        findings.add_rows(
            DUPLICATE,
            name,
            columns,
            copies,
            lambda row: f"record {row} has a token that occurs {times[tokens[row]] + 1} times",
        )
        columns = {key: np.delete(value, copies, axis=0) for key, value in columns.items()}
        order = np.argsort(columns["token"], kind="stable").astype(np.int32)
    return {**columns, "token_order": order}


def _resolve(
    columns: dict[str, Columns],
    present: set[str],
    place: tuple[str, str, Link | Links],
    findings: Findings,
) -> NDArray[np.int32]:
    name, key, link = place
    tokens, own = columns[name][key], columns[name]
    rows, unknown = resolve(columns[link.target], tokens, link)
    if link.target not in present:  # that is told once, not for every record
        return rows
    empty = tokens == b""
    if tokens.ndim == 1:
        unknown, empty = unknown[:, None], empty[:, None]
    unknown = unknown & own["sound"][:, None]
    empty = unknown & empty
    wrong = np.flatnonzero((unknown & ~empty).any(axis=1))

    def found(row: int) -> str:
        lost = tokens[row] if tokens.ndim == 1 else tokens[row][unknown[row]][0]
        return f"{link.field} = '{_text(lost)}' is no token of table {link.target}"

    findings.add_rows(DANGLING, name, own, wrong, found, group=link.field)
    findings.add_rows(
        EMPTY_LINK,
        name,
        own,
        np.flatnonzero(empty.any(axis=1)),
        lambda row: f"{link.field} is empty",
        group=link.field,
    )
    return rows


def _text(value: Any) -> str:
    return value.decode(errors="replace")
