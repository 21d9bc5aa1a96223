"""False alarms and planted faults of `mim4d check`, on worlds that are made for it.

    python benchmarks/check_trials.py WORKDIR [--worlds 12] [--first-seed 500]

Every world is checked as it is, with and without its boxes, and with every planted fault, without
boxes. What is printed: each warning about a clean world (there should be none), and of each fault
how many worlds it was found in. Worlds stay in WORKDIR and are used again.
"""

import argparse
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mim4d.check.check_data import check_data
from mim4d.world.generate import generate_world

Row = dict[str, Any]
KINDS: list[dict[str, Any]] = [
    {"image_hw": (96, 160), "lidar_azimuths": 540},
    {"image_hw": (128, 224), "lidar_azimuths": 360, "keyframe_interval_s": 0.25},
    {"image_hw": (256, 448), "lidar_azimuths": 1080},
    {"image_hw": (96, 160), "lidar_azimuths": 720, "keyframe_interval_s": 1.0},
]


def make(folder: Path, number: int, seed: int) -> Path:
    """A small world of one of the kinds, unless it is there."""
    root = folder / f"world-{seed}"
    if not root.exists():
        kind = KINDS[number % len(KINDS)]
        generate_world(
            root, scenes=2, held_out=0, seed=seed, samples_per_scene=4, workers=1, **kind
        )
    return root


def bare(world: Path, root: Path, boxes: bool = False) -> Path:
    """A copy of the tables, with or without boxes; images and sweeps are linked."""
    shutil.rmtree(root, ignore_errors=True)
    tables = next(world.glob("*/sample.json")).parent
    shutil.copytree(tables, root / tables.name)
    for name in ("samples", "maps"):
        (root / name).symlink_to((world / name).absolute())
    for name in () if boxes else ("sample_annotation", "instance"):
        (root / tables.name / f"{name}.json").write_text("[]")
    return root


def edit(root: Path, table: str, change: Callable[[Row], object]) -> None:
    """Change every record of a table."""
    path = next(root.glob(f"*/{table}.json"))
    rows = json.loads(path.read_text())
    for row in rows:
        change(row)
    path.write_text(json.dumps(rows))


def calibration(start: str, change: Callable[[Row], object]) -> Callable[[Path], None]:
    """A change of every sensor whose channel starts so."""

    def apply(root: Path) -> None:
        tables = next(root.glob("*/sensor.json")).parent
        rows = json.loads((tables / "sensor.json").read_text())
        channel = {row["token"]: row["channel"] for row in rows}
        edit(
            root,
            "calibrated_sensor",
            lambda row: channel[row["sensor_token"]].startswith(start) and change(row),
        )

    return apply


def turn(degrees: float) -> Callable[[Row], object]:
    """About the vertical of the ego axes."""
    c, s = math.cos(math.radians(degrees) / 2), math.sin(math.radians(degrees) / 2)

    def change(row: Row) -> None:
        w, x, y, z = row["rotation"]
        row["rotation"] = [c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w]

    return change


def raise_origin(metres: float) -> Callable[[Row], object]:
    """As seen from an origin that lies higher."""

    def change(row: Row) -> None:
        row["translation"][2] -= metres

    return change


def scale(factor: float) -> Callable[[Row], object]:
    """Intrinsics of images so many times as large."""

    def change(row: Row) -> None:
        row["camera_intrinsic"][:2] = [
            [factor * v for v in line] for line in row["camera_intrinsic"][:2]
        ]

    return change


def swap(one: str, other: str) -> Callable[[Path], None]:
    """The files of two cameras."""

    def apply(root: Path) -> None:
        path = next(root.glob("*/sample_data.json"))
        rows = json.loads(path.read_text())
        pairs = {one: other, other: one}
        by = {(row["sample_token"], row["filename"].split("/")[1]): row for row in rows}
        names = {key: row["filename"] for key, row in by.items()}
        for (sample, channel), row in by.items():
            row["filename"] = names[sample, pairs.get(channel, channel)]
        path.write_text(json.dumps(rows))

    return apply


