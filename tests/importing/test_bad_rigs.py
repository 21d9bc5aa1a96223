"""What a rig or a drive can get wrong: one clear error each, and nothing written."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from mim4d.cli import main
from mim4d.importing.key_frames import place, sample_times
from mim4d.importing.rig_folder import read_rig_folder
from tests.importing.make import CAMERAS, START_US, changed, write_folder


def fails(source: Path, capsys, *arguments: str) -> str:
    """The one line of the error that the import of a folder ends with."""
    out = source.parent / "data"
    assert main(["import", "rig", str(source), "--out", str(out), *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("mim4d: error: ")
    assert not out.exists()
    assert not list(source.parent.glob(".data*"))
    return said


def edit_poses(source: Path, change) -> None:
    """Rewrite the values of poses.csv."""
    header, *lines = (source / "poses.csv").read_text().splitlines()
    rows = np.array([[float(v) for v in line.split(",")] for line in lines])
    names = header.split(",")
    names, rows = change(names, rows)
    texts = [",".join([str(int(row[0])), *map(repr, row[1:].tolist())]) for row in rows]
    (source / "poses.csv").write_text("\n".join([",".join(names), *texts]) + "\n")


def quaternion_of(rotation) -> list[float]:
    from mim4d.writing.rows import quaternion_wxyz

    return quaternion_wxyz(rotation)


LEFT_WXYZ = [math.sqrt(0.5), -math.sqrt(0.5), 0.0, 0.0]  # looks left, y down
FRONT_WXYZ = [0.5, -0.5, 0.5, -0.5]  # looks ahead


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        (
            changed("CAM_LEFT", position_m=[1000, 900, 1200]),
            r"CAM_LEFT.position_m: .* 1803 m from the car's origin.* millimetres instead of metres",
        ),
        (
            changed("CAM_LEFT", lens={**CAMERAS["CAM_LEFT"]["lens"], "model": "fishey"}),
            r"lens.model: 'fishey' is not known \(did you mean 'fisheye'\?\); there are: pinhole",
        ),
        (
            changed("CAM_LEFT", lens={**CAMERAS["CAM_LEFT"]["lens"], "coefficients": [0.1]}),
            r"CAM_LEFT.lens: lens model 'brown': 1 coefficients, wants 4 or 5 or 8",
        ),
        (
            changed("CAM_LEFT", looks_deg=None, rotation_wxyz=[*LEFT_WXYZ[1:], LEFT_WXYZ[0]]),
            r"CAM_LEFT: the camera .*; read as `rotation_xyzw`",
        ),
        (
            changed("CAM_LEFT", looks_deg=None, rotation_wxyz=[0.7071068, 0.0, 0.0, 0.7071068]),
            r"looks 90° up by its rotation; read as `axes: forward` \(x forward",
        ),
        (
            changed("CAM_FRONT", looks_deg=None, rotation_wxyz=[0.5, 0.5, 0.5, 0.5]),
            r"the camera .* by its rotation",
        ),
        (
            changed("CAM_LEFT", looks_deg=None, rotation_wxyz=[1.0, 1.0, 0.0, 0.0]),
            r"rotation_wxyz: .* has length 1.414, expected 1",
        ),
        (
            changed("CAM_LEFT", size_px=[20, 15]),
            r"centre_px: .* lies outside of an image|CAM_LEFT.* 40x30 pixels",
        ),
        (
            changed("CAM_LEFT", size_px=[48, 36]),
            r"has 40x30 pixels, cameras.yaml says 48x36 of CAM_LEFT.*`calibrated_at_px",
        ),
        (
            changed("CAM_LEFT", positon_m=[0, 0, 1]),
            r"positon_m: is not known \(did you mean 'position_m'",
        ),
        (changed("CAM_LEFT", size_px=None), r"size_px: is missing, expected a list of 2 numbers"),
        (
            changed("CAM_LEFT", looks_deg=None),
            r"rotation: nothing given; expected one of rotation_wxyz, rotation_xyzw, looks_deg",
        ),
        ({"CAM_FRONT": CAMERAS["CAM_FRONT"]}, r"has no sensor 'CAM_LEFT' \(it has CAM_FRONT\)"),
        (
            {**CAMERAS, "CAM_BACK": CAMERAS["CAM_FRONT"]},
            r"CAM_BACK not found: expected the images of CAM_BACK, named by their times",
        ),
        ({}, r"cameras: is empty or missing"),
        ({"CAM FRONT": CAMERAS["CAM_FRONT"]}, r"name 'CAM FRONT': expected letters, digits"),
    ],
)
def test_a_rig_that_cannot_be_right(cameras, message, tmp_path, capsys):
    import re

    source = write_folder(tmp_path / "drive", cameras=cameras)
    assert re.search(message, fails(source, capsys))


def test_a_tilted_camera_may_be_meant(tmp_path):
    down = changed("CAM_LEFT", looks_deg={"yaw": 90, "pitch": -80}, tilted=True)
    read_rig_folder(write_folder(tmp_path / "drive", cameras=down))


def test_no_poses(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    (source / "poses.csv").unlink()
    said = fails(source, capsys)
    assert "it must hold a line of names" in said
    assert "Poses are not made up" in said


def test_poses_that_do_not_cover_the_images(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    edit_poses(source, lambda names, rows: (names, rows[5:]))
    said = fails(source, capsys)
    assert "2 of 12 files of CAM_FRONT lie outside, the first 1700000000000000.jpg" in said
    out = tmp_path / "data"
    assert main(["import", "rig", str(source), "--out", str(out), "--drop-uncovered"]) == 0
    assert "4 files without a pose are left out" in capsys.readouterr().out


def test_poses_of_another_clock(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")

    def shift(names, rows):
        rows[:, 0] -= START_US
        return names, rows

    edit_poses(source, shift)
    assert "lie outside" in fails(source, capsys)
    assert "count from the same moment" in fails(source, capsys, "--drop-uncovered")


def test_a_gap_in_the_poses(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    edit_poses(source, lambda names, rows: (names, rows[[0, 1, 2, 3, 26, 27]]))
    assert "with gaps of at most 1 s" in fails(source, capsys)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 1, 1, 2], "line 4: time 1699999999.950000 s|occurs twice"),
        ([1, 0, 2, 3], "is before that of the line above"),
    ],
)
def test_times_of_poses_that_do_not_increase(order, message, tmp_path, capsys):
    import re

    source = write_folder(tmp_path / "drive")
    edit_poses(source, lambda names, rows: (names, rows[[*order, *range(4, len(rows))]]))
    assert re.search(message, fails(source, capsys))


def test_poses_in_millimetres(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")

    def scale(names, rows):
        rows[:, 1:4] *= 1000
        return names, rows

    edit_poses(source, scale)
    said = fails(source, capsys)
    assert "moves at 5000 m/s" in said
    assert "millimetres instead of metres" in said


def test_quaternions_in_the_other_order(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")

    def swap(names, rows):
        rows[:, 4:] = rows[:, [5, 6, 7, 4]]  # x y z w under the names of w x y z
        return names, rows

    edit_poses(source, swap)
    said = fails(source, capsys)
    assert "likely: columns in the order x y z w named as w x y z" in said


def test_inverted_poses(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")

    def invert(names, rows):
        rows[:, 5:] *= -1
        return names, rows

    edit_poses(source, invert)
    said = fails(source, capsys)
    assert "x axis lies 180° from where it drives" in said
    assert "car from global (inverted)" in said


@pytest.mark.slow
def test_what_poses_must_hold(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    text = (source / "poses.csv").read_text()
    for old, new, message in [
        ("time_us", "time", "expected one of time_s, time_ms, time_us, time_ns"),
        ("qw", "q", "no column qw"),
        (",100,", ",nan,", "column x_m: 'nan' is not a finite number"),
        (",100,", ",", "line 2: 7 values for 8 columns"),
    ]:
        (source / "poses.csv").write_text(text.replace(old, new, 1))
        assert message in fails(source, capsys)
    (source / "poses.csv").write_text(text.splitlines()[0] + "\n")
    assert "has no line of values" in fails(source, capsys)


def test_images_that_are_not_named_by_times(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    first = sorted((source / "CAM_FRONT").iterdir())[0]
    shutil.copy(first, first.with_suffix(".png"))
    assert "has the same time (1700000000.000000 s) as" in fails(source, capsys)
    first.with_suffix(".png").unlink()
    first.rename(first.with_name("frame_a.jpg"))
    assert "'frame_a' is not a time: expected a number of us" in fails(source, capsys)


def test_a_target_that_holds_something(tmp_path, capsys):
    source = write_folder(tmp_path / "drive")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kept").touch()
    assert main(["import", "rig", str(source), "--out", str(tmp_path / "data")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["kept"]


def test_samples_lie_on_a_grid_whatever_the_rate(tmp_path):
    (drive,) = read_rig_folder(write_folder(tmp_path / "drive"))
    assert (sample_times(drive, 300_000) - START_US).tolist() == [0, 300_000, 600_000, 900_000]
    times = [0, 143, 286, 429, 571, 714]
    placed = place([t * 1000 for t in times], np.array([0, 500_000]), 500_000)
    assert placed.is_key.tolist() == [True, False, False, True, False, False]
    assert placed.sample.tolist() == [0, 1, 1, 1, 1, 1]
