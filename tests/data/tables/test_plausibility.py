"""What others write differently is read where it is plain what is meant, else refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mim4d.data.fingerprint import fingerprint
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.lenses import lens_of
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from tests.data.tiny_dataset import Rows, edit_table, set_row, write_tiny_dataset

Edit = tuple[str, Callable[[Rows], object]]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("plain") / "data", ("CAM_FRONT", "CAM_BACK"))


@pytest.fixture
def root(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    shutil.copytree(original / "v1.0-mini", tmp_path / "data" / "v1.0-mini")
    return tmp_path / "data"


def every(key: str, change: Callable[[Any], Any]) -> Callable[[Rows], object]:
    return lambda rows: [row.update({key: change(row[key])}) for row in rows]


def timed(change: Callable[[Any], Any]) -> list[Edit]:
    return [(table, every("timestamp", change)) for table in ("sample", "sample_data")]


def all_of(table: str, key: str, change: Callable[[Any], Any]) -> list[Edit]:
    return [(table, every(key, change))]


def times(factor: float) -> Callable[[Any], Any]:
    return lambda values: [factor * value for value in values]


SECOND_KEY = set_row("scene0-CAM_BACK-11", is_key_frame=True, sample_token="scene0-sample3")
LARGE = [[90, 0, 60], [0, 90, 40], [0, 0, 1]]


def late(seconds: float) -> Edit:
    """The cameras' clocks."""

    def change(rows: Rows) -> None:
        for row in rows:
            row["timestamp"] += round(seconds * 1e6) if "CAM" in row["token"] else 0

    return "sample_data", change


