"""What is odd but mostly no fault: empty records, rates, cars and scenes at rest, missing labels.

Name: what is done, then severity, code, table, token and what the finding's place must say.
"""

from pathlib import Path

import numpy as np

from tests.check.damages import (
    SWEEP,
    TIMED,
    Fault,
    another_mount,
    denser_cloud_stated,
    every_row,
    row,
    scale_times,
    shift_times,
    stand_still,
    table,
)


def few_points(root: Path) -> None:
    for path in root.glob("s*/LIDAR_TOP/*"):
        if not path.name.startswith("scene0-LIDAR_TOP-10."):
            np.ones((60, 5), np.float32).tofile(path)


def slow_key_frames(root: Path) -> None:
    for name in TIMED:
        scale_times(root, name, 2)


def clock_from_zero(root: Path) -> None:
    for name in TIMED:
        shift_times(root, name)


ODD: dict[str, Fault] = {
    "scene without samples": (
        table("scene", lambda rows: rows.append({**rows[0], "token": "empty", "name": "empty"})),
        *("warning", "empty-scene", "scene", "empty", "no sample"),
    ),
    "object without boxes": (
        table("instance", lambda rows: rows.append({**rows[0], "token": "empty"})),
        *("warning", "empty-instance", "instance", "empty", "no box"),
    ),
    "two image sizes": (
        row("sample_data", "scene0-CAM_BACK-10", width=64),
        *("warning", "mixed-image-sizes", "sample_data", "scene0-CAM_BACK-10", "64x33 pixels"),
    ),
    "unused calibration": (
        table("calibrated_sensor", another_mount),
        *("remark", "unused-calibration", "calibrated_sensor", "calib-other", "no measurement"),
    ),
    "most points lost": (
        lambda root: np.pad(np.full((9, 4), np.nan, np.float32), ((0, 1), (0, 1))).tofile(
            root / SWEEP
        ),
        *("warning", "not-finite-points", "sample_data", "scene0-LIDAR_TOP-10", "9 of 10 points"),
    ),
    "few points": (
        few_points,
        *("warning", "few-points", "sample_data", "scene0-LIDAR_TOP-10", "usually 60"),
    ),
    "counts of a denser cloud": (
        denser_cloud_stated,
        *("remark", "lidar-counts-scaled", "sample_data", "scene0-LIDAR_TOP-10", "says 60"),
    ),
    "standing car and world": (
        stand_still,
        *("remark", "identical-images", "sample_data", "scene0-CAM_BACK-10", "moved 0.00 m"),
    ),
    "scene at rest": (
        every_row("ego_pose", "translation", lambda _: [1000.0, 2000.0, 0.0]),
        *("remark", "no-motion", "scene", "scene1", "tiny-1 never moves"),
    ),
    "slow key frames": (
        slow_key_frames,
        *("remark", "key-frame-rate", "sample", "", "1 Hz"),
    ),
    "clock that starts at 0": (
        clock_from_zero,
        *("remark", "clock-epoch", "sample", "", "times from 0 s on"),
    ),
    "radar only": (
        table("sensor", lambda rows: [r.update(modality="radar") for r in rows]),
        *("error", "reader-refuses", "sample_data", "", "modality 'camera'"),
    ),
    "no attributes": (
        lambda root: (root / "v1.0-mini/attribute.json").unlink(),
        *("remark", "absent-table", "attribute", "", "v1.0-mini/attribute.json"),
    ),
    "no visibility": (
        every_row("sample_annotation", "visibility_token", lambda _: ""),
        *("remark", "boxes-without-visibility", "sample_annotation", "scene0-object0-0", "12 of"),
    ),
    "no points in boxes": (
        every_row("sample_annotation", "num_lidar_pts", lambda _: 0),
        *("remark", "boxes-without-points", "sample_annotation", "scene0-object0-0", "12 of 12"),
    ),
}
