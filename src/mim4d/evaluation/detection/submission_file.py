"""The official file of detections, sample by sample, so that memory is that of one sample.

`{"meta": {...}, "results": {sample_token: [box, ...]}}`. A sample's list is cut out where it ends
and parsed by itself; should the text only look like an end there (inside a string, say), it is read
on until it parses. What is around the lists must be JSON as well.
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mim4d.data.tables.json_rows import loads
from mim4d.errors import DataError, MissingFileError

BOX_FIELDS = (
    *("translation", "size", "rotation", "velocity"),
    *("detection_name", "detection_score", "attribute_name"),
)
"""Of a box, after the token of its sample. Metres, metres per second and quaternions w x y z in the
global frame; sizes are width, length, height."""

_RESULTS = re.compile(rb'"results"\s*:\s*\{')
_SAMPLE = re.compile(rb'\s*(,)?\s*"((?:[^"\\]|\\.)*)"\s*:\s*(?=\[)')
_LIST_END = re.compile(rb"[\[\}]\s*\]")
_END = re.compile(rb"\s*\}")


def box_records(sample_token: str, *columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Boxes of a sample as the file has them.

    Args:
        sample_token: Of the sample.
        *columns: The values of each of `BOX_FIELDS`, one of each box.
    """
    return [
        {"sample_token": sample_token, **dict(zip(BOX_FIELDS, values, strict=True))}
        for values in zip(*columns, strict=True)
    ]


def iter_samples(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Token and boxes of each sample, in the order of the file.

    Raises:
        DataError: If the file is missing, no JSON, or not of this form.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected a detection submission (.json)")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty; expected a detection submission (JSON)")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start = _RESULTS.search(text)
        if start is None:
            raise _damaged(path, 'it has no object "results"')
        position, first = start.end(), True
        while match := _SAMPLE.match(text, position):
            if (match[1] is None) != first:
                raise _damaged(path, f"a comma is missing or too many at byte {position}")
            token, first = match[2].decode(), False
            boxes, position = _list_at(path, text, match.end(), token)
            yield token, boxes
        end = _END.match(text, position)
        if end is None:
            raise _damaged(path, f"it cannot be read on from byte {position}")
        _check_rest(path, text[: start.end()] + text[end.end() - 1 :])


def _list_at(
    path: Path, text: mmap.mmap, start: int, token: str
) -> tuple[list[dict[str, Any]], int]:
    for match in _LIST_END.finditer(text, start):
        try:
            boxes = loads(text[start : match.end()])
        except ValueError:
            continue
        if not all(isinstance(box, dict) for box in boxes):
            raise _damaged(path, f"the boxes of sample {token} are not all objects")
        return boxes, match.end()
    raise _damaged(path, f"the boxes of sample {token} are no JSON list, or have no end")


def _check_rest(path: Path, text: bytes) -> None:
    try:
        loads(text)
    except ValueError as error:
        raise _damaged(path, f"around its results it is no JSON ({error})") from error


def _damaged(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found}; expected the official form of detections, "
        '{"meta": {...}, "results": {sample_token: [box, ...]}}: the file is cut short, damaged or '
        "of another kind"
    )
