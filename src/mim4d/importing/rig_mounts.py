"""How a sensor of `cameras.yaml` is mounted on the car, and how a wrong rotation is told."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mim4d.errors import DataError
from mim4d.importing.rotations import (
    FORWARD_FROM_OPTICAL,
    Rotation,
    from_quaternion,
    from_yaw_pitch_roll,
    pose,
)
from mim4d.importing.yaml_fields import Fields

FARTHEST_MOUNT_M = 15.0
STEEPEST_DEG = 60.0
_ROTATIONS = ("rotation_wxyz", "rotation_xyzw", "looks_deg")


def read_mount(fields: Fields, *, optical: bool) -> Float[np.ndarray, "4 4"]:
    """`car` from a sensor; `optical`: its axes are x right, y down, z ahead unless it says not.

    Raises:
        DataError: Position or rotation is missing, given twice, or none.
    """
    position = fields.numbers("position_m", 3)
    distance = math.hypot(*position)
    if distance > FARTHEST_MOUNT_M:
        raise fields.error(
            "position_m",
            f"{list(position)} is {distance:.0f} m from the car's origin, expected at most "
            f"{FARTHEST_MOUNT_M:g} m; {'millimetres' if distance > 300 else 'another unit'} "
            "instead of metres?",
        )
    given = [key for key in _ROTATIONS if fields.has(key)]
    if len(given) != 1:
        raise fields.error(
            "rotation",
            f"{' and '.join(given) or 'nothing'} given; expected one of {', '.join(_ROTATIONS)}",
        )
    if given[0] == "looks_deg":
        looks = fields.section("looks_deg")
        rotation = from_yaw_pitch_roll(*(looks.number(k, 0.0) for k in ("yaw", "pitch", "roll")))
        looks.refuse_others()
        turned = rotation @ FORWARD_FROM_OPTICAL if optical else rotation
        return pose(position, turned)
    numbers = fields.numbers(given[0], 4)
    if abs(math.hypot(*numbers) - 1) > 0.01:
        raise fields.error(
            given[0], f"{list(numbers)} has length {math.hypot(*numbers):.3f}, expected 1"
        )
    rotation = from_quaternion(_wxyz(numbers, given[0]))
    axes = fields.choice("axes", ("optical", "forward"), "optical" if optical else "forward")
    if optical and axes == "forward":
        rotation = rotation @ FORWARD_FROM_OPTICAL
    return pose(position, rotation)


def _wxyz(numbers: Sequence[float], order: str) -> Sequence[float]:
    return numbers if order == "rotation_wxyz" else (numbers[3], *numbers[:3])


def refuse_sky(fields: Fields, rotation: Rotation) -> None:
    """Refuse a camera that looks into the sky, at its feet or stands on its head.

    Raises:
        DataError: With what would cure it, if something would.
    """
    if (problem := _steep(rotation)) is None:
        return
    cures = [name for name, cured in _cures(fields, rotation).items() if _steep(cured) is None]
    likely = f"; read as {' or '.join(cures)} it would not" if cures else ""
    raise DataError(
        f"{fields.path}: {fields.where.rstrip('.')}: the camera {problem} by its rotation{likely}. "
        "Correct the rotation (car from camera; the camera's axes are x right, y down, z ahead), "
        "or say `tilted: true` if it is meant"
    )


def _steep(rotation: Rotation) -> str | None:
    """What is odd about how a camera stands."""
    elevation = math.degrees(math.asin(float(np.clip(rotation[2, 2], -1, 1))))
    if abs(elevation) > STEEPEST_DEG:
        return f"looks {abs(elevation):.0f}° {'up' if elevation > 0 else 'down'}"
    if rotation[2, 1] > 0:
        down = math.degrees(math.asin(float(np.clip(rotation[2, 1], -1, 1))))
        return f"stands on its head (its y axis, down in the image, points {down:.0f}° up)"
    if (lean := math.degrees(math.asin(float(np.clip(rotation[2, 0], -1, 1))))) and abs(lean) > 45:
        return f"leans to its side by {abs(lean):.0f}°"
    return None


def _cures(fields: Fields, rotation: Rotation) -> dict[str, Rotation]:
    """Other ways to read a quaternion, by the words that ask for them."""
    given = next(key for key in _ROTATIONS if fields.has(key))
    if given == "looks_deg":
        return {}
    other = "rotation_xyzw" if given == "rotation_wxyz" else "rotation_wxyz"
    swapped = from_quaternion(_wxyz(fields.numbers(given, 4), other))
    return {
        f"`{other}`": swapped,
        "`axes: forward` (x forward, y left, z up)": rotation @ FORWARD_FROM_OPTICAL,
        "camera from car (inverted)": rotation.T,
        f"`{other}` with `axes: forward`": swapped @ FORWARD_FROM_OPTICAL,
        f"`{other}`, inverted": swapped.T,
    }
