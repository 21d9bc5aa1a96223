import json
from pathlib import Path

import pytest

from mim4d.data.tables.json_rows import TableFormatError, iter_rows


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


ROWS = [
    {"token": "a", "list": [{"x": 1}, {"x": 2}], "text": "} , {"},
    {"token": "b", "text": 'quote " and \\ and }, {"'},
    {"token": "c", "number": [[1.5, 2], []]},
    {"token": "d"},
] * 5


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("piece", [16, 50, 100, 400, 10**6])
def test_pieces_of_any_size_give_the_same_records(
    tmp_path: Path, indent: int | None, piece: int
) -> None:
    path = written(tmp_path / "a.json", json.dumps(ROWS, indent=indent))
    pieces = list(iter_rows(path, piece))
    assert [row for rows in pieces for row in rows] == ROWS
    assert len(pieces) > 1 or piece != 400


def test_an_empty_list_is_one_empty_piece(tmp_path: Path) -> None:
    assert list(iter_rows(written(tmp_path / "a.json", " [ ] "))) == [[]]


@pytest.mark.parametrize("piece", [10, 10**6])
def test_nan_is_read(tmp_path: Path, piece: int) -> None:
    path = written(tmp_path / "a.json", '[{"a": 1}, {"a": NaN}, {"a": -Infinity}]')
    values = [row["a"] for rows in iter_rows(path, piece) for row in rows]
    assert values[0] == 1
    assert values[1] != values[1]
    assert values[2] == -float("inf")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "not valid JSON"),
        ('[{"a": 1}, {"a": ', "not valid JSON"),
        ('[{"a": 1}, {"a": 2}', "not valid JSON"),
        ('[{"a": 1}, {"a": 2}] x', "not valid JSON"),
        ('[{"a": 1}, {"a": nan}]', "not valid JSON"),
        ('{"a": [1]}', "a JSON dict"),
        ("null", "a JSON NoneType"),
        ('[{"a": 1}, 3]', "entry 1 is no record but '3'"),
    ],
)
@pytest.mark.parametrize("piece", [8, 10**6])
def test_what_is_no_table(tmp_path: Path, text: str, found: str, piece: int) -> None:
    path = written(tmp_path / "a.json", text)
    with pytest.raises(TableFormatError, match="restore") as caught:
        list(iter_rows(path, piece))
    assert str(path) in str(caught.value)
    assert found in str(caught.value) or (piece == 8 and "entry" in str(caught.value))
