"""`cameras.yaml`: the sensors of a car in words a person knows. `template.py` shows all of them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mim4d.errors import DataError
from mim4d.geometry.lenses.lens import MODELS, Lens
from mim4d.importing.rectify import View, ViewWish, choose_views
from mim4d.importing.rotations import (
    FORWARD_FROM_OPTICAL,
    Rotation,
    from_quaternion,
    from_yaw_pitch_roll,
    pose,
)
from mim4d.importing.times import UNITS_US
from mim4d.importing.yaml_fields import Fields, read_yaml

HOLDS = "the rig: a section `cameras` with size, lens and place on the car of each camera"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
FARTHEST_MOUNT_M = 15.0
STEEPEST_DEG = 60.0
POINT_COLUMNS = ("x", "y", "z", "intensity", "ring")
_ROTATIONS = ("rotation_wxyz", "rotation_xyzw", "looks_deg")


@dataclass(frozen=True)
class CameraSpec:
    """A camera of the file.

    Attributes:
        name: Its channel and folder.
        lens: Of its stored images, pixels counted from the first one's corner.
        size_wh: Columns and rows of its stored images.
        car_from_camera: Mount.
        wish: What its images should become.
        views: What they become; none where they are pinhole images already.
        hidden: Picture of where it sees its own car; None without.
    """

    name: str
    lens: Lens
    size_wh: tuple[int, int]
    car_from_camera: Float[np.ndarray, "4 4"]
    wish: ViewWish
    views: tuple[View, ...]
    hidden: Path | None

    def resized(self, size_wh: tuple[int, int]) -> "CameraSpec":
        """The same camera with its images resized."""
        lens = self.lens.scaled(size_wh[0] / self.size_wh[0], size_wh[1] / self.size_wh[1])
        views = choose_views(lens, size_wh, self.wish)
        return replace(self, size_wh=size_wh, lens=lens, views=views)


@dataclass(frozen=True)
class LidarSpec:
    """A LiDAR of the file.

    Attributes:
        name: Its channel and folder.
        car_from_lidar: Mount.
        columns: Names of the numbers of a point, where its files do not name them.
        dtype: Type of the numbers of a `.bin` file.
    """

    name: str
    car_from_lidar: Float[np.ndarray, "4 4"]
    columns: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class RigFile:
    """The whole file.

    Attributes:
        path: The file.
        time_unit: Of the names of images and sweeps.
        vehicle: Name of the car.
        location: Where it drives.
        cameras: At least one.
        lidar: None for a rig without.
        car_from_body: Mount of what `poses.csv` speaks of.
    """

    path: Path
    time_unit: str
    vehicle: str
    location: str
    cameras: tuple[CameraSpec, ...]
    lidar: LidarSpec | None
    car_from_body: Float[np.ndarray, "4 4"]


def read_rig_file(path: Path) -> RigFile:
    """Read and check a rig.

    Raises:
        DataError: The file is missing, a key is unknown or holds something else than it should, or
            a sensor stands where none can.
    """
    fields = read_yaml(path, HOLDS)
    unit = fields.choice("time_unit", tuple(UNITS_US), "us")
    cameras = tuple(_camera(name, section) for name, section in fields.sections("cameras").items())
    if not cameras:
        raise fields.error("cameras", f"is empty or missing; the file must hold {HOLDS}")
    lidars = [_lidar(name, section) for name, section in fields.sections("lidar").items()]
    if len(lidars) > 1:
        raise fields.error("lidar", f"{len(lidars)} LiDARs given; one is read: name one")
    body = fields.section("poses_of")
    car_from_body = _mount(body, optical=False) if body.values else np.eye(4)
    body.refuse_others()
    rig = RigFile(
        path,
        unit,
        fields.text("vehicle", "car"),
        fields.text("location", "nowhere"),
        cameras,
        lidars[0] if lidars else None,
        car_from_body,
    )
    fields.refuse_others()
    names = [camera.name for camera in cameras] + [lidar.name for lidar in lidars]
    for name in (*names, rig.vehicle, rig.location):
        if NAME.fullmatch(name) is None:
            raise DataError(
                f"{path}: name {name!r}: expected letters, digits, - and _: it becomes a file name"
            )
    return rig


def _camera(name: str, fields: Fields) -> CameraSpec:
    width, height = (int(v) for v in fields.numbers("size_px", 2))
    if min(width, height) < 1:
        raise fields.error("size_px", f"[{width}, {height}]: expected columns and rows")
    lens = _lens(fields, (width, height))
    hidden = (
        fields.path.parent / fields.text("own_car_mask") if fields.has("own_car_mask") else None
    )
    if hidden is not None and not hidden.is_file():
        raise fields.error("own_car_mask", f"{hidden} not found")
    car_from_camera = _mount(fields, optical=True)
    tilted = fields.choice("tilted", ("True", "False"), "False") == "True"
    wish = _wish(fields.section("rectify"))
    fields.refuse_others()
    if not tilted:
        _refuse_sky(fields, car_from_camera[:3, :3])
    views = choose_views(lens, (width, height), wish)
    return CameraSpec(name, lens, (width, height), car_from_camera, wish, views, hidden)


def _lens(fields: Fields, size_wh: tuple[int, int]) -> Lens:
    section = fields.section("lens")
    model = section.choice("model", tuple(MODELS))
    theta = model.startswith("ftheta")
    key = "polynomial" if theta else "coefficients"
    coefficients = section.numbers(key, None, () if model == "pinhole" else None)
    if model == "mei":
        coefficients = (section.number("xi"), *coefficients)
    focal = section.numbers("focal_px", 2, (1.0, 1.0) if theta else None)
    centre = section.numbers("centre_px", 2)
    first = section.number("first_pixel_centre", 0.0)
    if first not in (0.0, 0.5):
        raise section.error("first_pixel_centre", f"is {first:g}, expected 0 or 0.5")
    calibrated = section.numbers("calibrated_at_px", 2, tuple(map(float, size_wh)))
    section.refuse_others()
    try:
        lens = Lens(model, (focal[0], focal[1]), (centre[0], centre[1]), coefficients)
    except ValueError as error:
        raise fields.error("lens", str(error)) from error
    if not (0 <= centre[0] <= calibrated[0] and 0 <= centre[1] <= calibrated[1]):
        raise section.error(
            "centre_px",
            f"{list(centre)} lies outside of an image of {calibrated[0]:g}x{calibrated[1]:g}; if "
            "the lens was calibrated at another size, say so: calibrated_at_px: [width, height]",
        )
    return lens.moved(0.5 - first).scaled(size_wh[0] / calibrated[0], size_wh[1] / calibrated[1])


def _mount(fields: Fields, *, optical: bool) -> Float[np.ndarray, "4 4"]:
    """`car` from a sensor; `optical`: its axes are x right, y down, z ahead unless it says not."""
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


def _refuse_sky(fields: Fields, rotation: Rotation) -> None:
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


def _wish(fields: Fields) -> ViewWish:
    yaws = fields.numbers("yaw_deg", None, ()) if fields.has("yaw_deg") else None
    optional = {
        key: fields.number(key) if fields.has(key) else None
        for key in ("horizontal_deg", "vertical_deg", "width_px")
    }
    wish = ViewWish(
        yaws,
        fields.number("pitch_deg", 0.0),
        optional["horizontal_deg"],
        optional["vertical_deg"],
        None if optional["width_px"] is None else int(optional["width_px"]),
    )
    fields.refuse_others()
    for key in ("horizontal_deg", "vertical_deg"):
        if (angle := optional[key]) is not None and not 1 <= angle <= 150:
            raise fields.error(key, f"{angle:g} degrees: a pinhole view has 1 to 150")
    return wish


def _lidar(name: str, fields: Fields) -> LidarSpec:
    columns = fields.values.get("columns", list(POINT_COLUMNS))
    fields.has("columns")
    if not isinstance(columns, list) or not {"x", "y", "z"} <= set(map(str, columns)):
        raise fields.error("columns", f"is {columns!r}, expected names with x, y and z among them")
    dtype = fields.choice("dtype", ("float32", "float64", "float16"), "float32")
    spec = LidarSpec(name, _mount(fields, optical=False), tuple(map(str, columns)), dtype)
    fields.refuse_others()
    return spec
