"""How sensors are mounted on the car: units, height, axes, direction, and one mount for a channel.

Metres, degrees in messages; frames as in `cameras`.
"""

import math

import numpy as np

from mim4d.check.cameras import Cameras, add_cameras
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.data.tables.plausibility import MAX_MOUNT_M

CAMERA_HEIGHT_M = (0.1, 4.5)
SAME_MOUNT_M, SAME_MOUNT_DEG = 0.3, 3.0
# Optical axis of the usual channels, degrees to the left of straight ahead.
_USUAL_YAW_DEG = {
    "CAM_FRONT": 0.0,
    "CAM_FRONT_LEFT": 55.0,
    "CAM_FRONT_RIGHT": -55.0,
    "CAM_BACK": 180.0,
    "CAM_BACK_LEFT": 110.0,
    "CAM_BACK_RIGHT": -110.0,
}
MAX_YAW_DEG = 50.0

MOUNT = Rule("mount-units", "error", f"at most {MAX_MOUNT_M:g} m from the ego origin", "use metres")
CAMERA_HEIGHT = Rule(
    "camera-height",
    "warning",
    f"{CAMERA_HEIGHT_M[0]:g} to {CAMERA_HEIGHT_M[1]:g} m above the road",
    "check the translation and the ego origin (below the rear axle, on the road)",
)
UPRIGHT = Rule(
    "camera-axes",
    "warning",
    "a camera with its y axis down and its z axis roughly level",
    "check the rotation's direction (ego from camera) and the camera's axes (x right, y down)",
)
DIRECTION = Rule(
    "camera-direction",
    "warning",
    "a camera that looks where its name says",
    "check the rotation and the channel",
)
MOUNT_DIFFERS = Rule(
    "mount-differs",
    "remark",
    "one mount for all scenes",
    "nothing, if cars or calibrations differ",
)


def check_mounts(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    """All checks of where sensors are and where they look."""
    columns = tables["calibrated_sensor"]
    far = np.linalg.norm(columns["translation_m"], axis=1)
    findings.add_rows(
        MOUNT,
        "calibrated_sensor",
        columns,
        np.flatnonzero(columns["sound"] & (far > MAX_MOUNT_M)),
        lambda row: f"translation {np.round(columns['translation_m'][row], 3).tolist()}",
    )
    _check_each(tables, cameras, findings)
    _check_same(tables, cameras, findings)


def _check_each(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    height = cameras.position_m[:, 2]
    near = np.linalg.norm(cameras.position_m, axis=1) <= MAX_MOUNT_M
    odd = near & ((height < CAMERA_HEIGHT_M[0]) | (height > CAMERA_HEIGHT_M[1]))
    add_cameras(tables, CAMERA_HEIGHT, cameras, odd, lambda i: f"z is {height[i]:.2f} m", findings)
    axis, down = cameras.ego_from_camera[:, :, 2], cameras.ego_from_camera[:, :, 1]
    wrong = (down[:, 2] > -0.5) | (np.abs(axis[:, 2]) > 0.7)
    add_cameras(
        tables,
        UPRIGHT,
        cameras,
        wrong,
        lambda i: (
            f"optical axis {np.round(axis[i], 2).tolist()}, y axis {np.round(down[i], 2).tolist()}"
        ),
        findings,
    )
    yaw = np.degrees(np.arctan2(axis[:, 1], axis[:, 0]))
    usual = np.array([_USUAL_YAW_DEG.get(name, math.nan) for name in cameras.channels])
    off = np.abs((yaw - usual + 180) % 360 - 180)
    add_cameras(
        tables,
        DIRECTION,
        cameras,
        ~wrong & (off > MAX_YAW_DEG),
        lambda i: f"it looks {yaw[i]:.0f} degrees to the left, usual are {usual[i]:.0f}",
        findings,
    )


def _check_same(tables: TableSet, cameras: Cameras, findings: Findings) -> None:
    """One finding for each channel whose calibrations differ more than calibrations scatter."""
    for name in sorted(set(cameras.channels)):
        own = np.array([channel == name for channel in cameras.channels])
        moved = np.linalg.norm(cameras.position_m[own] - cameras.position_m[own][0], axis=1)
        axes = cameras.ego_from_camera[own][:, :, 2]
        turned = np.degrees(np.arccos(np.clip(axes @ axes[0], -1, 1)))
        differs = (moved > SAME_MOUNT_M) | (turned > SAME_MOUNT_DEG)
        if differs.any():
            worst = int(np.argmax(moved / SAME_MOUNT_M + turned / SAME_MOUNT_DEG))
            found = f"{name} differs by up to {moved.max():.2f} m and {turned.max():.1f} degrees"
            token = tables.token("calibrated_sensor", int(cameras.rows[own][worst]))
            place = Place(found, token)
            findings.add(MOUNT_DIFFERS, "calibrated_sensor", place, group=name)
