"""Rigs drawn at random for `check_trials.py`, in the words of `cameras.yaml`.

One to eight cameras around the car, of differing sizes and angles of view, with or without LiDAR,
at rates and jitters of their own. Cameras at both sides of a car are alike, as on real cars.
"""

import random
from typing import Any

YAWS_DEG: dict[int, tuple[int, ...]] = {
    1: (0,),
    2: (0, 180),
    3: (0, 60, -60),
    4: (0, 90, -90, 180),
    5: (0, 60, -60, 120, -120),
    6: (0, 55, -55, 110, -110, 180),
    7: (0, 45, -45, 100, -100, 150, -150),
    8: (0, 45, -45, 90, -90, 135, -135, 180),
}
NAMES = {
    0: "CAM_FRONT",
    45: "CAM_FRONT_LEFT",
    55: "CAM_FRONT_LEFT",
    60: "CAM_FRONT_LEFT",
    90: "CAM_LEFT",
    100: "CAM_LEFT",
    110: "CAM_BACK_LEFT",
    120: "CAM_BACK_LEFT",
    135: "CAM_BACK_LEFT",
    150: "CAM_BACK_LEFT",
    180: "CAM_BACK",
}
SIZES_WH = ((160, 96), (224, 128), (192, 144), (320, 192))


def camera_name(yaw_deg: int) -> str:
    """The channel of a camera that looks so far to the left."""
    name = NAMES[abs(yaw_deg)]
    return name if yaw_deg >= 0 else name.replace("LEFT", "RIGHT")


def draw_rig(seed: int, cameras: int, has_lidar: bool) -> dict[str, Any]:
    """What a `cameras.yaml` of such a rig holds."""
    rng = random.Random(seed)
    rate_hz = rng.choice([None, None, None, 5, 10])  # usually key frames only: images are dear
    jitter_ms = rng.choice([0, 0, 5, 15])
    lenses: dict[int, dict[str, Any]] = {}
    sections: dict[str, Any] = {}
    for yaw in YAWS_DEG[cameras]:
        side = min(abs(yaw), 180)
        if side not in lenses:
            alike = side == 180 and rng.random() < 0.6  # rear cameras are often like the front one
            lenses[side] = lenses[0] if alike else _lens(rng)
        lens = lenses[side]
        simulated = {"jitter_ms": jitter_ms} | ({"rate_hz": rate_hz} if rate_hz else {})
        sections[camera_name(yaw)] = {
            "size_px": list(lens["size"]),
            "lens": {"model": "pinhole", "horizontal_deg": lens["horizontal_deg"]},
            "position_m": _position(yaw, lens["height_m"]),
            "looks_deg": {"yaw": yaw, "pitch": lens["pitch"]},
            "simulated": simulated,
        }
    rig: dict[str, Any] = {"cameras": sections}
    if has_lidar:
        low, high, beams = rng.choice([(-30, 10, 32), (-25, 15, 64), (-16, 15, 32)])
        rig["lidar"] = {
            "LIDAR_TOP": {
                "position_m": [rng.choice([0.8, 1.2]), 0.0, rng.choice([1.8, 2.0, 2.4])],
                "looks_deg": {"yaw": rng.choice([0, 0, 90, -90])},
                "simulated": {
                    "beams": beams,
                    "elevation_deg": [low, high],
                    "azimuths": rng.choice([360, 540, 720]),
                }
                | ({"rate_hz": 10} if rate_hz else {}),
            }
        }
    return rig


def _lens(rng: random.Random) -> dict[str, Any]:
    return {
        "size": rng.choice(SIZES_WH),
        "horizontal_deg": rng.choice([50, 65, 80, 95, 110]),
        "pitch": rng.choice([0, 0, -3, -8]),
        "height_m": rng.choice([0.9, 1.2, 1.5, 1.8]),
    }


def _position(yaw: int, height_m: float) -> list[float]:
    """On the rim of a car of 4.6 m by 1.9 m whose rear axle is the origin."""
    x = 1.7 if abs(yaw) < 50 else 1.0 if abs(yaw) < 130 else -0.8
    y = 0.0 if yaw in (0, 180) else 0.8 if yaw > 0 else -0.8
    return [x, y, height_m]
