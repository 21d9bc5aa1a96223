"""Rotations as people write them: quaternions in either order, or yaw, pitch and roll in degrees.

Yaw is counter-clockwise seen from above, pitch raises the nose, roll lowers the right side.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Rotation = Float[np.ndarray, "3 3"]
Numbers = Sequence[float] | Float[np.ndarray, " n"]

FORWARD_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""From x right, y down, z ahead to x ahead, y left, z up."""


def from_yaw_pitch_roll(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Rotation:
    """A body with x forward, y left, z up that is turned, then raised, then rolled."""
    yaw, pitch, roll = (math.radians(angle) for angle in (yaw_deg, -pitch_deg, roll_deg))
    about_z = np.array(
        [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1.0]]
    )
    about_y = np.array(
        [[math.cos(pitch), 0, math.sin(pitch)], [0, 1.0, 0], [-math.sin(pitch), 0, math.cos(pitch)]]
    )
    about_x = np.array(
        [[1.0, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]]
    )
    turned: Rotation = about_z @ about_y @ about_x
    return turned


def from_quaternion(wxyz: Numbers) -> Rotation:
    """Rotation of a quaternion of any length but 0."""
    w, x, y, z = np.asarray(wxyz, dtype=np.float64) / np.linalg.norm(wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def pose(position_m: Numbers, rotation: Rotation) -> Float[np.ndarray, "4 4"]:
    """A pose as a 4×4 matrix."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, position_m
    return matrix