REFUSED: dict[str, tuple[list[Edit], str]] = {
    "seconds": (timed(lambda x: x / 1e6), "0.5 apart"),
    "milliseconds": (timed(lambda x: x // 1000), "500 apart"),
    "nanoseconds": (timed(lambda x: x * 1000), "5e\\+08 apart"),
    "clocks an hour late": ([late(3600)], r"0% of the key images \(CAM_BACK 0%, CAM_FRONT 0%\)"),
    "clocks more than an interval late": ([late(0.6)], r"usual are \+0.58 s"),
    "clocks early": ([late(-0.6)], "clocks, or sample_token"),
    "one name": (all_of("scene", "name", lambda _: "drive"), "2 scenes have the name 'drive'"),
    "a nameless sensor": (all_of("sensor", "channel", lambda _: ""), "channel is empty"),
    "two key frames": ([("sample_data", SECOND_KEY)], "another key frame"),
    "one file": (all_of("sample_data", "filename", lambda _: "samples/a"), "another measurement"),
    "backslashes": (
        all_of("sample_data", "filename", lambda name: name.replace("/", "\\")),
        "has backslashes",
    ),
    "absolute": (
        all_of("sample_data", "filename", lambda name: f"/data/set/{name}"),
        "a path of another machine",
    ),
    "centimetres": (all_of("calibrated_sensor", "translation", times(100)), "from the ego origin"),
    "on its roof": (all_of("ego_pose", "rotation", lambda _: [0.0, 1.0, 0.0, 0.0]), "its roof"),
    "poses in millimetres": (all_of("ego_pose", "translation", times(1000)), "a median speed"),
    "another size": (
        [("calibrated_sensor", set_row("calib-CAM_BACK", camera_intrinsic=LARGE))],
        "lies outside of its 49x33",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused(name: str, root: Path) -> None:
    edits, found = REFUSED[name]
    for table, change in edits:
        edit_table(root, table, change)
    with pytest.raises(DataError, match=found) as caught:
        NuscenesTables.open(root)
    assert f"{edits[0][0]}.json" in str(caught.value)


def test_clocks_less_than_an_interval_late_are_read(root: Path) -> None:
    table, change = late(0.4)
    edit_table(root, table, change)
    assert len(NuscenesTables.open(root)) == 10


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\n "])
def test_a_byte_order_mark_is_left_out(root: Path, mark: bytes) -> None:
    for path in root.glob("*/*.json"):
        path.write_bytes(mark + path.read_bytes())
    (root / "splits.json").write_bytes(mark + b'{"train": ["tiny-0"]}')
    assert len(NuscenesTables.open(root)) == 10


def test_utf_16_is_named(root: Path) -> None:
    path = root / "v1.0-mini" / "sensor.json"
    path.write_text(path.read_text(), encoding="utf-16")
    with pytest.raises(DataError, match=r"sensor\.json: UTF-16; write it as UTF-8"):
        NuscenesTables.open(root)


@pytest.mark.parametrize("write", [str.upper, str.capitalize, lambda text: text])
def test_case_of_a_modality_does_not_count(root: Path, write: Callable[[str], str]) -> None:
    edit_table(root, "sensor", every("modality", write))
    assert NuscenesTables.open(root).channels("camera") == ("CAM_BACK", "CAM_FRONT")


@pytest.mark.parametrize(
    "field",
    [
        {"camera_distortion": [-0.3, 0.1]},
        {"distortion": {"k1": -0.3, "k2": 0}},
        {"distortion_coefficients": [[0, 0, 0.001, 0]]},
        {"dist_coeffs": [0.1]},
        {"D": [1e-3, 0, 0, 0, 0]},
        {"k1": 0.02},
        {"xi": 1.7},
        {"radial_distortion": [0.2]},
        {"fisheye": [0.01, 0, 0, 0]},
        {"camera_model": "equidistant"},
        {"distortion_model": "kannala_brandt", "D": [0, 0, 0, 0]},
    ],
    ids=str,
)
def test_a_lens_under_any_name_is_refused(root: Path, field: dict[str, Any]) -> None:
    edit_table(root, "calibrated_sensor", set_row("calib-CAM_BACK", **field))
    with pytest.raises(DataError, match=r"calib-CAM_BACK \(CAM_BACK\): its lens is"):
        NuscenesDataset(root, frames=1, image_hw=(32, 64))
    assert len(NuscenesDataset(root, frames=1, image_hw=(32, 64), cameras=("CAM_FRONT",))) == 10


@pytest.mark.parametrize(
    "record",
    [
        {"camera_distortion": [0, 0.0, 0]},
        {"distortion": {"k1": 0, "model": "pinhole"}},
        {"distortion_model": "plumb_bob", "D": [0, 0, 0, 0, 0]},
        {"camera_distortion": None, "dist_coeffs": []},
        {"token": "k1", "translation": [1, 2, 3], "radial_velocity": 3.0},
    ],
    ids=str,
)
def test_a_pinhole_has_no_lens(record: dict[str, Any]) -> None:
    assert lens_of(record) == ""


def test_a_data_set_is_known_wherever_it_lies(root: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere" / "set"))
    for path in moved.glob("*/*.json"):  # written anew by another program
        path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    here, there = (fingerprint(NuscenesTables.open(r), ["tiny-1"]) for r in (root, moved))
    assert here == there
    assert list(here["scenes"]) == ["tiny-1"]


@pytest.mark.parametrize(
    ("table", "change", "part"),
    [
        (
            "calibrated_sensor",
            set_row("calib-CAM_BACK", translation=[1.5, 0.0, 1.6]),
            "calibration",
        ),
        ("ego_pose", set_row("pose-scene0-CAM_BACK-7", translation=[1000.0, 2001.5, 0.0]), "poses"),
        ("sample_data", set_row("scene0-CAM_BACK-7", filename="samples/other.jpg"), "measurements"),
        ("sample_annotation", set_row("scene0-object1-2", size=[1.0, 1.0, 1.0]), "labels"),
    ],
)
def test_other_data_are_told(
    root: Path, table: str, change: Callable[[Rows], object], part: str
) -> None:
    before = dict(fingerprint(NuscenesTables.open(root), ["tiny-0"]))
    edit_table(root, table, change)
    after = dict(fingerprint(NuscenesTables.open(root), ["tiny-0"]))
    assert [name for name in before if before[name] != after[name]] == [part]
