"""Geometry told from points and images alone: clean worlds pass, planted faults are named."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mim4d.check.check_data import check_data
from mim4d.check.findings import Findings
from mim4d.check.ground import Ground, find_ground, judge_ground
from tests.data.test_point_values import sweep
from tests.data.tiny_dataset import Rows, edit_table
from tests.shared import made_once, run_module

Change = Callable[[Path], object]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world that the tests of `mim4d.world` read too."""

    def make(path: Path) -> None:
        run_module("tests.world.make", "world", path)

    return made_once(tmp_path_factory, "world", make)


@pytest.fixture
def bare(world: Path, tmp_path: Path) -> Path:
    """A copy whose tables a test may change, without boxes; images and sweeps are linked."""
    root = tmp_path / "data"
    tables = next(world.glob("*/sample.json")).parent
    shutil.copytree(tables, root / tables.name)
    for name in ("samples", "maps"):
        (root / name).symlink_to(world / name)
    for name in ("sample_annotation", "instance"):
        (root / tables.name / f"{name}.json").write_text("[]")
    return root


def of_sensors(
    root: Path, is_wanted: Callable[[str], bool], change: Callable[[dict], object]
) -> None:
    tables = next(root.glob("*/sensor.json")).parent
    sensors = json.loads((tables / "sensor.json").read_text())
    channel = {row["token"]: row["channel"] for row in sensors}

    def apply(rows: Rows) -> None:
        for row in rows:
            if is_wanted(channel[row["sensor_token"]]):
                change(row)

    edit_table(root, "calibrated_sensor", apply)


def lidar(change: Callable[[dict], object]) -> Change:
    return lambda root: of_sensors(root, lambda name: name.startswith("LIDAR"), change)


def turned(yaw_deg: float) -> Change:
    """The LiDAR's mount, turned about the vertical."""
    c, s = math.cos(math.radians(yaw_deg) / 2), math.sin(math.radians(yaw_deg) / 2)

    def change(row: dict) -> None:
        w, x, y, z = row["rotation"]
        row["rotation"] = [c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w]

    return lidar(change)


def higher(metres: float) -> Change:
    """The ego origin lies so far above the road."""

    def change(root: Path) -> None:
        def lower(row: dict) -> None:
            row["translation"][2] -= metres

        of_sensors(root, lambda name: True, lower)

    return change


def scaled(factor: float) -> Change:
    def change(row: dict) -> None:
        row["camera_intrinsic"] = [
            [factor * v for v in line] for line in row["camera_intrinsic"][:2]
        ]
        row["camera_intrinsic"].append([0.0, 0.0, 1.0])

    return lambda root: of_sensors(root, lambda name: name.startswith("CAM"), change)


def standing_still(root: Path) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            row["translation"], row["rotation"] = [100.0, 100.0, 0.0], [1.0, 0.0, 0.0, 0.0]

    edit_table(root, "ego_pose", change)


def one_pose_a_sample(root: Path) -> None:
    """Every camera has the pose of the LiDAR of its sample."""
    tables = next(root.glob("*/sample_data.json")).parent
    data = json.loads((tables / "sample_data.json").read_text())
    of_lidar = {r["sample_token"]: r["ego_pose_token"] for r in data if "LIDAR" in r["filename"]}

    def change(rows: Rows) -> None:
        for row in rows:
            row["ego_pose_token"] = of_lidar[row["sample_token"]]

    edit_table(root, "sample_data", change)


def clock_off(seconds: float) -> Change:
    def change(rows: Rows) -> None:
        for row in rows:
            row["timestamp"] += round(seconds * 1e6) if "CAM" in row["filename"] else 0

    return lambda root: edit_table(root, "sample_data", change)


def no_flags(root: Path) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            row["is_key_frame"] &= "CAM_BACK/" not in row["filename"]

    edit_table(root, "sample_data", change)


PLANTED: dict[str, tuple[Change, str]] = {
    "scalar last": (
        lidar(lambda row: row.update(rotation=[*row["rotation"][1:], row["rotation"][0]])),
        "lidar-up",
    ),
    "upside down": (lidar(lambda row: row.update(rotation=[0.0, 1.0, 0.0, 0.0])), "lidar-up"),
    "no height": (
        lidar(lambda row: row.update(translation=[*row["translation"][:2], 0.0])),
        "ground-height",
    ),
    "origin at 0.35 m": (higher(0.35), "ground-height"),
    "origin at 1.8 m": (higher(1.8), "ground-height"),
    "origin below": (higher(-0.5), "ground-height"),
    "turned 20": (turned(20), "lidar-turned"),
    "turned 90": (turned(90), "lidar-turned"),
    "turned 180": (turned(180), "lidar-turned"),
    "smaller images": (scaled(1.2), "intrinsics-scale"),
    "larger images": (scaled(0.8), "intrinsics-scale"),
    "half images": (scaled(0.5), "intrinsics-scale"),
    "poses stand still": (standing_still, "poses-stand-still"),
    "clocks an hour late": (clock_off(3600), "camera-clock"),
    "clocks a minute early": (clock_off(-60), "camera-clock"),
    "no key frame of a camera": (no_flags, "no-key-frames"),
    "one pose a sample": (one_pose_a_sample, "pose-of-another-time"),
}


@pytest.fixture(autouse=True)
def table_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


def worse_than_remarks(root: Path) -> set[str]:
    return {f.rule.code for f in check_data(root).findings if f.rule.severity != "remark"}


def test_a_clean_world_passes(bare: Path) -> None:
    assert worse_than_remarks(bare) == set()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name: str, bare: Path) -> None:
    change, code = PLANTED[name]
    change(bare)
    assert code in worse_than_remarks(bare)


def pose(rotation: list[list[float]], height_m: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[2, 3] = rotation, height_m
    return matrix


LEVEL = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
OVER = [[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]
ON_ITS_SIDE = [[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("rotation", "height_m", "code"),
    [
        (LEVEL, 1.8, None),
        (LEVEL, 1.6, None),
        (LEVEL, 1.4, "ground-height"),
        (LEVEL, 0.0, "ground-height"),
        (LEVEL, 2.2, "ground-height"),
        (OVER, 1.8, "lidar-up"),
        (ON_ITS_SIDE, 1.8, "lidar-up"),
    ],
)
def test_the_ground_of_sweeps(rotation: list, height_m: float, code: str | None) -> None:
    points = [sweep(seed)[:, :3].astype(np.float64) for seed in range(4)]
    found = [find_ground(p, pose(rotation, height_m)) for p in points]
    findings = Findings()
    judge_ground("LIDAR_TOP", [ground for ground in found if ground is not None], findings)
    assert {finding.rule.code for finding in findings} == ({code} if code else set())


def test_a_wall_now_and_then_hides_no_wrong_height() -> None:
    """In a narrow street a wall may be the largest plane of a sweep."""
    wall = Ground(tilt_deg=90.0, below_m=8.1, height_m=math.nan)
    for height_m, expected in ((0.0, set()), (-1.8, {"ground-height"})):
        road = Ground(tilt_deg=0.1, below_m=1.8, height_m=height_m)
        findings = Findings()
        judge_ground("LIDAR_TOP", [road, road, wall, road], findings)
        assert {finding.rule.code for finding in findings} == expected


def test_walls_and_few_points_are_no_ground() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.uniform(-10, 10, (3000, 3))
    assert find_ground(cloud, np.eye(4)) is None
    assert find_ground(sweep()[:50, :3].astype(np.float64), np.eye(4)) is None
