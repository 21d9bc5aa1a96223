"""A valid nuScenes-format data set of two short scenes, small enough to check by hand.

The car drives along global +y at 2 m/s from (1000, 2000, 0). Its `ego` x axis is global +y, y is
global -x. Keyframes every 0.5 s, LiDAR every 0.1 s, cameras every 0.1 s but 0.02 s before the
LiDAR. Landmarks stand still in `global`; one car (the object) drives at 3 m/s along global +y.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPEED = 2.0
START_US = 1_600_000_000_000_000
KEY_STEP_US = 500_000
SWEEP_STEP_US = 100_000
CAMERA_DELAY_US = -20_000
SAMPLES = 5
LANDMARKS_GLOBAL = np.array(
    [[1000.0, 2020.0, 1.0], [995.0, 2010.0, 0.0], [1005.0, 2015.0, 2.0], [1000.0, 1980.0, 1.0]]
)
# Channel: (yaw of the optical axis in ego, width, height)
CAMERAS = {
    "CAM_FRONT": (0.0, 65, 41),
    "CAM_BACK": (math.pi, 49, 33),
    "CAM_FRONT_LEFT": (math.radians(55), 65, 41),
    "CAM_FRONT_RIGHT": (math.radians(-55), 65, 41),
    "CAM_BACK_LEFT": (math.radians(110), 57, 35),
    "CAM_BACK_RIGHT": (math.radians(-110), 57, 35),
}
FOCAL = 40.0
LIDAR_MOUNT = ((1.0, 0.0, 1.8), -math.pi / 2)

Rows = list[dict[str, Any]]


def yaw_quaternion(yaw: float) -> list[float]:
    return [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def camera_quaternion(yaw: float) -> list[float]:
    """Mount of a camera that looks along `yaw`: yaw times the axes (x right, y down, z forward)."""
    w, z = math.cos(yaw / 2), math.sin(yaw / 2)
    a, b, c, d = 0.5, -0.5, 0.5, -0.5
    return [w * a - z * d, w * b - z * c, w * c + z * b, w * d + z * a]


def ego_position(time_us: int) -> list[float]:
    return [1000.0, 2000.0 + SPEED * (time_us - START_US) * 1e-6, 0.0]


def write_tiny_dataset(
    root: Path, cameras: tuple[str, ...] = tuple(CAMERAS)[:3], version: str = "v1.0-mini"
) -> Path:
    tables: dict[str, Rows] = {name: [] for name in (*_PLAIN, "sample", "sample_data", "ego_pose")}
    tables["log"] = [{"token": "log0", "location": "nowhere", "logfile": "", "vehicle": "tiny"}]
    channels = ["LIDAR_TOP", *cameras]
    for channel in channels:
        modality = "lidar" if channel == "LIDAR_TOP" else "camera"
        row = {"token": f"sensor-{channel}", "channel": channel, "modality": modality}
        tables["sensor"].append(row)
        tables["calibrated_sensor"].append(_calibration(channel))
    tables["category"] = [
        {"token": "cat0", "name": "movable_object.barrier"},
        {"token": "cat1", "name": "vehicle.car"},
    ]
    for scene in range(2):
        _write_scene(root, tables, scene, channels)
    (root / version).mkdir(parents=True)
    for name, rows in tables.items():
        (root / version / f"{name}.json").write_text(json.dumps(rows))
    return root


_PLAIN = ("scene", "log", "sensor", "calibrated_sensor", "category", "instance")


def _calibration(channel: str) -> dict[str, Any]:
    row = {"token": f"calib-{channel}", "sensor_token": f"sensor-{channel}"}
    if channel == "LIDAR_TOP":
        translation, yaw = LIDAR_MOUNT
        pose = {"translation": list(translation), "rotation": yaw_quaternion(yaw)}
        return {**row, **pose, "camera_intrinsic": []}
    yaw, width, height = CAMERAS[channel]
    intrinsic = [[FOCAL, 0, width / 2], [0, FOCAL, height / 2], [0, 0, 1]]
    pose = {"translation": [1.5, 0.0, 1.5], "rotation": camera_quaternion(yaw)}
    return {**row, **pose, "camera_intrinsic": intrinsic}


def _write_scene(root: Path, tables: dict[str, Rows], scene: int, channels: list[str]) -> None:
    start = START_US + scene * 100_000_000
    samples = [f"scene{scene}-sample{k}" for k in range(SAMPLES)]
    tables["scene"].append(
        {
            "token": f"scene{scene}",
            "name": f"tiny-{scene}",
            "log_token": "log0",
            "nbr_samples": SAMPLES,
            "first_sample_token": samples[0],
            "last_sample_token": samples[-1],
        }
    )
    for k, token in enumerate(samples):
        tables["sample"].append(
            {
                "token": token,
                "timestamp": start + k * KEY_STEP_US,
                "scene_token": f"scene{scene}",
                **_links(samples, k),
            }
        )
    _write_annotations(tables, scene, samples)
    steps = (SAMPLES - 1) * KEY_STEP_US // SWEEP_STEP_US + 1
    for channel in channels:
        tokens = [f"scene{scene}-{channel}-{step}" for step in range(steps)]
        for step, token in enumerate(tokens):
            shift = 0 if channel == "LIDAR_TOP" else CAMERA_DELAY_US
            time = start + step * SWEEP_STEP_US + shift
            is_key = step % 5 == 0
            name = f"{'samples' if is_key else 'sweeps'}/{channel}/{token}"
            size = _write_file(root, channel, name, time, scene)
            tables["ego_pose"].append(
                {
                    "token": f"pose-{token}",
                    "timestamp": time,
                    "translation": ego_position(time - scene * 100_000_000),
                    "rotation": yaw_quaternion(math.pi / 2),
                }
            )
            tables["sample_data"].append(
                {
                    "token": token,
                    "sample_token": samples[-(-step // 5)],
                    "ego_pose_token": f"pose-{token}",
                    "calibrated_sensor_token": f"calib-{channel}",
                    "timestamp": time,
                    "is_key_frame": is_key,
                    **size,
                    **_links(tokens, step),
                }
            )


def _links(tokens: list[str], k: int) -> dict[str, str]:
    return {
        "prev": tokens[k - 1] if k > 0 else "",
        "next": tokens[k + 1] if k + 1 < len(tokens) else "",
    }


def _write_annotations(tables: dict[str, Rows], scene: int, samples: list[str]) -> None:
    """Object 0 drives at 3 m/s; object 1, a barrier, is annotated in sample 2 only."""
    rows = tables.setdefault("sample_annotation", [])
    for number, category in enumerate(("cat1", "cat0")):
        instance = f"scene{scene}-object{number}"
        tables["instance"].append({"token": instance, "category_token": category})
        seen = range(SAMPLES) if number == 0 else (2,)
        tokens = [f"{instance}-{k}" for k in seen]
        for place, k in enumerate(seen):
            y = 2010.0 + 3.0 * 0.5 * k if number == 0 else 2006.0
            rows.append(
                {
                    "token": tokens[place],
                    "sample_token": samples[k],
                    "instance_token": instance,
                    "translation": [998.0, y, 0.8],
                    "size": [2.0, 4.0, 1.6],
                    "rotation": yaw_quaternion(math.pi / 2),
                    "num_lidar_pts": 3,
                    "num_radar_pts": 0,
                    **_links(tokens, place),
                }
            )


def _write_file(root: Path, channel: str, name: str, time: int, scene: int) -> dict[str, Any]:
    """Write a sweep or an image; an image's red value says when it was taken (0.1 s = 10)."""
    elapsed = time - scene * 100_000_000
    if channel == "LIDAR_TOP":
        path = root / f"{name}.pcd.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(elapsed).tofile(path)
        return {"filename": f"{name}.pcd.bin", "height": 0, "width": 0}
    _, width, height = CAMERAS[channel]
    path = root / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    red = round((elapsed - CAMERA_DELAY_US - START_US) / SWEEP_STEP_US) * 10
    Image.new("RGB", (width, height), (red, 128, 64)).save(path, quality=95)
    return {"filename": f"{name}.jpg", "height": height, "width": width}


