import errno
import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mim4d.cli import main
from mim4d.errors import DataError
from mim4d.world.generate import generate_world
from mim4d.world.writing.marker import TITLE
from mim4d.world.writing.table_rows import VERSION
from mim4d.world.writing.world_folder import _put_in_place, built_aside, scene_name
from tests.world.conftest import read_rows
from tests.world.make import SMALL

pytestmark = pytest.mark.slow  # whole runs

# What the names of a held-out scene's files begin with: its drive or its own name.
HELD_OUT = ("mim4d-2014-05-13-", "scene-8000")
TINY = {**SMALL, "samples_per_scene": 1, "image_hw": (16, 16), "lidar_azimuths": 20}


def files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def test_same_bytes_with_more_workers(world, tmp_path):
    seen = []
    summary = generate_world(
        tmp_path / "w",
        scenes=1,
        held_out=1,
        workers=2,
        progress=lambda *done: seen.append(done),
        **SMALL,
    )
    assert seen == [(1, 2), (2, 2)]
    assert summary.num_samples == 6
    assert summary.num_images == 36
    assert files(world) == files(tmp_path / "w")
    _, differing, unreadable = filecmp.cmpfiles(world, tmp_path / "w", files(world), shallow=False)
    assert (differing, unreadable) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["w"]  # nothing partial is left


def test_held_out_scenes_do_not_depend_on_training_scenes(world, tmp_path):
    generate_world(tmp_path / "w", scenes=0, held_out=1, workers=1, **SMALL)
    held_out = [path for path in files(tmp_path / "w") if path.name.startswith(HELD_OUT)]
    # Key images with two truths each, key sweeps with one, motion and six files of the CAN bus.
    assert len(held_out) == 3 * (6 * 3 + 2) + 1 + 6
    _, differing, unreadable = filecmp.cmpfiles(world, tmp_path / "w", held_out, shallow=False)
    assert (differing, unreadable) == ([], [])


