"""A plain folder of a small rig, written file by file: a pinhole ahead, a bent lens to the left."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

START_US, SPEED_MPS = 1_700_000_000_000_000, 5.0
IMAGE_STEP_US, IMAGES = 100_000, 12
CAMERAS: dict[str, dict[str, Any]] = {
    "CAM_FRONT": {
        "size_px": [32, 24],
        "lens": {"model": "pinhole", "focal_px": [20.0, 20.0], "centre_px": [15.5, 11.5]},
        "position_m": [1.7, 0.0, 1.5],
        "looks_deg": {"yaw": 0},
    },
    "CAM_LEFT": {
        "size_px": [40, 30],
        "lens": {
            "model": "brown",
            "focal_px": [25.0, 25.0],
            "centre_px": [19.5, 14.5],
            "coefficients": [-0.2, 0.03, 0.0, 0.0, 0.0],
        },
        "position_m": [1.0, 0.9, 1.2],
        "looks_deg": {"yaw": 90},
    },
}
LIDAR = {"LIDAR_TOP": {"position_m": [0.9, 0.0, 1.8], "looks_deg": {"yaw": 0}}}


def write_folder(folder: Path, *, lidar: bool = False, **changes: Any) -> Path:
    """Write a drive of 1.1 s straight ahead; `changes` replace sections of cameras.yaml."""
    rig = {"time_unit": "us", "cameras": CAMERAS, **({"lidar": LIDAR} if lidar else {}), **changes}
    folder.mkdir(parents=True)
    (folder / "cameras.yaml").write_text(yaml.safe_dump(rig, sort_keys=False))
    rng = np.random.default_rng(0)
    for offset, (name, camera) in enumerate(CAMERAS.items()):
        (folder / name).mkdir()
        width, height = camera["size_px"]
        for i in range(IMAGES):
            levels = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            time = START_US + i * IMAGE_STEP_US + offset * 7_000
            Image.fromarray(levels).save(folder / name / f"{time}.jpg")
    if lidar:
        (folder / "LIDAR_TOP").mkdir()
        for i in range(IMAGES):
            points = rng.normal(0, 9, (50, 5)).astype(np.float32)
            points.tofile(folder / "LIDAR_TOP" / f"{START_US + i * IMAGE_STEP_US}.bin")
    lines = ["time_us,x_m,y_m,z_m,qw,qx,qy,qz"]
    half = math.pi / 4  # it drives north
    for i in range(-1, 31):
        metres = SPEED_MPS * i * 0.05
        time = START_US + i * 50_000
        lines.append(f"{time},100,{50 + metres},0,{math.cos(half)},0,0,{math.sin(half)}")
    (folder / "poses.csv").write_text("\n".join(lines) + "\n")
    return folder


def changed(camera: str, **values: Any) -> dict[str, dict[str, Any]]:
    """The cameras with some values of one replaced; None takes one out."""
    own = {k: v for k, v in {**CAMERAS[camera], **values}.items() if v is not None}
    return {**CAMERAS, camera: own}