def stand_still(root: Path) -> None:
    """Every pose is the same."""
    edit(
        root, "ego_pose", lambda row: row.update(translation=[9.0, 9.0, 0.0], rotation=[1, 0, 0, 0])
    )


def share_poses(root: Path) -> None:
    """All measurements of a sample have the LiDAR's pose."""
    path = next(root.glob("*/sample_data.json"))
    rows = json.loads(path.read_text())
    of_lidar = {r["sample_token"]: r["ego_pose_token"] for r in rows if "LIDAR" in r["filename"]}
    for row in rows:
        row["ego_pose_token"] = of_lidar[row["sample_token"]]
    path.write_text(json.dumps(rows))


FAULTS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "LiDAR upside down": (
        calibration("LIDAR", lambda row: row.update(rotation=[0.0, 1.0, 0.0, 0.0])),
        {"lidar-up"},
    ),
    "LiDAR scalar last": (
        calibration("LIDAR", lambda r: r.update(rotation=[*r["rotation"][1:], r["rotation"][0]])),
        {"lidar-up"},
    ),
    "LiDAR turned 20 deg": (calibration("LIDAR", turn(20)), {"lidar-turned"}),
    "LiDAR turned 90 deg": (calibration("LIDAR", turn(90)), {"lidar-turned"}),
    "LiDAR turned 180 deg": (calibration("LIDAR", turn(180)), {"lidar-turned"}),
    "LiDAR without height": (
        calibration("LIDAR", lambda r: r.update(translation=[*r["translation"][:2], 0.0])),
        {"ground-height"},
    ),
    "origin 0.35 m up": (calibration("", raise_origin(0.35)), {"ground-height"}),
    "origin 0.5 m down": (calibration("", raise_origin(-0.5)), {"ground-height"}),
    "intrinsics x 1.2": (calibration("CAM", scale(1.2)), {"intrinsics-scale"}),
    "intrinsics x 0.8": (calibration("CAM", scale(0.8)), {"intrinsics-scale"}),
    "front side cameras swapped": (swap("CAM_FRONT_LEFT", "CAM_FRONT_RIGHT"), {"cameras-swapped"}),
    "rear side cameras swapped": (swap("CAM_BACK_LEFT", "CAM_BACK_RIGHT"), {"cameras-swapped"}),
    "front and rear swapped": (swap("CAM_FRONT", "CAM_BACK"), {"cameras-swapped"}),
    "poses stand still": (stand_still, {"poses-stand-still"}),
    "one pose a sample": (share_poses, {"pose-of-another-time"}),
}


def warnings_of(root: Path) -> dict[str, str]:
    """What is worse than a remark, by code."""
    findings = check_data(root).findings
    return {f.rule.code: f.places[0].found for f in findings if f.rule.severity != "remark"}


def main() -> None:
    """Make, check, plant, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--worlds", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=500)
    given = parser.parse_args()
    alarms, found = 0, Counter[str]()
    for number in range(given.worlds):
        world = make(given.workdir, number, given.first_seed + number)
        for boxes in (True, False):
            clean = warnings_of(bare(world, given.workdir / "copy", boxes))
            alarms += len(clean)
            for code, text in clean.items():
                print(f"{world.name}, {'with' if boxes else 'without'} boxes: {code}: {text}")
        for name, (plant, codes) in FAULTS.items():
            root = bare(world, given.workdir / "copy")
            plant(root)
            found[name] += bool(codes & warnings_of(root).keys())
        print(f"{number + 1} worlds, {alarms} false alarms; {dict(found)}", flush=True)
    print(f"\n| fault | found in {given.worlds} worlds |\n|---|---|")
    print("\n".join(f"| {name} | {found[name]} |" for name in FAULTS))


if __name__ == "__main__":
    main()
