"""Argoverse 2 sensor logs, from their feather files.

    LOG/calibration, LOG/city_SE3_egovehicle.feather, LOG/annotations.feather, LOG/map/*.json
    LOG/sensors/lidar/TIME_NS.feather, LOG/sensors/cameras/ring_*/TIME_NS.jpg

The images are undistorted already (the coefficients in the files are those of the raw ones).
Points are in the car's axes, corrected for its motion. The log's car has its origin in the rear
axle, 0.33 m above the road; ours lies on the road. A log without images gives cameras without.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mim4d.errors import DataError, MissingFileError
from mim4d.geometry.lenses.lens import Lens
from mim4d.importing.av2_map import read_av2_map
from mim4d.importing.pose_files import of_car
from mim4d.importing.recording import (
    BoxAt,
    CameraTrack,
    LidarTrack,
    Points,
    PoseTrack,
    Recording,
    TimedFile,
)
from mim4d.importing.rig_folder import timed_files
from mim4d.importing.rotations import from_quaternion, pose

AXLE_ABOVE_ROAD_M = 0.33
CAMERAS = {
    "ring_front_center": "CAM_FRONT",
    "ring_front_left": "CAM_FRONT_LEFT",
    "ring_front_right": "CAM_FRONT_RIGHT",
    "ring_side_left": "CAM_SIDE_LEFT",
    "ring_side_right": "CAM_SIDE_RIGHT",
    "ring_rear_left": "CAM_BACK_LEFT",
    "ring_rear_right": "CAM_BACK_RIGHT",
}
LIDAR = "LIDAR_TOP"
CATEGORIES = {
    "REGULAR_VEHICLE": "vehicle.car",
    "LARGE_VEHICLE": "vehicle.truck",
    "BOX_TRUCK": "vehicle.truck",
    "TRUCK": "vehicle.truck",
    "TRUCK_CAB": "vehicle.truck",
    "BUS": "vehicle.bus.rigid",
    "SCHOOL_BUS": "vehicle.bus.rigid",
    "ARTICULATED_BUS": "vehicle.bus.bendy",
    "VEHICULAR_TRAILER": "vehicle.trailer",
    "MOTORCYCLE": "vehicle.motorcycle",
    "BICYCLE": "vehicle.bicycle",
    "PEDESTRIAN": "human.pedestrian.adult",
    "OFFICIAL_SIGNALER": "human.pedestrian.police_officer",
    "STROLLER": "human.pedestrian.stroller",
    "WHEELCHAIR": "human.pedestrian.wheelchair",
    "CONSTRUCTION_CONE": "movable_object.trafficcone",
    "ANIMAL": "animal",
    "DOG": "animal",
}
"""Classes that nuScenes has under another name; the others keep theirs, as `av2.bollard`."""
_QUATERNION, _PLACE = ("qw", "qx", "qy", "qz"), ("tx_m", "ty_m", "tz_m")
_CAR_FROM_AXLE = pose((0.0, 0.0, AXLE_ABOVE_ROAD_M), np.eye(3))

Table = dict[str, Any]


def read_av2(source: Path) -> list[Recording]:
    """All logs of a folder: the folder itself, or those in it.

    Raises:
        DataError: There is none, or one of its files is missing or damaged.
        ImportError: pyarrow is not installed.
    """
    mark = "city_SE3_egovehicle.feather"
    logs = (
        [source]
        if (source / mark).is_file()
        else sorted(p.parent for p in source.glob(f"*/{mark}"))
    )
    if not logs:
        raise MissingFileError(
            f"{source}: no {mark}, nor in a folder below it; give the folder of a sensor log, or "
            "of several"
        )
    return [_read_log(log) for log in logs]


def _read_log(log: Path) -> Recording:
    mounts = _by_name(_table(log / "calibration" / "egovehicle_SE3_sensor.feather"))
    lenses = _by_name(_table(log / "calibration" / "intrinsics.feather"))
    poses = _poses(log / "city_SE3_egovehicle.feather")
    roads, city = read_av2_map(log / "map", ("import", log.resolve().name))
    return Recording(
        name=log.resolve().name,
        location=f"{city}-{log.resolve().name[:8]}",
        vehicle="av2",
        cameras=tuple(
            _camera(log, name, lenses[name], mounts[name]) for name in CAMERAS if name in lenses
        ),
        lidar=_lidar(log),
        poses=poses,
        boxes=_boxes(log / "annotations.feather"),
        roads=roads,
    )


def _table(path: Path) -> Table:
    """Columns of a feather file."""
    try:
        from pyarrow import feather
    except ImportError as error:
        raise ImportError("Argoverse 2 needs pyarrow: pip install 'mim4d[av2]'") from error
    if not path.is_file():
        raise MissingFileError(f"{path} not found; a sensor log has one: restore it")
    try:
        table = feather.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: cannot be read ({error}); restore it") from error


def _by_name(table: Table) -> dict[str, Table]:
    """Rows of a table by the name of their sensor."""
    return {
        str(name): {key: column[i] for key, column in table.items()}
        for i, name in enumerate(table["sensor_name"])
    }


def _columns(table: Table, names: tuple[str, ...]) -> Float[np.ndarray, "q c"]:
    return np.stack([np.asarray(table[name], dtype=np.float64) for name in names], axis=-1)


def _poses(path: Path) -> PoseTrack:
    table = _table(path)
    times = np.rint(np.asarray(table["timestamp_ns"], dtype=np.int64) / 1000).astype(np.int64)
    times, first = np.unique(times, return_index=True)
    positions, rotations = of_car(
        _columns(table, _PLACE)[first],
        _columns(table, _QUATERNION)[first],
        np.linalg.inv(_CAR_FROM_AXLE),
    )
    return PoseTrack(times, positions, rotations, str(path))


def _camera(log: Path, name: str, lens: Table, mount: Table) -> CameraTrack:
    quaternion, place = ([float(mount[key]) for key in keys] for keys in (_QUATERNION, _PLACE))
    fx, fy, cx, cy = (float(lens[f"{key}_px"]) for key in ("fx", "fy", "cx", "cy"))
    folder = log / "sensors" / "cameras" / name
    images: tuple[TimedFile, ...] = ()
    if folder.is_dir():
        images = timed_files(folder, (".jpg", ".png"), "ns", f"images of {name}")
    return CameraTrack(
        name=CAMERAS[name],
        lens=Lens("pinhole", (fx, fy), (cx, cy)).moved(0.5),
        size_wh=(int(lens["width_px"]), int(lens["height_px"])),
        car_from_camera=_CAR_FROM_AXLE @ pose(place, from_quaternion(quaternion)),
        views=(),
        images=images,
    )


def _lidar(log: Path) -> LidarTrack | None:
    folder = log / "sensors" / "lidar"
    if not folder.is_dir():
        return None
    sweeps = timed_files(folder, (".feather",), "ns", "sweeps")
    return LidarTrack(LIDAR, _CAR_FROM_AXLE, sweeps, _points)


def _points(path: Path) -> Points:
    table = _table(path)
    return _columns(table, ("x", "y", "z", "intensity", "laser_number")).astype(np.float32)


def _boxes(path: Path) -> tuple[BoxAt, ...]:
    if not path.is_file():
        return ()
    table = _table(path)
    times = np.rint(np.asarray(table["timestamp_ns"], dtype=np.int64) / 1000).astype(np.int64)
    numbers = _columns(table, (*_PLACE, "length_m", "width_m", "height_m", *_QUATERNION)).tolist()
    rows = zip(
        times.tolist(),
        table["track_uuid"].tolist(),
        table["category"].tolist(),
        numbers,
        table["num_interior_pts"].tolist(),
        strict=True,
    )
    return tuple(
        BoxAt(
            time,
            track,
            CATEGORIES.get(kind, f"av2.{kind.lower()}"),
            (x, y, z + AXLE_ABOVE_ROAD_M),
            (length, width, height),
            from_quaternion(quaternion),
            int(inside),
        )
        for time, track, kind, (x, y, z, length, width, height, *quaternion), inside in rows
    )
