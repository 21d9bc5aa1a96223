"""Clips that can be read, that lie in one drive, and of what is valid; the rest is left out."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from tests.data.tiny_dataset import Rows, edit_table, write_tiny_dataset


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("whole") / "data", ("CAM_FRONT", "CAM_BACK"))


@pytest.fixture
def data(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(original, tmp_path / "data"))


def opened(data: Path, frames: int = 3, **options: Any) -> NuscenesDataset:
    return NuscenesDataset(data, frames=frames, key=-1, image_hw=(32, 64), **options)


def test_clips_without_their_files_leave_the_index(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for k in (5, 10):  # of scene 0: its clips end at keyframes 2, 3, 4
        (data / f"samples/CAM_BACK/scene0-CAM_BACK-{k}.jpg").unlink()
    (data / "samples/LIDAR_TOP/scene1-LIDAR_TOP-20.pcd.bin").write_bytes(b"")
    clips = opened(data, on_bad_clip="skip")
    assert len(clips) == 2
    assert [clips[i].key_tokens[0] for i in range(2)] == ["scene1-sample2", "scene1-sample3"]
    assert caplog.text.count("left out") == 1
    assert "4 of 6 clips are left out" in caplog.text
    assert "2 remain" in caplog.text
    with pytest.raises(DataError, match="not found"):
        opened(data)[0]


def test_no_clip_with_all_of_its_files(data: Path) -> None:
    shutil.rmtree(data / "samples" / "CAM_BACK")
    with pytest.raises(DataError, match="none of its 6 clips has all of its files"):
        opened(data, on_bad_clip="skip")


@pytest.mark.slow
def test_others_take_a_damaged_clips_place_evenly(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "samples/CAM_BACK/scene0-CAM_BACK-0.jpg").write_bytes(b"no image")
    clips = opened(data, 1, on_bad_clip="skip")
    read = [clips[ClipRequest(0, seed)].key_tokens[0] for seed in range(60)]
    times = Counter(read)
    assert len(times) == 9
    assert max(times.values()) < 60 / 4
    assert caplog.text.count("skipped") == 1
    assert clips.num_skipped == 1


def delay(rows: Rows) -> None:
    """From the third keyframe of scene 0 on, everything happens ten seconds later."""
    for row in rows:
        if row["token"].removeprefix("pose-").startswith("scene0"):
            late = row["timestamp"] >= 1_600_000_000_000_000 + 980_000
            row["timestamp"] += 10_000_000 * late


def jump(rows: Rows) -> None:
    for row in rows:
        token = row["token"].removeprefix("pose-").split("-")
        if token[0] == "scene0" and int(token[-1]) >= 10:
            row["translation"] = [x + 500.0 for x in row["translation"]]


def test_clips_with_a_hole_or_a_jump_are_left_out(data: Path) -> None:
    assert len(opened(data, 2)) == 8
    for table in ("sample", "sample_data", "ego_pose"):
        edit_table(data, table, delay)
    whole = opened(data, 2)
    tokens = [whole[i].key_tokens[0] for i in range(len(whole))]
    assert "scene0-sample2" not in tokens
    assert len(tokens) == 7
    kept = opened(data, 2, incomplete="keep")
    by_token = {clip.key_tokens[0]: clip for clip in map(kept.__getitem__, range(10))}
    across = by_token["scene0-sample2"]
    assert across.frame_present.tolist() == [[False, True]]


@pytest.mark.parametrize("interval_s", [None, 0.5])
def test_clips_across_a_jump_of_the_poses_are_left_out(
    data: Path, interval_s: float | None
) -> None:
    edit_table(data, "ego_pose", jump)
    clips = opened(data, 2, frame_interval_s=interval_s)
    tokens = [clips[i].key_tokens[0] for i in range(len(clips))]
    assert "scene0-sample2" not in tokens
    assert len(tokens) == 7


def test_what_is_not_valid_is_absent(data: Path) -> None:
    def dummy(rows: Rows) -> None:
        for row in rows:
            row["is_valid"] = row["token"] != "scene0-CAM_BACK-10"

    edit_table(data, "sample_data", dummy)
    clip = opened(data)[0]
    assert clip.image_present[0, :, clip.camera_names.index("CAM_BACK")].tolist() == [
        True,
        True,
        False,
    ]
