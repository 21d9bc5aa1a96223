"""`cameras.yaml`: the sensors of a car in words a person knows. `template.py` shows all of them."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mim4d.errors import DataError
from mim4d.geometry.lenses.lens import MODELS, Lens
from mim4d.importing.rectify import View, ViewWish, choose_views, view_names
from mim4d.importing.rig_mounts import read_mount, refuse_sky
from mim4d.importing.rotations import pose
from mim4d.importing.times import UNITS_US
from mim4d.importing.yaml_fields import Fields, read_yaml

HOLDS = "the rig: a section `cameras` with size, lens and place on the car of each camera"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
POINT_COLUMNS = ("x", "y", "z", "intensity", "ring")


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
        simulated: How `mim4d world --rig` should record it; an importer does not ask.
    """

    name: str
    lens: Lens
    size_wh: tuple[int, int]
    car_from_camera: Float[np.ndarray, "4 4"]
    wish: ViewWish
    views: tuple[View, ...]
    hidden: Path | None
    simulated: Fields

    def pinholes(self) -> list["Pinhole"]:
        """The cameras that a data set has in its place."""
        if not self.views:
            (fx, fy), (u, v) = self.lens.focal_px, self.lens.centre_px
            intrinsics = np.array([[fx, 0.0, u], [0.0, fy, v], [0.0, 0.0, 1.0]])
            return [Pinhole(self.name, self.car_from_camera, intrinsics, self.size_wh)]
        names = view_names(self.name, len(self.views))
        return [
            Pinhole(
                name,
                self.car_from_camera @ pose((0.0, 0.0, 0.0), view.camera_from_view),
                np.array(view.intrinsics),
                view.size_wh,
            )
            for name, view in zip(names, self.views, strict=True)
        ]

    def resized(self, size_wh: tuple[int, int]) -> "CameraSpec":
        """The same camera with its images resized."""
        lens = self.lens.scaled(size_wh[0] / self.size_wh[0], size_wh[1] / self.size_wh[1])
        views = choose_views(lens, size_wh, self.wish)
        return replace(self, size_wh=size_wh, lens=lens, views=views)


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion.

    Attributes:
        channel: Its name in a data set.
        car_from_camera: Mount.
        intrinsics: In pixels.
        size_wh: Columns and rows.
    """

    channel: str
    car_from_camera: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "3 3"]
    size_wh: tuple[int, int]


@dataclass(frozen=True)
class LidarSpec:
    """A LiDAR of the file.

    Attributes:
        name: Its channel and folder.
        car_from_lidar: Mount.
        columns: Names of the numbers of a point, where its files do not name them.
        dtype: Type of the numbers of a `.bin` file.
        simulated: How `mim4d world --rig` should record it; an importer does not ask.
    """

    name: str
    car_from_lidar: Float[np.ndarray, "4 4"]
    columns: tuple[str, ...]
    dtype: str
    simulated: Fields


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
    car_from_body = read_mount(body, optical=False) if body.values else np.eye(4)
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
    car_from_camera = read_mount(fields, optical=True)
    tilted = fields.choice("tilted", ("True", "False"), "False") == "True"
    wish = _wish(fields.section("rectify"))
    simulated = fields.section("simulated")
    fields.refuse_others()
    if not tilted:
        refuse_sky(fields, car_from_camera[:3, :3])
    views = choose_views(lens, (width, height), wish)
    return CameraSpec(name, lens, (width, height), car_from_camera, wish, views, hidden, simulated)


def _lens(fields: Fields, size_wh: tuple[int, int]) -> Lens:
    section = fields.section("lens")
    model = section.choice("model", tuple(MODELS))
    if model == "pinhole" and section.has("horizontal_deg"):
        return _plain_lens(section, size_wh)
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


def _plain_lens(section: Fields, size_wh: tuple[int, int]) -> Lens:
    """A pinhole with square pixels, its axis in the middle, of which the angle of view is known."""
    angle = section.number("horizontal_deg")
    section.refuse_others()
    if not 1 <= angle <= 170:
        raise section.error("horizontal_deg", f"{angle:g} degrees: a pinhole camera has 1 to 170")
    (width, height), half = size_wh, math.radians(angle / 2)
    focal = width / 2 / math.tan(half)
    return Lens("pinhole", (focal, focal), (width / 2, height / 2))


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
    mount, simulated = read_mount(fields, optical=False), fields.section("simulated")
    spec = LidarSpec(name, mount, tuple(map(str, columns)), dtype, simulated)
    fields.refuse_others()
    return spec
