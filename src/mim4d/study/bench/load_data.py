"""A data set to time loading with: one scene of three keyframes of six cameras, a LiDAR and boxes.

Pictures are textured noise whose detail falls off as in photographs (amplitude 1/frequency), so
that the files are as large, and as slow to decode, as those of a real drive: about 160 kB at
1600×900. Nothing but sizes and numbers means anything in it.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CAMERAS = {
    "CAM_FRONT": 0,
    "CAM_FRONT_LEFT": 55,
    "CAM_BACK_LEFT": 110,
    "CAM_BACK": 180,
    "CAM_BACK_RIGHT": -110,
    "CAM_FRONT_RIGHT": -55,
}
"""Channels, and the direction in which each looks, degrees to the left of ahead."""

_SAMPLES = 3
_INTERVAL_US = 500_000
_POINTS = 34_720
_BOXES = 30
_QUALITY = 92

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def write_bench_data(root: Path, image_hw: tuple[int, int] = (900, 1600), seed: int = 0) -> None:
    """Write the data set into the folder `root`."""
    generator = np.random.default_rng(seed)
    canvas = _texture(image_hw, generator)
    tables: Tables = {name: [] for name in ("ego_pose", "sample_data", "sample_annotation")}
    samples = [f"sample-{index}" for index in range(_SAMPLES)]
    tables["log"] = [{"token": "log", "location": ""}]
    tables["category"] = [{"token": "car", "name": "vehicle.car"}]
    tables["instance"] = [{"token": f"car-{k}", "category_token": "car"} for k in range(_BOXES)]
    ends = {"first_sample_token": samples[0], "last_sample_token": samples[-1]}
    tables["scene"] = [{"token": "scene", "name": "bench", "log_token": "log", **ends}]
    tables["sample"] = [
        {"token": token, "timestamp": k * _INTERVAL_US, "scene_token": "scene", **_ends(samples, k)}
        for k, token in enumerate(samples)
    ]
    for channel in ("LIDAR_TOP", *CAMERAS):
        modality = "lidar" if channel == "LIDAR_TOP" else "camera"
        sensor = {"token": channel, "channel": channel, "modality": modality}
        tables.setdefault("sensor", []).append(sensor)
        tables.setdefault("calibrated_sensor", []).append(_mount(channel, image_hw))
        folder = root / "samples" / channel
        folder.mkdir(parents=True)
        tokens = [f"{channel}-{k}" for k in range(_SAMPLES)]
        for k, token in enumerate(tokens):
            tables["ego_pose"].append({"token": token, **_pose((2.5 * k, 0.0, 0.0), 0.0)})
            if modality == "lidar":
                name = f"{token}.pcd.bin"
                _sweep(generator).tofile(folder / name)
            else:
                name = f"{token}.jpg"
                _picture(canvas, image_hw, generator).save(folder / name, quality=_QUALITY)
            record = _record(token, f"samples/{channel}/{name}", samples[k], k)
            size = dict(zip(("height", "width"), image_hw, strict=True))
            record |= size if modality == "camera" else {}
            tables["sample_data"].append(record | _ends(tokens, k))
    for box in range(_BOXES):
        tokens = [f"box-{box}-{k}" for k in range(_SAMPLES)]
        for k, token in enumerate(tokens):
            tables["sample_annotation"].append(_box(token, box, samples[k]) | _ends(tokens, k))
    (root / "v1.0-bench").mkdir()
    for name, rows in tables.items():
        (root / "v1.0-bench" / f"{name}.json").write_text(json.dumps(rows))


def _texture(image_hw: tuple[int, int], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Colour noise, one and a half times as large as an image, every octave twice as strong."""
    height, width = (3 * size // 2 for size in image_hw)
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(8):
        size = (max(2, height >> octave), max(2, width >> octave))
        noise = generator.random((*size, 3), np.float32)
        for channel in range(3):
            layer = Image.fromarray(noise[..., channel]).resize((width, height))
            total[..., channel] += 2**octave * np.asarray(layer)
    low, high = total.min(), total.max()
    return np.asarray((total - low) * (255 / (high - low)), np.uint8)


def _picture(
    canvas: NDArray[np.uint8], image_hw: tuple[int, int], generator: np.random.Generator
) -> Image.Image:
    height, width = image_hw
    top = int(generator.integers(canvas.shape[0] - height))
    left = int(generator.integers(canvas.shape[1] - width))
    return Image.fromarray(canvas[top : top + height, left : left + width])


def _sweep(generator: np.random.Generator) -> NDArray[np.float32]:
    points = generator.normal(size=(_POINTS, 5)) * [20, 20, 1, 1, 1]
    return points.astype("<f4")


def _pose(translation: tuple[float, float, float], yaw_rad: float) -> Row:
    half = yaw_rad / 2
    return {"translation": translation, "rotation": [math.cos(half), 0.0, 0.0, math.sin(half)]}


def _mount(channel: str, image_hw: tuple[int, int]) -> Row:
    names = {"token": channel, "sensor_token": channel}
    if channel == "LIDAR_TOP":
        return {**names, **_pose((1.0, 0.0, 1.8), -math.pi / 2), "camera_intrinsic": []}
    w, z = (f(math.radians(CAMERAS[channel]) / 2) / 2 for f in (math.cos, math.sin))
    # The turn about z times the camera's axes (x right, y down, z ahead).
    rotation = [w + z, -w - z, w - z, z - w]
    height, width = image_hw
    intrinsic = [[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]]
    mount = {"translation": [1.5, 0.0, 1.5], "rotation": rotation}
    return {**names, **mount, "camera_intrinsic": intrinsic}


def _record(token: str, filename: str, sample: str, index: int) -> Row:
    return {
        "token": token,
        "sample_token": sample,
        "ego_pose_token": token,
        "calibrated_sensor_token": token.rsplit("-", 1)[0],
        "timestamp": index * _INTERVAL_US,
        "is_key_frame": True,
        "filename": filename,
    }


def _box(token: str, instance: int, sample: str) -> Row:
    place = (5.0 * (instance % 6), 4.0 * (instance // 6) - 10.0, 0.8)
    names = {"token": token, "sample_token": sample, "instance_token": f"car-{instance}"}
    return {**names, **_pose(place, 0.0), "size": [1.9, 4.6, 1.6], "num_lidar_pts": 1}


def _ends(tokens: list[str], index: int) -> Row:
    before = tokens[index - 1] if index else ""
    after = tokens[index + 1] if index + 1 < len(tokens) else ""
    return {"prev": before, "next": after}
