"""Faults of the car and its sensors: poses and calibration.

Name: what is done, then severity, code, table, token and what the finding's place must say.
"""

import numpy as np

from tests.check.damages import (
    CAMERA,
    FAR_QUATERNION,
    POSE,
    UNIT,
    Fault,
    every_row,
    row,
    use_other_mount,
)
from tests.data.tiny_dataset import yaw_quaternion

FAULTS_OF_CARS: dict[str, Fault] = {
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
        *("warning", "pose-jump", "ego_pose", POSE, "CAM_BACK"),
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
}
