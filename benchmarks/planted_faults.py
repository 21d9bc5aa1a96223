"""Faults of calibration and poses, planted into a copy of a data set's tables.

A fault changes tables under a root and says whether the data set can have it: one without LiDAR has
no LiDAR's mount, one camera cannot be exchanged.
"""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Plant = Callable[[Path], bool]


@dataclass(frozen=True)
class Fault:
    """What is planted, and the codes of findings by which it counts as found."""

    plant: Plant
    codes: frozenset[str]


def read(root: Path, table: str) -> list[Row]:
    """Records of a table."""
    rows: list[Row] = json.loads(next(root.glob(f"*/{table}.json")).read_text())
    return rows


def write(root: Path, table: str, rows: list[Row]) -> None:
    """Other records in their place."""
    next(root.glob(f"*/{table}.json")).write_text(json.dumps(rows))


def channels(root: Path) -> dict[str, str]:
    """Channel of each `calibrated_sensor`."""
    names = {row["token"]: row["channel"] for row in read(root, "sensor")}
    return {r["token"]: names[r["sensor_token"]] for r in read(root, "calibrated_sensor")}


def calibration(start: str, change: Callable[[Row], object]) -> Plant:
    """A change of every sensor whose channel starts so."""

    def plant(root: Path) -> bool:
        channel, rows = channels(root), read(root, "calibrated_sensor")
        own = [row for row in rows if channel[row["token"]].startswith(start)]
        for row in own:
            change(row)
        write(root, "calibrated_sensor", rows)
        return bool(own)

    return plant


def turn(degrees: float) -> Callable[[Row], object]:
    """About the vertical of the ego axes."""
    c, s = math.cos(math.radians(degrees) / 2), math.sin(math.radians(degrees) / 2)

    def change(row: Row) -> None:
        w, x, y, z = row["rotation"]
        row["rotation"] = [c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w]

    return change


def set_height(metres: float) -> Callable[[Row], object]:
    """A mount at another height."""
    return lambda row: row.update(translation=[*row["translation"][:2], metres])


def raise_origin(metres: float) -> Plant:
    """As seen from an origin that lies higher. Without LiDAR nothing says where the road is."""
    lower = calibration(
        "", lambda row: row["translation"].__setitem__(2, row["translation"][2] - metres)
    )
    return lambda root: lower(root) and any("LIDAR" in name for name in channels(root).values())


def scale(factor: float) -> Callable[[Row], object]:
    """Intrinsics of images so many times as large."""

    def change(row: Row) -> None:
        row["camera_intrinsic"][:2] = [
            [factor * v for v in line] for line in row["camera_intrinsic"][:2]
        ]

    return change


def exchange(side_deg: tuple[int, int], mirrored: bool) -> Plant:
    """The images of two cameras: of both sides, or of front and rear.

    Images keep the order of their times. Their sizes must be the same, or the record tells.

    Args:
        side_deg: The first camera looks so far to the left, from and to.
        mirrored: The other one looks as far to the right; else opposite.
    """

    def plant(root: Path) -> bool:
        looks = _cameras(root)
        for one, (yaw, size) in looks.items():
            want = -yaw if mirrored else yaw + 180
            for other, (other_yaw, other_size) in looks.items():
                near = abs((other_yaw - want + 180) % 360 - 180) < 3
                if side_deg[0] <= yaw <= side_deg[1] and near and size == other_size:
                    _exchange_files(root, one, other)
                    return True
        return False

    return plant


def _cameras(root: Path) -> dict[str, tuple[float, tuple[int, int]]]:
    """Degrees to the left at which each camera looks, and its images' columns and rows."""
    channel, looks = channels(root), {}
    yaw = {}
    for row in read(root, "calibrated_sensor"):
        w, x, y, z = row["rotation"]
        yaw[row["token"]] = math.degrees(math.atan2(2 * (y * z - w * x), 2 * (x * z + w * y)))
    for row in read(root, "sample_data"):
        own = row["calibrated_sensor_token"]
        if row["width"]:
            looks[channel[own]] = yaw[own], (row["width"], row["height"])
    return looks