def test_held_out_scenes_differ_from_training_scenes(world, tables):
    splits = json.loads((world / "splits.json").read_text())
    assert splits == {"train": ["scene-2000"], "val": ["scene-8000"]}
    official = json.loads((world / VERSION / "splits.json").read_text())
    assert official == {"mim4d_train": ["scene-2000"], "mim4d_val": ["scene-8000"]}
    assert {row["name"] for row in tables["scene"].values()} == {*splits["train"], *splits["val"]}
    front = world / "truth" / "distance" / "samples" / "CAM_FRONT"
    train, held_out = (
        np.asarray(Image.open(next(front.glob(f"mim4d-{year}*")))) for year in (2017, 2014)
    )
    assert np.abs(train.astype(int) - held_out).mean() > 256.0


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"not empty|remove it yourself"):
            generate_world(tmp_path, scenes=1, held_out=0, overwrite=overwrite, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two scenes of one sample each."""
    out = tmp_path_factory.mktemp("tiny") / "w"
    generate_world(out, scenes=2, held_out=0, workers=1, **TINY)
    return out


@pytest.fixture
def old(tiny, tmp_path):
    """A world in the way of another."""
    return Path(shutil.copytree(tiny, tmp_path / "w"))


def test_a_world_is_overwritten_when_asked(old, tmp_path):
    with pytest.raises(ValueError, match="not empty"):
        generate_world(old, scenes=1, held_out=0, workers=1, **TINY)
    generate_world(old, scenes=1, held_out=0, workers=1, overwrite=True, **{**TINY, "seed": 8})
    assert "seed 8" in (old / "README.md").read_text()
    assert len(read_rows(old)["sample"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_a_link_to_a_world_stays_and_leads_to_the_new_one(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "link").symlink_to("w")
    with built_aside(tmp_path / "link") as partial:
        (partial / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "w"]
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["new"]


def test_an_earlier_world_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    out = tmp_path / "w"
    out.mkdir()

    def refuse(path, ignore_errors=False):
        raise PermissionError(f"{path} stays")

    monkeypatch.setattr("mim4d.world.writing.world_folder.shutil.rmtree", refuse)
    with pytest.raises(DataError, match=r"new world is in place.* remove .*\.old yourself"):
        _put_in_place(Path(tempfile.mkdtemp(dir=tmp_path, suffix=".partial")), out)


def test_an_earlier_world_is_put_back_where_the_new_one_cannot_come(tmp_path):
    out = tmp_path / "w"
    out.mkdir()
    (out / "kept").touch()
    with pytest.raises(FileNotFoundError):
        _put_in_place(tmp_path / ".gone.partial", out)
    assert files(tmp_path) == [Path("w/kept")]


@pytest.mark.parametrize("missing", ["README.md", VERSION])
def test_what_is_no_world_of_ours_is_not_overwritten(tmp_path, missing):
    out = tmp_path / "w"
    (out / VERSION).mkdir(parents=True)
    (out / "truth" / "distance").mkdir(parents=True)
    (out / "README.md").write_text(TITLE)
    gone = out / missing
    gone.rmdir() if gone.is_dir() else gone.write_text("# Real data\n")
    before = files(out)
    with pytest.raises(ValueError, match="remove it yourself"):
        generate_world(out, scenes=1, held_out=0, overwrite=True, **TINY)
    assert files(out) == before


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("mim4d.world.generate.record_scene", lambda job: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate_world(tmp_path / "w", scenes=1, held_out=0, workers=1, **TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_explained_and_leaves_what_was_there(old, tmp_path, monkeypatch):
    before = files(old)

    def full(job):
        (job.folder / "samples" / "half").write_text("written")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mim4d.world.generate.record_scene", full)
    with pytest.raises(DataError, match=r"w: the world could not be written .*No space left.*free"):
        generate_world(old, scenes=1, held_out=0, workers=1, overwrite=True, **TINY)
    assert files(old) == before
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_a_worker_that_dies_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("mim4d.world.generate.compile_kernels", lambda: None)
    monkeypatch.setattr("mim4d.world.generate.record_scene", die)
    with pytest.raises(DataError, match="worker processes died"):
        generate_world(tmp_path / "w", scenes=2, held_out=0, workers=2, **TINY)
    assert list(tmp_path.iterdir()) == []


def die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        generate_world(tmp_path / "file" / "w", scenes=1, held_out=0, workers=1, **TINY)


def test_a_killed_run_leaves_no_data_set(tmp_path):
    """Whenever it is killed, tables appear only in the last step before the renaming."""
    code = (
        "import os, pathlib, sys; import mim4d.world.generate as g;"
        "g.finish_folder = lambda *a: os.kill(os.getpid(), 9);"
        "g.generate_world(pathlib.Path(sys.argv[1]), scenes=1, held_out=0, seed=0, workers=1,"
        "samples_per_scene=1, image_hw=(16, 16), lidar_azimuths=20)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=False)
    assert run.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".w-")
    assert not list(left.glob("v1.0-*"))


def test_scenes_of_one_sample(tiny):
    tables = read_rows(tiny)
    assert len(tables["sample"]) == 2
    assert all(row["prev"] == row["next"] == "" for row in tables["sample_data"].values())
    pose = json.loads((tiny / "can_bus" / "scene-2001_pose.json").read_text())
    assert len(pose) == 1


def test_options_of_the_command(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr("mim4d.world.generate.generate_world", lambda out, **a: asked.update(a))
    options = "--camera-rate-hz 12 --lidar-rate-hz 20 --lidar-azimuths 90 --no-shadows --overwrite"
    with pytest.raises(AttributeError):  # no summary to print
        main(["world", str(tmp_path / "w"), *options.split()])
    assert (asked["camera_rate_hz"], asked["lidar_rate_hz"]) == (12.0, 20.0)
    assert (asked["lidar_azimuths"], asked["shadows"], asked["overwrite"]) == (90, False, True)


def test_scene_names_are_four_digits_and_end():
    assert [scene_name(False, 0), scene_name(True, 0)] == ["scene-2000", "scene-8000"]
    assert [scene_name(False, 5999), scene_name(True, 1999)] == ["scene-7999", "scene-9999"]
    for held_out, index in ((False, 6000), (True, 2000)):
        with pytest.raises(ValueError, match="has names for"):
            scene_name(held_out, index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenes": 0}, "at least one scene"),
        ({"seed": -1}, "seed=-1"),
        ({"samples_per_scene": 0}, "samples_per_scene=0"),
        ({"keyframe_interval_s": 0.0}, "keyframe_interval_s"),
        ({"keyframe_interval_s": float("nan")}, "keyframe_interval_s=nan"),
        ({"image_hw": (8, 80)}, "image_hw"),
        ({"image_hw": (100_000, 80)}, "image_hw=.*16 to 4096"),
        ({"lidar_azimuths": 0}, "lidar_azimuths"),
        ({"lidar_azimuths": 10**9}, "lidar_azimuths"),
        ({"workers": 0}, "workers=0"),
        ({"scenes": 6001}, "6001 training scenes"),
        ({"camera_rate_hz": 1.0}, "camera_rate_hz=1.0: expected 2 to"),
        ({"lidar_rate_hz": 60.0}, "lidar_rate_hz=60.0"),
        ({"lidar_rate_hz": 3.0}, "lidar_rate_hz=3.0: expected 4 to 50"),
        ({"camera_rate_hz": 12.0, "lidar_rate_hz": 10.0}, "at most lidar_rate_hz=10"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        generate_world(tmp_path / "w", **{"scenes": 1, "held_out": 0, **SMALL, **change})
    assert list(tmp_path.iterdir()) == []
