"""Every planted fault is named with its table and its token; what is whole passes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mim4d.check
from mim4d.check.report import Report
from mim4d.check.run import check_data
from mim4d.check.tables import CHECKED
from tests.data.tiny_dataset import Rows, edit_table, set_row, yaw_quaternion

Damage = Callable[[Path], object]

IMAGE = "samples/CAM_BACK/scene0-CAM_BACK-10.jpg"
SWEEP = "samples/LIDAR_TOP/scene0-LIDAR_TOP-10.pcd.bin"
POSE = "pose-scene0-CAM_BACK-7"


def table(name: str, change: Callable[[Rows], object]) -> Damage:
    return lambda root: edit_table(root, name, change)


def row(name: str, token: str, /, **values: object) -> Damage:
    return table(name, set_row(token, **values))


def every_row(name: str, key: str, change: Callable[[Any], Any]) -> Damage:
    return table(name, lambda rows: [r.update({key: change(r[key])}) for r in rows])


def write(file: str, content: bytes) -> Damage:
    return lambda root: (root / file).write_bytes(content)


def rewrite(file: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda root: (root / file).write_bytes(change((root / file).read_bytes()))


def paint(value: int) -> Damage:
    return lambda root: Image.new("RGB", (49, 33), (value,) * 3).save(root / IMAGE)


def freeze(root: Path) -> None:
    """The camera shows its image 9 from there on; the car moves 0.2 m between two images."""
    content = (root / "sweeps/CAM_BACK/scene0-CAM_BACK-9.jpg").read_bytes()
    (root / IMAGE).write_bytes(content)
    edit_table(root, "ego_pose", set_row("pose-scene0-CAM_BACK-9", translation=[1000, 2001.3, 0]))


def points(values: list[float], count: int = 100) -> Damage:
    return lambda root: np.tile(np.float32([*values, 0, 1]), (count, 1)).tofile(root / SWEEP)


def cycle(rows: Rows) -> None:
    rows[0]["prev"], rows[4]["next"] = rows[4]["token"], rows[0]["token"]


def cross(rows: Rows) -> None:
    rows[4]["next"], rows[5]["prev"] = rows[5]["token"], rows[4]["token"]


def separate(rows: Rows) -> None:
    rows[1]["next"] = rows[2]["prev"] = ""


def drop_frames(rows: Rows) -> None:
    by_token = {r["token"]: r for r in rows}
    by_token["scene0-CAM_BACK-6"]["next"] = "scene0-CAM_BACK-9"
    by_token["scene0-CAM_BACK-9"]["prev"] = "scene0-CAM_BACK-6"
    for number in (7, 8):
        rows.remove(by_token[f"scene0-CAM_BACK-{number}"])


def copy_box(rows: Rows) -> None:
    first = next(r for r in rows if r["token"] == "scene0-object1-2")
    rows.append({**first, "token": "copy"})


def another_mount(rows: Rows) -> None:
    rows.append({**rows[2], "token": "calib-other", "translation": [1.5, 0.6, 1.5]})


def use_other_mount(root: Path) -> None:
    edit_table(root, "calibrated_sensor", another_mount)

    def change(rows: Rows) -> None:
        for r in rows:
            if r["token"].startswith("scene1-CAM_BACK"):
                r["calibrated_sensor_token"] = "calib-other"

    edit_table(root, "sample_data", change)


def many_points_stated(root: Path) -> None:
    edit_table(root, "sample_annotation", set_row("scene0-object0-2", num_lidar_pts=50))


def denser_cloud_stated(root: Path) -> None:
    """Twelve points in the box, the table says sixty."""
    many_points_stated(root)
    edit_table(root, "sample_annotation", set_row("scene0-object0-2", num_lidar_pts=60))
    # The box's centre in the LiDAR's axes: the car is at y = 2002, the sensor 1 m ahead, 1.8 m up.
    points([2.0 - 4.0, 2013.0 - 2002.0 - 1.0, 0.8 - 1.8], 12)(root)


def stand_still(root: Path) -> None:
    """From image 9 to 10 nothing moves; before and after the car does."""
    content = (root / "sweeps/CAM_BACK/scene0-CAM_BACK-9.jpg").read_bytes()
    (root / IMAGE).write_bytes(content)
    edit_table(root, "ego_pose", set_row("pose-scene0-CAM_BACK-9", translation=[1000, 2001.96, 0]))


TIMED = ("sample", "sample_data", "ego_pose")


def scale_times(root: Path, name: str, factor: int) -> None:
    start = 1_600_000_000_000_000
    change = every_row(name, "timestamp", lambda time: start + factor * (time - start))
    change(root)


def shift_times(root: Path, name: str) -> None:
    change = every_row(name, "timestamp", lambda time: time - 1_600_000_000_000_000)
    change(root)


def expansion(content: str) -> Damage:
    def write_map(root: Path) -> None:
        (root / "maps/expansion").mkdir()
        (root / "maps/expansion/nowhere.json").write_text(content)

    return write_map


def splits(**names: list[str]) -> Damage:
    return lambda root: (root / "splits.json").write_text(json.dumps(names))


LAYERS = ("polygon", "line", "node", "drivable_area", "lane", "ped_crossing")
BROKEN_MAP = {
    **{layer: [] for layer in LAYERS},
    "polygon": [{"token": "polygon0", "exterior_node_tokens": ["lost"]}],
}
UNIT = [1, 0, 0, 0]
FAR_QUATERNION = [1.0, 0.1, 0.0, 0.0]
CAMERA = "calib-CAM_BACK"

# Name: what is done, then severity, code, table, token and what the finding's place must say.
FAULTS: dict[str, tuple[Damage, str, str, str, str, str]] = {
    # Tables
    "missing table": (
        lambda root: (root / "v1.0-mini/ego_pose.json").unlink(),
        *("error", "missing-table", "ego_pose", "", "v1.0-mini/ego_pose.json"),
    ),
    "cut JSON": (
        rewrite("v1.0-mini/sample.json", lambda text: text[:-30]),
        *("error", "unreadable-table", "sample", "", "not valid JSON"),
    ),
    "no list": (
        write("v1.0-mini/log.json", b'{"token": "a"}'),
        *("error", "unreadable-table", "log", "", "a JSON dict"),
    ),
    "empty table": (
        write("v1.0-mini/sensor.json", b"[]"),
        *("error", "empty-table", "sensor", "", "an empty list"),
    ),
    "missing field": (
        table("sample", lambda rows: rows[2].pop("timestamp")),
        *("error", "missing-field", "sample", "scene0-sample2", "'timestamp'"),
    ),
    "wrong type": (
        row("ego_pose", POSE, rotation=[1.0, "x", 0, 0]),
        *("error", "wrong-type", "ego_pose", POSE, "[1.0, 'x', 0, 0]"),
    ),
    "text as truth": (
        row("sample_data", "scene0-CAM_BACK-7", is_key_frame="false"),
        *("error", "wrong-type", "sample_data", "scene0-CAM_BACK-7", "true or false"),
    ),
    "duplicate token": (
        table("sample_data", lambda rows: rows.append(dict(rows[3]))),
        *("error", "duplicate-token", "sample_data", "scene0-LIDAR_TOP-3", "2 times"),
    ),
    "dangling link": (
        row("sample_data", "scene0-CAM_BACK-7", ego_pose_token="lost"),
        *("error", "dangling-link", "sample_data", "scene0-CAM_BACK-7", "ego_pose_token = 'lost'"),
    ),
    "empty link": (
        row("instance", "scene0-object0", category_token=""),
        *("error", "empty-link", "instance", "scene0-object0", "category_token"),
    ),
    "unknown attribute": (
        row("sample_annotation", "scene0-object0-1", attribute_tokens=["attribute0", "lost"]),
        *("error", "dangling-link", "sample_annotation", "scene0-object0-1", "'lost'"),
    ),
    "unknown visibility": (
        row("sample_annotation", "scene0-object0-1", visibility_token="9"),
        *("error", "dangling-link", "sample_annotation", "scene0-object0-1", "visibility_token"),
    ),
    # Chains
    "one-way link": (
        row("sample", "scene0-sample2", prev=""),
        *("error", "one-way-link", "sample", "scene0-sample1", "next is scene0-sample2"),
    ),
    "cycle": (
        table("sample", cycle),
        *("error", "cycle", "sample", "scene0-sample0", "never ends"),
    ),
    "back in time": (
        table("sample", lambda rows: rows[1].update(timestamp=rows[1]["timestamp"] + 600_000)),
        *("error", "backward-link", "sample", "scene0-sample1", "0.1 s earlier"),
    ),
    "across scenes": (
        table("sample", cross),
        *("error", "crossing-link", "sample", "scene0-sample4", "scene tiny-1"),
    ),
    "chain in pieces": (
        table("sample_data", separate),
        *("warning", "broken-chain", "sample_data", "scene0-LIDAR_TOP-2", "scene tiny-0, LIDAR"),
    ),
    "wrong first sample": (
        row("scene", "scene0", first_sample_token="scene0-sample1"),
        *("error", "wrong-chain-end", "scene", "scene0", "in time it is scene0-sample0"),
    ),
    "wrong number of samples": (
        row("scene", "scene1", nbr_samples=6),
        *("error", "wrong-count", "scene", "scene1", "nbr_samples is 6, there are 5"),
    ),
    "wrong last annotation": (
        row("instance", "scene0-object0", last_annotation_token="scene0-object0-0"),
        *("error", "wrong-chain-end", "instance", "scene0-object0", "scene0-object0-4"),
    ),
    "wrong number of annotations": (
        row("instance", "scene0-object0", nbr_annotations=1),
        *("error", "wrong-count", "instance", "scene0-object0", "there are 5"),
    ),
    "scene name twice": (
        row("scene", "scene1", name="tiny-0"),
        *("error", "scene-name-twice", "scene", "scene1", "tiny-0 again"),
    ),
    # Files
    "missing file": (
        lambda root: (root / IMAGE).unlink(),
        *("error", "missing-file", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "no bytes": (
        write(SWEEP, b""),
        *("error", "empty-file", "sample_data", "scene0-LIDAR_TOP-10", SWEEP),
    ),
    "truncated JPEG": (
        rewrite(IMAGE, lambda content: content[:-40]),
        *("error", "truncated-image", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "JPEG without its end marker": (
        rewrite(IMAGE, lambda content: content[:-2]),
        *("error", "truncated-image", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "no image": (
        write(IMAGE, b"no image"),
        *("error", "broken-image", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "other image size": (
        lambda root: Image.effect_noise((65, 41), 50).save(root / IMAGE),
        *("error", "image-size-differs", "sample_data", "scene0-CAM_BACK-10", "65x41 pixels"),
    ),
    "LiDAR file cut": (
        rewrite(SWEEP, lambda content: content[:-7]),
        *("error", "lidar-file-size", "sample_data", "scene0-LIDAR_TOP-10", "113 bytes"),
    ),
    "no finite point": (
        points([np.nan, 0, 0]),
        *("error", "no-finite-point", "sample_data", "scene0-LIDAR_TOP-10", "none of 100"),
    ),
    "points in millimetres": (
        points([20_000.0, 5_000.0, 100.0]),
        *("error", "lidar-units", "sample_data", "scene0-LIDAR_TOP-10", "20616 m"),
    ),
    "unexpected ending": (
        row("sample_data", "scene0-CAM_BACK-10", filename=SWEEP),
        *("warning", "file-extension", "sample_data", "scene0-CAM_BACK-10", ".bin of a camera"),
    ),
    "file of two measurements": (
        row("sample_data", "scene0-CAM_BACK-10", filename=IMAGE.replace("-10", "-5")),
        *("error", "shared-file", "sample_data", "scene0-CAM_BACK-10", "the same file"),
    ),
    "black image": (
        paint(0),
        *("warning", "blank-image", "sample_data", "scene0-CAM_BACK-10", "all black"),
    ),
    "white image": (
        paint(255),
        *("warning", "blank-image", "sample_data", "scene0-CAM_BACK-10", "all white"),
    ),
    "frozen camera": (
        freeze,
        *("warning", "frozen-camera", "sample_data", "scene0-CAM_BACK-10", "BACK-9.jpg; the car"),
    ),
    # Poses
    "quaternion too long": (
        row("ego_pose", POSE, rotation=FAR_QUATERNION),
        *("error", "not-unit-quaternion", "ego_pose", POSE, "[1.0, 0.1, 0.0, 0.0]"),
    ),
    "NaN pose": (
        row("ego_pose", POSE, translation=[float("nan"), 0, 0]),
        *("error", "not-finite", "ego_pose", POSE, "nan"),
    ),
    "jump": (
        row("ego_pose", POSE, translation=[1000.0, 2031.4, 0.0]),
        *("error", "pose-jump", "ego_pose", POSE, "CAM_BACK"),
    ),
    "hard braking": (
        row("ego_pose", POSE, translation=[1000.0, 2002.4, 0.0]),
        *("warning", "pose-acceleration", "ego_pose", POSE, "m/s²"),
    ),
    "sudden turn": (
        row("ego_pose", POSE, rotation=yaw_quaternion(np.pi / 2 + 0.5)),
        *("warning", "pose-turn", "ego_pose", POSE, "5.0 rad/s"),
    ),
    "height": (
        row("ego_pose", POSE, translation=[1000.0, 2001.36, 1.0]),
        *("warning", "height-jump", "ego_pose", POSE, "1.00 m in 0.1 s"),
    ),
    "millimetres": (
        every_row("ego_pose", "translation", lambda xyz: [1000 * v for v in xyz]),
        *("error", "pose-units", "ego_pose", "pose-scene0-CAM_BACK-1", "millimetres"),
    ),
    "lying car": (
        row("ego_pose", POSE, rotation=[0, 1, 0, 0]),
        *("error", "pose-tilt", "ego_pose", POSE, "180 degrees"),
    ),
    "driving backwards": (
        every_row("ego_pose", "rotation", lambda _: yaw_quaternion(-np.pi / 2)),
        *("warning", "heading-against-motion", "scene", "scene0", "180 degrees"),
    ),
    "pose of another time": (
        row("ego_pose", POSE, timestamp=1_600_000_001_000_000),
        *("warning", "pose-time", "sample_data", "scene0-CAM_BACK-7", POSE),
    ),
    # Calibration
    "singular intrinsics": (
        row("calibrated_sensor", CAMERA, camera_intrinsic=[[0, 0, 24], [0, 40, 16], [0, 0, 1]]),
        *("error", "bad-intrinsics", "calibrated_sensor", CAMERA, "[0.0, 0.0, 24.0]"),
    ),
    "principal point": (
        row("calibrated_sensor", CAMERA, camera_intrinsic=[[40, 0, 96], [0, 40, 16], [0, 0, 1]]),
        *("error", "principal-point", "calibrated_sensor", CAMERA, "(96, 16) in an image of 49x33"),
    ),
    "principal point off centre": (
        row("calibrated_sensor", CAMERA, camera_intrinsic=[[40, 0, 45], [0, 40, 16], [0, 0, 1]]),
        *("warning", "principal-point-off-centre", "calibrated_sensor", CAMERA, "(45, 16)"),
    ),
    "focal length": (
        row("calibrated_sensor", CAMERA, camera_intrinsic=[[4, 0, 24], [0, 4, 16], [0, 0, 1]]),
        *("warning", "focal-length", "calibrated_sensor", CAMERA, "161.5 degrees wide"),
    ),
    "focal ratio": (
        row("calibrated_sensor", CAMERA, camera_intrinsic=[[40, 0, 24], [0, 60, 16], [0, 0, 1]]),
        *("warning", "focal-ratio", "calibrated_sensor", CAMERA, "fy 60"),
    ),
    "distortion": (
        row("calibrated_sensor", CAMERA, camera_distortion=[-0.3, 0.1]),
        *("error", "distortion", "calibrated_sensor", CAMERA, "-0.3"),
    ),
    "mount in millimetres": (
        row("calibrated_sensor", CAMERA, translation=[1500, 0, 1500]),
        *("error", "mount-units", "calibrated_sensor", CAMERA, "[1500.0, 0.0, 1500.0]"),
    ),
    "camera in the ground": (
        row("calibrated_sensor", CAMERA, translation=[1.5, 0, -1.0]),
        *("warning", "camera-height", "calibrated_sensor", CAMERA, "-1.00 m"),
    ),
    "camera in the ego's axes": (
        row("calibrated_sensor", CAMERA, rotation=UNIT),
        *("warning", "camera-axes", "calibrated_sensor", CAMERA, "CAM_BACK"),
    ),
    "back camera looks ahead": (
        row("calibrated_sensor", CAMERA, rotation=[0.5, -0.5, 0.5, -0.5]),
        *("warning", "camera-direction", "calibrated_sensor", CAMERA, "usual are 180"),
    ),
    "another mount": (
        use_other_mount,
        *("remark", "mount-differs", "calibrated_sensor", "calib-other", "0.60 m"),
    ),
    # Clocks
    "same time": (
        row("sample_data", "scene0-CAM_BACK-7", timestamp=1_600_000_000_580_000),
        *("warning", "same-time", "sample_data", "scene0-CAM_BACK-7", "CAM_BACK"),
    ),
    "dropped frames": (
        table("sample_data", drop_frames),
        *("remark", "dropped-frames", "sample_data", "scene0-CAM_BACK-9", "0.3 s after"),
    ),
    "key frame of another sample": (
        row("sample_data", "scene0-CAM_BACK-10", sample_token="scene0-sample3"),
        *("warning", "far-from-sample", "sample_data", "scene0-CAM_BACK-10", "-0.520 s"),
    ),
    "two key frames": (
        row("sample_data", "scene0-CAM_BACK-10", sample_token="scene0-sample3"),
        *("error", "two-key-frames", "sample_data", "scene0-CAM_BACK-15", "scene0-sample3"),
    ),
    "sample without image": (
        row("sample_data", "scene0-CAM_BACK-10", is_key_frame=False),
        *("warning", "sample-without-data", "sample", "scene0-sample2", "no key frame"),
    ),
    "nanoseconds": (
        every_row("sample", "timestamp", lambda time: time * 1000),
        *("error", "time-units", "sample", "scene0-sample0", "5e+08 apart"),
    ),
    # Boxes
    "box without height": (
        row("sample_annotation", "scene0-object0-1", size=[2.0, 4.0, 0.0]),
        *("error", "bad-box-size", "sample_annotation", "scene0-object0-1", "[2.0, 4.0, 0.0]"),
    ),
    "box in centimetres": (
        row("sample_annotation", "scene0-object0-1", size=[200, 400, 160]),
        *("warning", "box-size", "sample_annotation", "scene0-object0-1", "[200.0, 400.0, 160.0]"),
    ),
    "fast box": (
        row("sample_annotation", "scene0-object0-2", translation=[1098.0, 2013.0, 0.8]),
        *("warning", "box-speed", "sample_annotation", "scene0-object0-1", "vehicle.car: 200"),
    ),
    "far box": (
        row("sample_annotation", "scene0-object1-2", translation=[0.0, 0.0, 0.0]),
        *("warning", "box-far", "sample_annotation", "scene0-object1-2", "2238 m"),
    ),
    "box under the ground": (
        row("sample_annotation", "scene0-object1-2", translation=[998.0, 2006.0, -9.0]),
        *("warning", "box-underground", "sample_annotation", "scene0-object1-2", "8.2 m below"),
    ),
    "box twice": (
        table("sample_annotation", copy_box),
        *("error", "instance-twice", "sample_annotation", "copy", "scene0-object1"),
    ),
    "walking car": (
        row("sample_annotation", "scene0-object0-1", attribute_tokens=["attribute2"]),
        *("warning", "attribute-of-other-class", "sample_annotation", "scene0-object0-1", "is ped"),
    ),
    "points that are not there": (
        many_points_stated,
        *("warning", "lidar-counts", "sample_data", "scene0-LIDAR_TOP-10", "0 points in 1 boxes"),
    ),
    # What is odd but no fault, and the rest
    "scene without samples": (
        table("scene", lambda rows: rows.append({**rows[0], "token": "empty", "name": "empty"})),
        *("error", "empty-scene", "scene", "empty", "no sample"),
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
        lambda root: [
            np.ones((60, 5), np.float32).tofile(path)
            for path in root.glob("s*/LIDAR_TOP/*")
            if not path.name.startswith("scene0-LIDAR_TOP-10.")
        ],
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
        lambda root: [scale_times(root, name, 2) for name in TIMED],
        *("remark", "key-frame-rate", "sample", "", "1 Hz"),
    ),
    "clock that starts at 0": (
        lambda root: [shift_times(root, name) for name in TIMED],
        *("remark", "clock-epoch", "sample", "", "times from 0 s on"),
    ),
    "radar only": (
        table("sensor", lambda rows: [r.update(modality="radar") for r in rows]),
        *("error", "reader-refuses", "sample_data", "", "cameras none"),
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
    # Maps and splits
    "log without map": (
        row("map", "map0", log_tokens=[]),
        *("remark", "log-without-map", "log", "log0", "no map"),
    ),
    "scene in no split": (
        splits(train=["tiny-0"]),
        *("remark", "scene-in-no-split", "scene", "scene1", "splits.json"),
    ),
    "map that does not parse": (
        expansion("{"),
        *("error", "bad-map-expansion", "log", "log0", "not valid JSON"),
    ),
    "map without layers": (
        expansion('{"node": []}'),
        *("error", "bad-map-expansion", "log", "log0", "no list polygon"),
    ),
    "polygon without its node": (
        expansion(json.dumps(BROKEN_MAP)),
        *("error", "bad-map-expansion", "log", "log0", "polygon polygon0: node lost"),
    ),
    "missing raster": (
        lambda root: (root / "maps/tiny.png").unlink(),
        *("warning", "missing-map", "map", "map0", "maps/tiny.png"),
    ),
    "unknown scene in a split": (
        splits(train=["tiny-0", "tiny-7"], val=["tiny-1"]),
        *("error", "unknown-scene", "splits", "", "'tiny-7' in split 'train'"),
    ),
    "scene in two splits": (
        splits(train=["tiny-0", "tiny-1"], val=["tiny-1"]),
        *("error", "scene-in-two-splits", "splits", "scene1", "'train' and in 'val'"),
    ),
    "splits that are none": (
        write("splits.json", b'["tiny-0"]'),
        *("error", "bad-splits", "splits", "", "splits.json"),
    ),
}


def places(report: Report, code: str, name: str) -> list[Any]:
    return [
        place
        for finding in report.findings
        if finding.rule.code == code and finding.table == name
        for place in finding.places
    ]


def test_every_rule_is_planted_here_or_told_of_real_or_whole_data() -> None:
    sources = Path(mim4d.check.__file__).parent.glob("*.py")
    codes = set(re.findall(r'Rule\(\s*"([a-z-]+)"', "".join(p.read_text() for p in sources)))
    elsewhere = {
        *("calibration-fits", "calibration-turned", "calibration-unknown"),
        *("image-size", "no-sweeps", "no-splits", "no-records", "boxes-without-attribute"),
        *("some-points-not-finite", "ring-zero", "unknown-location", "no-map-expansion"),
        *("files-sampled", "missing-sweeps", "short-scene", "unreadable-file"),
    }
    assert codes - {fault[2] for fault in FAULTS.values()} == elsewhere


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_named(fault: str, data: Path) -> None:
    damage, severity, code, name, token, found = FAULTS[fault]
    damage(data)
    report = check_data(data)
    named = places(report, code, name)
    assert token in [place.token for place in named], report.text()
    place = next(place for place in named if place.token == token)
    assert found in f"{place.found} {place.file}"
    assert {f.rule.severity for f in report.findings if f.rule.code == code} == {severity}
    least = {"error": 2, "warning": 1, "remark": 0}[severity]
    assert report.exit_status >= least
    assert f"{severity:<8} {code}: {name}" in report.text()
    assert token in report.text()


def test_whole_data_set_passes(complete_original: Path) -> None:
    report = check_data(complete_original)
    assert report.exit_status == 0, report.text()
    codes = {finding.rule.code for finding in report.findings}
    assert codes == {
        "image-size",
        "unknown-location",
        "no-map-expansion",
        "some-points-not-finite",
        "ring-zero",
        "calibration-unknown",
    }
    assert report.summary.scenes == 2
    assert report.summary.samples == 10
    assert report.summary.hours == pytest.approx(4 / 3600)
    assert report.summary.boxes == {"vehicle.car": 10, "movable_object.barrier": 2}
    assert report.summary.lidar_points == (5, 5, 5)
    front = next(s for s in report.summary.sensors if s.channel == "CAM_FRONT")
    assert (front.measurements, front.key_frames, front.sizes) == (42, 10, ["65x41"])
    assert front.rate_hz == pytest.approx(10)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("content", [b"[]", b"[{}, {}]", b'[{"token": "a"}, {"token": null}]'])
def test_no_table_however_bad_stops_the_check(name: str, content: bytes, data: Path) -> None:
    (data / f"v1.0-mini/{name}.json").write_bytes(content)
    report = check_data(data, files="none")
    assert any(finding.table == name for finding in report.findings)


def test_faults_in_every_table_at_once_are_all_named(data: Path) -> None:
    for path in data.glob("v1.0-mini/*.json"):
        edit_table(data, path.stem, lambda rows: rows.append({"token": rows[0]["token"]}))
    report = check_data(data)
    named = {f.table for f in report.findings if f.rule.code == "duplicate-token"}
    assert named == set(CHECKED)


def test_repeats_are_counted_and_the_first_are_named(data: Path) -> None:
    for path in sorted((data / "sweeps/CAM_BACK").iterdir())[:9]:
        path.unlink()
    report = check_data(data, max_findings=2)
    finding = next(f for f in report.findings if f.rule.code == "missing-file")
    assert finding.count == 9
    assert len(finding.places) == 2
    assert "and 7 more" in report.text()


def test_sweeps_that_were_not_extracted_are_a_warning(data: Path) -> None:
    (data / "sweeps").rename(data / "elsewhere")
    report = check_data(data)
    assert report.exit_status == 1
    assert {f.rule.code for f in report.findings if f.rule.severity != "remark"} == {
        "missing-sweeps"
    }


def test_a_scene_of_one_sample_is_a_remark(data: Path) -> None:
    def first_only(rows: Rows) -> None:
        rows[:] = [r for r in rows if not r["token"].startswith("scene1-sample")] + [
            {**r, "next": ""} for r in rows if r["token"] == "scene1-sample0"
        ]

    def of_first(rows: Rows) -> None:
        kept = [r for r in rows if r["sample_token"].startswith("scene0")]
        alone = [r for r in rows if r["sample_token"] == "scene1-sample0"]
        rows[:] = kept + [{**r, "prev": "", "next": ""} for r in alone]

    edit_table(data, "sample", first_only)
    edit_table(data, "sample_data", of_first)
    edit_table(data, "sample_annotation", of_first)
    change = set_row("scene1", last_sample_token="scene1-sample0", nbr_samples=1)
    edit_table(data, "scene", change)
    ends = {"last_annotation_token": "scene1-object0-0", "nbr_annotations": 1}
    edit_table(data, "instance", set_row("scene1-object0", **ends))
    edit_table(
        data, "instance", lambda rows: rows.remove(next(r for r in rows if "1-object1" in str(r)))
    )
    report = check_data(data)
    assert [p.token for p in places(report, "short-scene", "scene")] == ["scene1"]
    assert report.exit_status == 0, report.text()


def test_files_are_sampled_above_some_number(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mim4d.check.files.SAMPLED_FILES", 30)
    report = check_data(data)
    assert report.summary.files_opened == 30
    (sampled,) = places(report, "files-sampled", "sample_data")
    assert sampled.found == "30 of 126 images and sweeps were opened"
    assert check_data(data, files="all").summary.files_opened == 126
    assert check_data(data, files="none").summary.files_opened == 0


def test_file_that_may_not_be_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == Path(IMAGE).name:
            raise PermissionError("not yours")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (place,) = places(check_data(data), "unreadable-file", "sample_data")
    assert (place.token, place.file, place.found) == ("scene0-CAM_BACK-10", IMAGE, "not yours")


# Real data and the embedded world


def test_real_video_passes_with_true_remarks(real_data: Path) -> None:
    report = check_data(real_data / "real_video", files="all")
    assert report.exit_status == 0, report.text()
    found = {
        finding.rule.code: [place.found for place in finding.places] for finding in report.findings
    }
    assert found["no-map-expansion"]
    assert found["no-records"] == ["an empty list"]
    assert found["boxes-without-attribute"] == ["39 of 39 boxes"]
    assert found["no-sweeps"] == ["all 21 measurements are key frames"]
    assert found["key-frame-rate"] == ["1 Hz"]
    assert found["image-size"] == ["1936x1216 of 6 cameras"]
    assert found["ring-zero"] == ["LIDAR_TOP: ring is 0 in every point"]
    assert len(found["calibration-fits"]) == 1
    assert report.summary.boxes == {"vehicle.car": 33, "vehicle.truck": 6}
    assert report.summary.lidar_points == (47230, 48620, 49469)
