import multiprocessing
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mim4d.data.tables.column_cache import default_cache_dir
from mim4d.data.tables.dataset_folder import read_split
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from tests.data.tiny_dataset import Rows, edit_table, yaw_quaternion


def refusal(root: Path, version: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        NuscenesTables.open(root, version)
    return str(caught.value)


def test_records_are_views_of_the_tables(tiny: Path) -> None:
    tables = NuscenesTables.open(tiny)
    assert tables.version == "v1.0-mini"
    assert len(tables) == 10
    assert tables.scene_names == ("tiny-0", "tiny-1")
    assert tables.category_names == ("movable_object.barrier", "vehicle.car")
    assert tables.channels("camera") == ("CAM_BACK", "CAM_FRONT", "CAM_FRONT_LEFT")
    assert tables.channels("lidar") == ("LIDAR_TOP",)
    data = tables.sample_data(tables.find("sample_data", "scene1-CAM_BACK-5"))
    assert data.channel == "CAM_BACK"
    assert data.is_key_frame
    assert (data.height_px, data.width_px) == (33, 49)
    assert data.filename == "samples/CAM_BACK/scene1-CAM_BACK-5.jpg"
    assert tables.sample(data.sample).token == "scene1-sample1"
    assert tables.scene(tables.sample(data.sample).scene).name == "tiny-1"
    first = tables.annotation(tables.find("sample_annotation", "scene0-object0-0"))
    assert first.category == "vehicle.car"
    assert first.prev == -1
    assert tables.annotation(first.next).token == "scene0-object0-1"
    assert first.size_wlh_m == (2.0, 4.0, 1.6)


def test_groups_are_sorted_by_time_whatever_the_order_of_the_table(tiny: Path) -> None:
    for table in ("sample", "sample_data", "ego_pose"):
        edit_table(tiny, table, lambda rows: rows.reverse())
    tables = NuscenesTables.open(tiny)
    for scene in range(2):
        tokens = [tables.sample(int(s)).token for s in tables.samples_of_scene(scene)]
        assert tokens == [f"scene{scene}-sample{k}" for k in range(5)]
        rows = tables.data_of_scene(scene, "CAM_FRONT")
        tokens = [tables.sample_data(int(r)).token for r in rows]
        assert tokens == [f"scene{scene}-CAM_FRONT-{k}" for k in range(21)]
    assert len(tables.data_of_scene(0, "CAM_UNKNOWN")) == 0


def test_unknown_token_is_a_key_error(tiny: Path) -> None:
    with pytest.raises(KeyError, match="nonsense"):
        NuscenesTables.open(tiny).find("sample", "nonsense")


def test_tables_without_labels_and_fields_we_do_not_need(tiny: Path) -> None:
    for name in ("category", "instance", "sample_annotation"):
        (tiny / "v1.0-mini" / f"{name}.json").unlink()
    tables = NuscenesTables.open(tiny)
    assert tables.category_names == ()
    assert len(tables.annotations_of_sample(0)) == 0


# The cache


def is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def test_second_opening_maps_the_cache_and_leaves_the_data_alone(
    tiny: Path, table_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(tiny.rglob("*"))
    NuscenesTables.open(tiny)
    assert sorted(tiny.rglob("*")) == before
    assert len(list(table_cache.glob("nuscenes/*/columns.bin"))) == 1
    monkeypatch.setattr(
        "mim4d.data.tables.tables.read_tables", lambda folder: pytest.fail("read again")
    )
    tables = NuscenesTables.open(tiny)
    assert is_mapped(tables.column("sample_data", "timestamp_us"))
    assert len(list((table_cache / "nuscenes").iterdir())) == 1  # nothing temporary is left


def test_changed_table_is_read_anew(tiny: Path) -> None:
    NuscenesTables.open(tiny)
    edit_table(tiny, "scene", lambda rows: rows[0].update(name="a longer name"))
    assert NuscenesTables.open(tiny).scene_names[0] == "a longer name"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-8]),
        lambda path: path.write_bytes(b"no array"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.parent / "manifest.json").unlink(),
        lambda path: (path.parent / "manifest.json").write_text("{"),
        lambda path: (path.parent / "manifest.json").write_text("[]"),
        lambda path: (path.parent / "manifest.json").write_text("{}"),
    ],
)
def test_damaged_cache_is_rebuilt(
    tiny: Path, table_cache: Path, damage: Callable[[Path], object]
) -> None:
    NuscenesTables.open(tiny)
    damage(next(table_cache.glob("nuscenes/*/columns.bin")))
    tables = NuscenesTables.open(tiny)
    assert tables.column("sample_data", "timestamp_us").min() == 1_600_000_000_000_000 - 20_000
    assert is_mapped(NuscenesTables.open(tiny).column("sample", "scene"))
    assert len(list((table_cache / "nuscenes").iterdir())) == 1


