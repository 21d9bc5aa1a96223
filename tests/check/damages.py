"""Ways to damage the small data set, each a function of its folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.data.tiny_dataset import Rows, edit_table, set_row

Damage = Callable[[Path], object]
Fault = tuple[Damage, str, str, str, str, str]

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


def rotated(root: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # a camera that was held upright
    Image.effect_noise((49, 33), 50).save(root / IMAGE, exif=tags.tobytes())


def freeze(root: Path) -> None:
    """The camera shows its image 9 from there on; the car moves 0.2 m between two images."""
    content = (root / "sweeps/CAM_BACK/scene0-CAM_BACK-9.jpg").read_bytes()
    (root / IMAGE).write_bytes(content)
    edit_table(root, "ego_pose", set_row("pose-scene0-CAM_BACK-9", translation=[1000, 2001.3, 0]))


def points(values: list[float], count: int = 100) -> Damage:
    return lambda root: np.tile(np.array([*values, 0, 1], np.float32), (count, 1)).tofile(
        root / SWEEP
    )


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
