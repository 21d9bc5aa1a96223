"""A JSON list of records from a file, piece by piece.

What enters is a table's path; what leaves are lists of its records in their order, so that the
memory a large table needs is that of one piece. A piece ends between two records; should the text
only look like that there (inside a string, say), the piece is read on until it parses.
"""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import orjson

from mim4d.errors import DataError

PIECE_BYTES = 1 << 22
"""Size of a piece of text: some thousands of records. Small pieces are also read faster."""

_BETWEEN_RECORDS = re.compile(rb"\}\s*,\s*\{")
_TAIL_BYTES = 1 << 16


class TableFormatError(DataError):
    """A file is not a JSON list of records.

    Args:
        path: The file.
        found: What is wrong with it.
    """

    def __init__(self, path: Path, found: str) -> None:
        self.path = path
        self.found = found
        super().__init__(
            f"{path}: {found}; expected a JSON list of records: the file is damaged, cut short or "
            "of another kind: restore it"
        )


def iter_rows(path: Path, piece_bytes: int = PIECE_BYTES) -> Iterator[list[dict[str, Any]]]:
    """Records of a table in pieces, at least one (possibly empty) list.

    Raises:
        TableFormatError: If the file is not valid JSON or not a list of records.
    """
    with path.open("rb") as file:
        text = file.read(piece_bytes).removeprefix(BOM_UTF8)
        first = True
        while True:
            cut = _last_boundary(text) if _has_more(file) else None
            rows = None if cut is None else _parse_piece(text[: cut + 1], first)
            if cut is not None and rows is not None:
                yield _records(path, rows)
                text, first = text[text.index(b"{", cut) :], False
            elif not _has_more(file):
                break
            # A piece that did not parse grows by its own length: few attempts, whatever happens.
            text += file.read(max(piece_bytes, len(text) if rows is None else 0))
    yield _records(path, _parse(path, text if first else b"[" + text))


def _has_more(file: BufferedReader) -> bool:
    return bool(file.peek(1))


def _last_boundary(text: bytes) -> int | None:
    """Where the last record that is followed by another ends."""
    start = max(0, len(text) - _TAIL_BYTES)
    ends = [match.start() for match in _BETWEEN_RECORDS.finditer(text, start)]
    return ends[-1] if ends else None


def _parse_piece(text: bytes, first: bool) -> Any:
    try:
        return loads((b"" if first else b"[") + text + b"]")
    except ValueError:
        return None


def _parse(path: Path, text: bytes) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        found = f"not valid JSON ({error})"
        if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            found = "UTF-16; write it as UTF-8"
        raise TableFormatError(path, found) from error


def loads(text: bytes) -> Any:
    """Parse JSON; also the NaN that Python's own writer makes (which is then reported as such).

    A byte-order mark before it is left out.

    Raises:
        ValueError: If it is not JSON.
    """
    text = text.removeprefix(BOM_UTF8)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if b"NaN" not in text and b"Infinity" not in text:
            raise
        return json.loads(text)


def _records(path: Path, rows: Any) -> list[dict[str, Any]]:
    if not isinstance(rows, list):
        raise TableFormatError(path, f"a JSON {type(rows).__name__}, not a list of records")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise TableFormatError(path, f"entry {number} is no record but {str(row)[:40]!r}")
    return rows