def _open_together(root: Path, barrier: Any, answers: Any) -> None:
    barrier.wait()
    answers.put(len(NuscenesTables.open(root)))


def test_processes_may_build_the_cache_at_once(tiny: Path, table_cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_open_together, args=(tiny, barrier, answers)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == [10, 10, 10]
    for process in processes:
        process.join()
    assert len(list((table_cache / "nuscenes").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_told_and_done_without(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert len(NuscenesTables.open(tiny, cache_dir=tmp_path / "file")) == 10
    assert "set MIM4D_CACHE" in caplog.text


def test_a_user_without_a_home_has_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIM4D_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    temporary = Path(tempfile.gettempdir())
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert default_cache_dir().parent == temporary

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert default_cache_dir().parent == temporary


def test_pickling_reopens_instead_of_copying(tiny: Path) -> None:
    tables = NuscenesTables.open(tiny)
    pickled = pickle.dumps(tables)
    assert len(pickled) < 500
    assert pickle.loads(pickled).scene_names == tables.scene_names


# Bad input: folders


def test_missing_folder(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert "nowhere not found" in message
    with pytest.raises(FileNotFoundError):
        NuscenesTables.open(tmp_path / "nowhere")


def test_wrong_version_names_those_found(tiny: Path) -> None:
    message = refusal(tiny, "v1.0-trainval")
    assert "v1.0-trainval" in message
    assert "found: v1.0-mini" in message


def test_several_versions_are_listed(tiny: Path) -> None:
    shutil.copytree(tiny / "v1.0-mini", tiny / "v1.0-test")
    assert "v1.0-mini, v1.0-test" in refusal(tiny)
    assert NuscenesTables.open(tiny, "v1.0-test").version == "v1.0-test"


def test_folder_without_tables_and_folder_of_tables(tiny: Path) -> None:
    assert "is itself a folder of tables" in refusal(tiny / "v1.0-mini")
    assert "no folder with nuScenes tables" in refusal(tiny / "samples")


@pytest.mark.parametrize(
    "table",
    ["scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor", "log"],
)
def test_missing_table(tiny: Path, table: str) -> None:
    (tiny / "v1.0-mini" / f"{table}.json").unlink()
    message = refusal(tiny)
    assert f"{table}.json not found" in message
    assert "v1.0-mini" in message


# Bad input: content of tables


def test_corrupt_json(tiny: Path, table_cache: Path) -> None:
    path = tiny / "v1.0-mini" / "ego_pose.json"
    path.write_text(path.read_text()[:-20])
    message = refusal(tiny)
    assert str(path) in message
    assert "not valid JSON" in message
    assert not list(table_cache.rglob("*"))  # nothing half written


def test_json_that_is_no_list_of_records(tiny: Path) -> None:
    path = tiny / "v1.0-mini" / "log.json"
    path.write_text('{"token": "a"}')
    message = refusal(tiny)
    assert str(path) in message
    assert "list of records" in message


def _set(row: int, **values: object) -> Callable[[Rows], object]:
    return lambda rows: rows[row].update(values)


def _append_first(rows: Rows) -> None:
    rows.append(rows[0])


# Table, change, and what the message must contain.
BAD_TABLES: dict[str, tuple[str, Callable[[Rows], object], list[str]]] = {
    "lacks a field": (
        "sample",
        lambda rows: rows[1].pop("timestamp"),
        ["scene0-sample1", "'timestamp'", "found nothing"],
    ),
    "wrong form": (
        "ego_pose",
        _set(3, rotation=[1.0, 0.0]),
        ["pose-scene0-LIDAR_TOP-3", "'rotation'", "(4,)", "[1.0, 0.0]"],
    ),
    "unknown link": (
        "sample_data",
        _set(2, ego_pose_token="lost"),
        ["scene0-LIDAR_TOP-2", "ego_pose_token", "'lost'", "table ego_pose"],
    ),
    "empty link where one is needed": (
        "sample_data",
        _set(2, sample_token=""),
        ["scene0-LIDAR_TOP-2", "sample_token", "table sample"],
    ),
    "unknown next": ("sample", _set(1, next="lost"), ["scene0-sample1", "next", "'lost'"]),
    "sample chain does not mirror": (
        "sample",
        _set(2, prev=""),
        ["sample.json", "scene0-sample1", "next is scene0-sample2", "prev is empty"],
    ),
    "sample_data chain does not mirror": (
        "sample_data",
        _set(4, prev="scene0-LIDAR_TOP-1"),
        ["sample_data.json", "scene0-LIDAR_TOP-3", "prev is scene0-LIDAR_TOP-1"],
    ),
    "duplicate token": ("sensor", _append_first, ["sensor-LIDAR_TOP", "more than once"]),
    "NaN quaternion": (
        "ego_pose",
        _set(3, rotation=[float("nan"), 0, 0, 1]),
        ["ego_pose.json", "pose-scene0-LIDAR_TOP-3", "nan", "unit quaternion"],
    ),
    "null quaternion": (
        "ego_pose",
        _set(3, rotation=[None, 0, 0, 1]),
        ["pose-scene0-LIDAR_TOP-3", "unit quaternion"],
    ),
    "quaternion too long": (
        "calibrated_sensor",
        _set(1, rotation=[1.0, 0.1, 0.0, 0.0]),
        ["calib-CAM_FRONT", "[1.0, 0.1, 0.0, 0.0]", "unit quaternion"],
    ),
    "infinite translation": (
        "ego_pose",
        _set(3, translation=[float("inf"), 0, 0]),
        ["pose-scene0-LIDAR_TOP-3", "inf", "finite"],
    ),
    "box without size": (
        "sample_annotation",
        _set(0, size=[2.0, 0.0, 1.0]),
        ["scene0-object0-0", "[2.0, 0.0, 1.0]", "positive"],
    ),
    "singular intrinsics": (
        "calibrated_sensor",
        _set(1, camera_intrinsic=[[0, 0, 32], [0, 40, 20], [0, 0, 1]]),
        ["calib-CAM_FRONT", "[[0.0, 0.0, 32.0]", "fx, fy > 0"],
    ),
    "intrinsics without their last row": (
        "calibrated_sensor",
        _set(1, camera_intrinsic=[[40, 0, 32], [0, 40, 20], [0, 0, 0]]),
        ["calib-CAM_FRONT", "[0, 0, 1]"],
    ),
    "camera without intrinsics": (
        "calibrated_sensor",
        _set(1, camera_intrinsic=[]),
        ["calib-CAM_FRONT", "nan", "fx, fy > 0"],
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_table_is_named(tiny: Path, case: str) -> None:
    table, change, contains = BAD_TABLES[case]
    path = edit_table(tiny, table, change)
    message = refusal(tiny)
    for text in [str(path), *contains]:
        assert text in message


def test_cycle_in_a_chain(tiny: Path) -> None:
    def close(rows: Rows) -> None:
        rows[0]["prev"], rows[4]["next"] = rows[4]["token"], rows[0]["token"]

    path = edit_table(tiny, "sample", close)
    message = refusal(tiny)
    assert f"{path}, token scene0-sample0" in message
    assert "cycle" in message
    assert "5 such records" in message


def test_chain_that_goes_back_in_time(tiny: Path) -> None:
    edit_table(tiny, "sample", lambda rows: rows[1].update(timestamp=rows[1]["timestamp"] + 10**6))
    message = refusal(tiny)
    assert "scene0-sample1" in message
    assert "earlier in time" in message


def test_chain_across_scenes(tiny: Path) -> None:
    def link(rows: Rows) -> None:
        rows[4]["next"], rows[5]["prev"] = rows[5]["token"], rows[4]["token"]

    edit_table(tiny, "sample", link)
    message = refusal(tiny)
    assert "scene0-sample4" in message
    assert "another scene" in message


def test_slightly_long_quaternion_is_normalised(tiny: Path) -> None:
    rotation = [1.0005 * q for q in yaw_quaternion(0.3)]
    edit_table(tiny, "ego_pose", _set(0, rotation=rotation))
    tables = NuscenesTables.open(tiny)
    pose = tables.global_from_ego(np.array([tables.find("sample_data", "scene0-LIDAR_TOP-0")]))[0]
    assert pose[0, 0].item() == pytest.approx(np.cos(0.3), abs=1e-12)


# Splits


def test_splits(tmp_path: Path) -> None:
    assert read_split(tmp_path, "train") is None
    (tmp_path / "splits.json").write_bytes(orjson.dumps({"train": ["a", "b"], "val": ["c"]}))
    assert read_split(tmp_path, "train") == ["a", "b"]
    with pytest.raises(DataError, match="'test'; it has: train, val"):
        read_split(tmp_path, "test")
    (tmp_path / "splits.json").write_text("{")
    with pytest.raises(DataError, match=r"splits.json: not valid JSON"):
        read_split(tmp_path, "train")