def _sweep(elapsed_us: int) -> np.ndarray:
    """Landmarks in the LiDAR's axes (x right, y forward, z up), an ego return and a NaN."""
    ego = np.array(ego_position(elapsed_us))
    (mount_x, _, mount_z), _ = LIDAR_MOUNT
    offset = LANDMARKS_GLOBAL - ego  # ego x = global y, ego y = -global x
    forward, left, up = offset[:, 1] - mount_x, -offset[:, 0], offset[:, 2] - mount_z
    points = np.stack([-left, forward, up], axis=1)
    extra = [[0.5, -1.0, -0.5], [np.nan, 0.0, 0.0]]
    points = np.concatenate([points, extra])
    return np.pad(points, ((0, 0), (0, 2))).astype(np.float32)


def edit_table(root: Path, table: str, change: Callable[[Rows], object]) -> Path:
    """Read a table, let `change` alter its rows in place, write it back; returns its path."""
    path = next(root.glob(f"*/{table}.json"))
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))
    return path


def complete_tiny_dataset(root: Path) -> Path:
    """Add what the reader does without: the other tables, counts and ends of objects, splits."""
    version = next(root.glob("*/sample.json")).parent
    for name in ("attribute", "visibility"):
        rows = [{"token": f"{name}{k}", "name": text} for k, text in enumerate(ATTRIBUTES)]
        rows = (
            rows if name == "attribute" else [{"token": str(k), "level": f"v{k}"} for k in "1234"]
        )
        (version / f"{name}.json").write_text(json.dumps(rows))
    row = {"token": "map0", "log_tokens": ["log0"], "filename": "maps/tiny.png"}
    (version / "map.json").write_text(json.dumps([row]))
    (root / "maps").mkdir()
    Image.new("L", (4, 4)).save(root / "maps" / "tiny.png")
    (root / "splits.json").write_text(json.dumps({"train": ["tiny-0"], "val": ["tiny-1"]}))
    own: dict[str, list[str]] = {}

    def describe(rows: Rows) -> None:
        for row in rows:
            own.setdefault(row["instance_token"], []).append(row["token"])
            is_car = row["instance_token"].endswith("0")
            row.update(visibility_token="4", attribute_tokens=["attribute0"] if is_car else [])

    def enclose(rows: Rows) -> None:
        for row in rows:
            tokens = own[row["token"]]
            row.update(nbr_annotations=len(tokens))
            row.update(first_annotation_token=tokens[0], last_annotation_token=tokens[-1])

    edit_table(root, "sample_annotation", describe)
    edit_table(root, "instance", enclose)
    return root


ATTRIBUTES = ("vehicle.moving", "vehicle.parked", "pedestrian.standing")


def set_row(token: str, /, **values: object) -> Callable[[Rows], object]:
    """A change of one record, for `edit_table`."""
    return lambda rows: next(row for row in rows if row["token"] == token).update(values)
