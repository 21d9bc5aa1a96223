"""Poses of receivers, LiDAR files of every kind, times in every unit."""

import math
import struct

import numpy as np
import pytest

from mim4d.errors import DataError
from mim4d.importing.points import read_points
from mim4d.importing.pose_files import east_north_up, read_poses
from mim4d.importing.recording import PoseTrack
from mim4d.importing.rotations import from_quaternion, from_yaw_pitch_roll, pose
from mim4d.importing.times import time_us

NAMES = ("x", "y", "z", "intensity", "ring")


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(0, 20, (7, 5)).astype(np.float32).round(3)


def test_times_in_every_unit():
    exact = 1_700_000_000_123_456
    assert time_us("1700000000.123456", "s") == exact
    assert time_us("1700000000123.456", "ms") == exact
    assert time_us("1700000000123456", "us") == exact
    assert time_us("1700000000123456100", "ns") == exact
    with pytest.raises(ValueError, match="not a time"):
        time_us("nan", "s")


def test_a_degree_of_latitude(tmp_path):
    """A second of arc north is 30.9 m, and east cos(latitude) times 30.9 m (WGS 84: at 48°)."""
    second = 1 / 3600
    metres = east_north_up(
        np.array([[48.0, 11, 500], [48 + second, 11, 500], [48, 11 + second, 501]])
    )
    np.testing.assert_allclose(metres[0], 0, atol=1e-9)
    np.testing.assert_allclose(metres[1], [0, 30.892, 0], atol=5e-3)
    np.testing.assert_allclose(metres[2], [20.733, 0, 1], atol=5e-3)


def test_headings_are_clockwise_from_north(tmp_path):
    path = tmp_path / "poses.csv"
    path.write_text(
        "time_s,lat_deg,lon_deg,height_m,heading_deg,pitch_deg\n"
        "10,48,11,500,90,0\n11,48,11.0001,500,90,10\n"
    )
    track = read_poses(path, np.eye(4))
    east = from_quaternion(track.rotations_wxyz[0])[:, 0]
    np.testing.assert_allclose(east, [1, 0, 0], atol=1e-9)
    raised = from_quaternion(track.rotations_wxyz[1])[:, 0]
    angle = math.radians(10)
    np.testing.assert_allclose(raised, [math.cos(angle), 0, math.sin(angle)], atol=1e-9)
    path.write_text(path.read_text().replace("48,", "4800,"))
    with pytest.raises(DataError, match="latitudes reach 4800"):
        read_poses(path, np.eye(4))


def test_poses_of_another_body_become_the_cars(tmp_path):
    """A receiver half a metre up, a metre back, turned to the left; the car looks north."""
    path = tmp_path / "poses.csv"
    path.write_text("time_us,x_m,y_m,z_m,qw,qx,qy,qz\n5,10,20,3,0,0,0,1\n6,10,21,3,0,0,0,1\n")
    mount = pose((-1.0, 0.0, 0.5), from_yaw_pitch_roll(90.0, 0.0, 0.0))
    track = read_poses(path, mount)
    np.testing.assert_allclose(track.positions_m[0], [10, 21, 2.5], atol=1e-9)
    heading = from_quaternion(track.rotations_wxyz[0])[:, 0]
    np.testing.assert_allclose(heading, [0, 1, 0], atol=1e-9)


def test_poses_between_poses():
    half = math.sqrt(0.5)
    track = PoseTrack(
        np.array([0, 1_000_000]),
        np.array([[0.0, 0, 0], [10, 0, 2]]),
        np.array([[1.0, 0, 0, 0], [-half, 0, 0, -half]]),  # a quarter turn, the sign exchanged
        "",
    )
    positions, rotations = track.at(np.array([0, 250_000, 1_000_000]))
    np.testing.assert_allclose(positions, [[0, 0, 0], [2.5, 0, 0.5], [10, 0, 2]])
    angle = math.radians(90 / 4 / 2)
    np.testing.assert_allclose(rotations[1], [math.cos(angle), 0, 0, math.sin(angle)], atol=1e-12)
    np.testing.assert_allclose(np.abs(rotations[2]), [half, 0, 0, half], atol=1e-12)