def _exchange_files(root: Path, one: str, other: str) -> None:
    channel, rows = channels(root), read(root, "sample_data")
    by_time: dict[str, list[Row]] = {one: [], other: []}
    for row in sorted(rows, key=lambda row: row["timestamp"]):
        by_time.get(channel[row["calibrated_sensor_token"]], []).append(row)
    for a, b in zip(by_time[one], by_time[other], strict=False):
        a["filename"], b["filename"] = b["filename"], a["filename"]
    write(root, "sample_data", rows)


def stand_still(root: Path) -> bool:
    """Every pose is the same. Needs four pairs of images in a scene."""
    rows = read(root, "ego_pose")
    for row in rows:
        row.update(translation=[9.0, 9.0, 0.0], rotation=[1, 0, 0, 0])
    write(root, "ego_pose", rows)
    images = sum(row["width"] > 0 for row in read(root, "sample_data"))
    return images / len(read(root, "scene")) - len(_cameras(root)) >= 4


def share_poses(root: Path) -> bool:
    """All key frames of a sample have one pose: their first's.

    A fault where the car drives 0.1 m or more between them, in most samples.
    """
    rows = read(root, "sample_data")
    place = {row["token"]: row["translation"] for row in read(root, "ego_pose")}
    first: dict[str, str] = {}
    moved: dict[str, float] = {}
    for row in rows:
        if row["is_key_frame"]:
            own, sample = row["ego_pose_token"], row["sample_token"]
            row["ego_pose_token"] = first.setdefault(sample, own)
            apart = math.dist(place[own], place[first[sample]])
            moved[sample] = max(moved.get(sample, 0.0), apart)
    write(root, "sample_data", rows)
    return statistics.median(moved.values()) >= 0.1


def _fault(plant: Plant, *codes: str) -> Fault:
    return Fault(plant, frozenset(codes))


FAULTS: dict[str, Fault] = {
    "LiDAR upside down": _fault(
        calibration("LIDAR", lambda row: row.update(rotation=[0.0, 1.0, 0.0, 0.0])), "lidar-up"
    ),
    "LiDAR scalar last": _fault(
        calibration("LIDAR", lambda r: r.update(rotation=[*r["rotation"][1:], r["rotation"][0]])),
        *("lidar-up", "lidar-turned"),  # of axes like the car's it is half a turn
    ),
    "LiDAR turned 20 deg": _fault(calibration("LIDAR", turn(20)), "lidar-turned"),
    "LiDAR turned 90 deg": _fault(calibration("LIDAR", turn(90)), "lidar-turned"),
    "LiDAR turned 180 deg": _fault(calibration("LIDAR", turn(180)), "lidar-turned"),
    "LiDAR without height": _fault(calibration("LIDAR", set_height(0.0)), "ground-height"),
    "origin 0.35 m up": _fault(raise_origin(0.35), "ground-height"),
    "origin 1.2 m up": _fault(raise_origin(1.2), "ground-height"),
    "origin 0.35 m down": _fault(raise_origin(-0.35), "ground-height"),
    "intrinsics x 1.2": _fault(calibration("CAM", scale(1.2)), "intrinsics-scale"),
    "intrinsics x 0.8": _fault(calibration("CAM", scale(0.8)), "intrinsics-scale"),
    "intrinsics x 1.6": _fault(
        calibration("CAM", scale(1.6)), "intrinsics-scale", "principal-point"
    ),
    "front side cameras exchanged": _fault(exchange((40, 75), mirrored=True), "cameras-swapped"),
    "sides exchanged": _fault(exchange((80, 105), mirrored=True), "cameras-swapped"),
    "rear side cameras exchanged": _fault(exchange((106, 155), mirrored=True), "cameras-swapped"),
    "front and rear exchanged": _fault(exchange((-5, 5), mirrored=False), "cameras-swapped"),
    "poses stand still": _fault(stand_still, "poses-stand-still"),
    "one pose a sample": _fault(share_poses, "pose-of-another-time"),
}
