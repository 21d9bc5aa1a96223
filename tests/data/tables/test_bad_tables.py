"""Every table, every field: what is wrong is refused with the file, the record and the field."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.schema import (
    OPTIONAL_TABLES,
    REQUIRED_TABLES,
    SCHEMA,
    Lens,
    Link,
    Links,
    Number,
    Text,
    Word,
)
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from tests.data.tiny_dataset import (
    Rows,
    complete_tiny_dataset,
    edit_table,
    set_row,
    write_tiny_dataset,
)

FIELDS = [(table, field) for table, fields in SCHEMA.items() for field in fields.values()]
LINKS = [(table, field) for table, field in FIELDS if isinstance(field, Link | Links)]
NUMBERS = [
    (table, field)
    for table, field in FIELDS
    if isinstance(field, Number) and field.field not in ("is_key_frame", "is_valid")
]
NEEDED = [
    (table, field)
    for table, field in FIELDS
    if not isinstance(field, Links | Lens)
    and getattr(field, "missing", None) is None
    and not getattr(field, "may_be_absent", False)
]
# A text that may be absent is kept whatever it is (distortion is a list of numbers, say).
# What is said of a lens may have any form; every number that is not zero counts.
TYPED = [
    (t, f)
    for t, f in FIELDS
    if not (isinstance(f, Lens) or (isinstance(f, Text) and f.missing is not None))
]


def names(value: object) -> str:
    return (
        value.field if isinstance(value, Text | Word | Lens | Number | Link | Links) else str(value)
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("complete") / "data"
    return complete_tiny_dataset(write_tiny_dataset(root, ("CAM_FRONT", "CAM_BACK")))


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """The tables copied; the files are not needed to be refused."""
    shutil.copytree(original / "v1.0-mini", tmp_path / "data" / "v1.0-mini")
    return tmp_path / "data"


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        NuscenesTables.open(root)
    return str(caught.value)


def change_second(root: Path, table: str, change: Callable[[dict], object]) -> tuple[Path, str]:
    """Change a record amid the table; returns the table's path and the record's token."""
    tokens: list[str] = []

    def apply(rows: Rows) -> None:
        row = rows[min(1, len(rows) - 1)]
        tokens.append(row["token"])
        change(row)

    return edit_table(root, table, apply), tokens[0]


@pytest.mark.parametrize("table", SCHEMA)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "not valid JSON"),
        (b'[{"token": "a"}, {"tok', "not valid JSON"),
        (b'{"token": "a"}', "a JSON dict"),
        (b'[{"token": "a"}, "b"]', "entry 1 is no record"),
    ],
)
def test_file_that_is_no_table(root: Path, table: str, content: bytes, found: str) -> None:
    path = root / "v1.0-mini" / f"{table}.json"
    path.write_bytes(content)
    message = refusal(root)
    assert str(path) in message
    assert found in message
    assert "list of records" in message


@pytest.mark.parametrize("table", [name for name in SCHEMA if name != "sample_annotation"])
def test_missing_table(root: Path, table: str) -> None:
    (root / "v1.0-mini" / f"{table}.json").unlink()
    message = refusal(root)
    assert f"{table}.json not found" in message or f"table {table}" in message


@pytest.mark.parametrize("table", OPTIONAL_TABLES)
def test_a_table_nobody_needs_may_be_missing(root: Path, table: str) -> None:
    for name in ("category", "instance", "sample_annotation"):
        (root / "v1.0-mini" / f"{name}.json").unlink()
    (root / "v1.0-mini" / f"{table}.json").unlink(missing_ok=True)
    assert len(NuscenesTables.open(root)) == 10


@pytest.mark.parametrize(("table", "field"), NEEDED, ids=names)
def test_missing_field(root: Path, table: str, field: Text | Number | Link) -> None:
    path, token = change_second(root, table, lambda row: row.pop(field.field))
    message = refusal(root)
    assert str(path) in message
    assert f"'{field.field}'" in message
    assert "found nothing" in message
    assert token in message or field.field == "token"


@pytest.mark.parametrize(("table", "field"), TYPED, ids=names)
@pytest.mark.parametrize("value", [{"x": 1}, "text", 3.5, [1, [2]]], ids=str)
def test_wrong_type(
    root: Path, table: str, field: Text | Number | Link | Links, value: object
) -> None:
    right: dict[type, tuple[type, ...]] = {Text: (str,), Word: (str,), Link: (str,), Links: ()}
    if isinstance(value, right.get(type(field), ())):
        value = None
    elif isinstance(field, Number) and field.shape == () and isinstance(value, float):
        value = [value] if field.field == "is_key_frame" else {"x": value}
    path, token = change_second(root, table, lambda row: row.update({field.field: value}))
    if value is None and getattr(field, "may_be_absent", False):
        NuscenesTables.open(root)  # null is nothing
        return
    message = refusal(root)
    assert str(path) in message
    assert f"'{field.field}'" in message
    assert token in message or field.field == "token"


@pytest.mark.parametrize("table", SCHEMA)
def test_duplicate_token(root: Path, table: str) -> None:
    tokens: list[str] = []

    def repeat(rows: Rows) -> None:
        tokens.append(rows[0]["token"])
        rows.append(dict(rows[0]))

    path = edit_table(root, table, repeat)
    message = refusal(root)
    assert str(path) in message
    assert f"token {tokens[0]} occurs more than once" in message


@pytest.mark.parametrize(("table", "field"), LINKS, ids=names)
def test_dangling_token(root: Path, table: str, field: Link | Links) -> None:
    lost = ["lost"] if isinstance(field, Links) else "lost"
    path, token = change_second(root, table, lambda row: row.update({field.field: lost}))
    message = refusal(root)
    assert f"{path}, token {token}: {field.field} = 'lost'" in message
    assert f"table {field.target}" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None], ids=str)
@pytest.mark.parametrize(("table", "field"), NUMBERS, ids=names)
def test_number_that_is_none(root: Path, table: str, field: Number, value: float | None) -> None:
    def spoil(row: dict) -> None:
        content = row.get(field.field)
        while isinstance(content, list) and content and isinstance(content[0], list):
            content = content[0]
        if isinstance(content, list):
            content[0] = value
        else:
            row[field.field] = value

    path, token = change_second(root, table, spoil)
    if value is None and field.missing is not None and field.shape == ():
        NuscenesTables.open(root)  # null is nothing
        return
    message = refusal(root)
    assert str(path) in message
    assert token in message


CHAINS = {
    "sample": ("scene0-sample", "scene1-sample0"),
    "sample_data": ("scene0-CAM_BACK-", "scene0-LIDAR_TOP-5"),
    "sample_annotation": ("scene0-object0-", "scene1-object0-0"),
}


@pytest.mark.parametrize("table", CHAINS)
@pytest.mark.parametrize("fault", ["one-way", "cycle", "backward", "crossing"])
def test_broken_chain(root: Path, table: str, fault: str) -> None:
    start, other = CHAINS[table]

    def spoil(rows: Rows) -> None:
        by_token = {row["token"]: row for row in rows}
        own = [row for row in rows if row["token"].startswith(start)]
        if fault == "one-way":
            own[2]["prev"] = own[0]["token"]
        elif fault == "cycle":
            own[0]["prev"], own[-1]["next"] = own[-1]["token"], own[0]["token"]
        elif fault == "backward":
            own[2]["prev"], own[1]["next"] = "", ""
            own[0]["prev"], own[-1]["next"] = own[-1]["token"], own[0]["token"]
        else:
            behind = by_token[other]
            if behind["prev"]:
                by_token[behind["prev"]]["next"] = ""
            own[1]["next"], own[2]["prev"] = "", ""
            own[1]["next"], behind["prev"] = behind["token"], own[1]["token"]

    path = edit_table(root, table, spoil)
    message = refusal(root)
    found = {
        "one-way": "point back",
        "cycle": "cycle",
        "backward": "earlier in time",
        "crossing": "next is a ",
    }
    assert str(path) in message
    assert found[fault] in message
    assert start in message


@pytest.mark.parametrize("table", REQUIRED_TABLES)
def test_empty_table(root: Path, table: str) -> None:
    (root / "v1.0-mini" / f"{table}.json").write_text("[]")
    with pytest.raises(DataError) as caught:
        NuscenesDataset(root, frames=1, image_hw=(32, 64))
    assert table in str(caught.value) or "none" in str(caught.value)


def test_all_tables_empty(root: Path) -> None:
    for path in root.glob("v1.0-mini/*.json"):
        path.write_text("[]")
    with pytest.raises(DataError, match="measured anything has the modality 'camera'"):
        NuscenesDataset(root, frames=1, image_hw=(32, 64))


def test_scenes_of_one_sample_say_why_no_clip_comes_of_them(root: Path) -> None:
    def alone(rows: Rows) -> None:
        rows[:] = [{**row, "prev": "", "next": ""} for row in rows if row["token"].endswith("e0")]

    def of_first(rows: Rows) -> None:
        kept = [row for row in rows if row["sample_token"].endswith("e0")]
        rows[:] = [{**row, "prev": "", "next": ""} for row in kept]

    edit_table(root, "sample", alone)
    edit_table(root, "sample_data", of_first)
    for name in ("instance", "sample_annotation"):
        (root / "v1.0-mini" / f"{name}.json").unlink()
    for scene in ("scene0", "scene1"):
        edit_table(root, "scene", set_row(scene, last_sample_token=f"{scene}-sample0"))
    assert len(NuscenesDataset(root, frames=1, image_hw=(32, 64))) == 2
    with pytest.raises(DataError) as caught:
        NuscenesDataset(root, frames=2, image_hw=(32, 64))
    for text in ["clip of 2", "tiny-0", "1 keyframes", "fewer frames"]:
        assert text in str(caught.value)


def test_attributes_and_visibility_are_read(root: Path) -> None:
    tables = NuscenesTables.open(root)
    car = tables.annotation(tables.find("sample_annotation", "scene0-object0-0"))
    assert car.attributes == ("vehicle.moving",)
    assert car.visibility == "v4"
    barrier = tables.annotation(tables.find("sample_annotation", "scene0-object1-2"))
    assert barrier.attributes == ()
    two = {"attribute_tokens": ["attribute1", "attribute2"], "visibility_token": ""}
    edit_table(root, "sample_annotation", set_row("scene0-object0-0", **two))
    tables = NuscenesTables.open(root)
    car = tables.annotation(tables.find("sample_annotation", "scene0-object0-0"))
    assert car.attributes == ("vehicle.parked", "pedestrian.standing")
    assert car.visibility == ""
    assert json.loads((root / "v1.0-mini/attribute.json").read_text())[1]["name"] == (
        "vehicle.parked"
    )