def pcd_header(data: str, count: int, names=NAMES) -> bytes:
    n = len(names)
    lines = [
        "# .PCD v0.7",
        "VERSION 0.7",
        f"FIELDS {' '.join(names)}",
        f"SIZE {' '.join(['4'] * n)}",
        f"TYPE {' '.join(['F'] * n)}",
        f"COUNT {' '.join(['1'] * n)}",
        f"WIDTH {count}",
        "HEIGHT 1",
        f"POINTS {count}",
        f"DATA {data}",
    ]
    return ("\n".join(lines) + "\n").encode()


def as_text(points) -> bytes:
    return "\n".join(" ".join(map(repr, row)) for row in points.tolist()).encode()


def literal_lzf(content: bytes) -> bytes:
    """Content as runs of literal bytes, 32 at most, as an encoder that finds nothing writes it."""
    runs = [content[i : i + 32] for i in range(0, len(content), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def files_of(points) -> dict[str, bytes]:
    columns = np.ascontiguousarray(points.T).tobytes()
    packed = literal_lzf(columns)
    sizes = struct.pack("<II", len(packed), len(columns))
    properties = "".join(f"property float {name}\n" for name in NAMES)
    ply = "ply\nformat {}\nelement vertex 7\n" + properties + "end_header\n"
    big = points.astype(">f4").tobytes()
    return {
        "text.pcd": pcd_header("ascii", 7) + as_text(points),
        "rows.pcd": pcd_header("binary", 7) + points.tobytes(),
        "packed.pcd": pcd_header("binary_compressed", 7) + sizes + packed,
        "text.ply": ply.format("ascii 1.0").encode() + as_text(points),
        "little.ply": ply.format("binary_little_endian 1.0").encode() + points.tobytes(),
        "big.ply": ply.format("binary_big_endian 1.0").encode() + big,
        "rows.bin": points.tobytes(),
    }


def test_points_of_every_kind_of_file(points, tmp_path):
    for name, content in files_of(points).items():
        (tmp_path / name).write_bytes(content)
        read = read_points(tmp_path / name, NAMES, "float32")
        np.testing.assert_array_equal(read, points, err_msg=name)
    np.save(tmp_path / "rows.npy", points.astype(np.float64))
    np.testing.assert_array_equal(read_points(tmp_path / "rows.npy", NAMES, "float32"), points)


def test_columns_are_found_by_their_names(points, tmp_path):
    named = np.zeros(7, [("laser_id", "u1"), ("z", "f8"), ("x", "f4"), ("y", "f4")])
    named["x"], named["y"], named["z"], named["laser_id"] = 1, 2, 3, 4
    np.save(tmp_path / "named.npy", named)
    np.testing.assert_array_equal(
        read_points(tmp_path / "named.npy", NAMES, "float32")[0], [1, 2, 3, 0, 4]
    )
    points[:, :4].tofile(tmp_path / "four.bin")
    read = read_points(tmp_path / "four.bin", ("z", "y", "x", "intensity"), "float32")
    np.testing.assert_array_equal(read[:, :4], points[:, [2, 1, 0, 3]])


def test_lzf_copies_what_came_before(tmp_path):
    """Twelve equal bytes: one literal, then a copy of eleven from one byte back."""
    packed = bytes([0, 9, (7 << 5) | 0, 2, 0])
    sizes = struct.pack("<II", len(packed), 12)
    header = pcd_header("binary_compressed", 1, ("x", "y", "z"))
    (tmp_path / "a.pcd").write_bytes(header + sizes + packed)
    expected = np.frombuffer(bytes([9] * 4), np.float32)[0]
    assert read_points(tmp_path / "a.pcd", NAMES, "float32")[0, :3].tolist() == [expected] * 3


@pytest.mark.parametrize("name", ["rows.pcd", "packed.pcd", "little.ply", "rows.bin"])
def test_a_file_that_is_cut_short_is_told(name, points, tmp_path):
    (tmp_path / name).write_bytes(files_of(points)[name][:-9])
    with pytest.raises(DataError, match=rf"{name}: cannot be read .* restore it"):
        read_points(tmp_path / name, NAMES, "float32")


def test_points_without_a_coordinate(points, tmp_path):
    points.tofile(tmp_path / "a.bin")
    with pytest.raises(DataError, match="no column z among"):
        read_points(tmp_path / "a.bin", ("x", "y", "i", "j", "k"), "float32")
