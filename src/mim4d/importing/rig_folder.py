"""A plain folder of drives: what lies where, and what of it is missing.

    SOURCE/cameras.yaml              or SOURCE/RIG/cameras.yaml for each of several rigs
    SOURCE/poses.csv                 or SOURCE/DRIVE/poses.csv for each of several drives
    SOURCE/CAM_FRONT/TIME.jpg        images by camera, named by the time of exposure
    SOURCE/LIDAR_TOP/TIME.pcd        optional: .pcd, .ply, .npy or .bin
    SOURCE/boxes.csv                 optional
    SOURCE/distances/CAM/TIME.png    optional, of a synthetic drive: metres × 256 along the ray

Nothing is read here but the tables: images and sweeps are opened when they are written.
"""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np

from mim4d.errors import DataError, MissingFileError
from mim4d.importing.csv_columns import read_table, refuse_missing
from mim4d.importing.folder_names import BOXES, DISTANCES, POSES, RIG
from mim4d.importing.points import ENDINGS, read_points
from mim4d.importing.pose_files import HOLDS as POSES_HOLD
from mim4d.importing.pose_files import read_poses
from mim4d.importing.recording import (
    BoxAt,
    CameraTrack,
    LidarTrack,
    Recording,
    TimedFile,
)
from mim4d.importing.rig_file import POINT_COLUMNS, CameraSpec, LidarSpec, RigFile, read_rig_file
from mim4d.importing.rotations import from_yaw_pitch_roll
from mim4d.importing.times import seconds, time_us

IMAGES = (".jpg", ".jpeg", ".png")
BOX_COLUMNS = (
    *("track", "category", "x_m", "y_m", "z_m"),
    *("length_m", "width_m", "height_m", "yaw_deg"),
)
BOXES_HOLD = (
    f"time_us (or time_s, ...) and {', '.join(BOX_COLUMNS)}: centre and yaw of each box in the "
    "car's axes at that time"
)


def read_rig_folder(source: Path) -> list[Recording]:
    """All drives of a folder, or of the rigs in it: cars may differ within one data set.

    Raises:
        DataError: Something is missing, doubled or makes no sense.
    """
    if not source.is_dir():
        raise MissingFileError(f"{source}: no such folder; give the one that holds {RIG}")
    if not (source / RIG).is_file() and (rigs := sorted(source.glob(f"*/{RIG}"))):
        drives = [
            (path.parent.name, drive) for path in rigs for drive in read_rig_folder(path.parent)
        ]
        return [
            drive if drive.name == rig else replace(drive, name=f"{rig}-{drive.name}")
            for rig, drive in drives
        ]
    rig = read_rig_file(source / RIG)
    return [_read_drive(folder, rig) for folder in drive_folders(source, POSES)]


def drive_folders(source: Path, mark: str) -> list[Path]:
    """The folders of the drives: `source` itself, or those in it.

    Args:
        source: The folder given.
        mark: A file that every drive has.

    Raises:
        DataError: There is none.
    """
    if (source / mark).is_file():
        return [source]
    folders = sorted(path.parent for path in source.glob(f"*/{mark}"))
    if not folders:
        raise MissingFileError(
            f"{source}: no {mark}, nor in a folder below it; it must hold {POSES_HOLD}"
        )
    return folders


def _read_drive(folder: Path, rig: RigFile) -> Recording:
    _refuse_unknown_folders(folder, rig)
    cameras = tuple(camera_track(folder, camera, rig.time_unit) for camera in rig.cameras)
    lidar = None if rig.lidar is None else _lidar_track(folder, rig.lidar, rig.time_unit)
    return Recording(
        name=folder.resolve().name,
        location=rig.location,
        vehicle=rig.vehicle,
        cameras=cameras,
        lidar=lidar,
        poses=read_poses(folder / POSES, rig.car_from_body),
        boxes=_read_boxes(folder / BOXES) if (folder / BOXES).is_file() else (),
    )


def _refuse_unknown_folders(folder: Path, rig: RigFile) -> None:
    """Refuse folders of images or sweeps that the rig says nothing of."""
    known = {camera.name for camera in rig.cameras} | {rig.lidar.name if rig.lidar else ""}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in known | {DISTANCES}:
            held = [p for p in path.iterdir() if p.suffix.lower() in (*IMAGES, *ENDINGS)]
            if held:
                raise DataError(
                    f"{path}: holds {len(held)} images or sweeps, but {rig.path} has no sensor "
                    f"{path.name!r} (it has {', '.join(sorted(known - {''}))}): add it there, or "
                    "move the folder away"
                )


def camera_track(folder: Path, camera: CameraSpec, unit: str) -> CameraTrack:
    """A camera with the images in its folder.

    Raises:
        DataError: It has none, or their times make no sense.
    """
    images = timed_files(folder / camera.name, IMAGES, unit, f"images of {camera.name}")
    return camera_with(camera, images, folder / DISTANCES)


def camera_with(
    camera: CameraSpec, images: tuple[TimedFile, ...], distances: Path | None = None
) -> CameraTrack:
    """A camera with its images."""
    return CameraTrack(
        name=camera.name,
        lens=camera.lens,
        size_wh=camera.size_wh,
        car_from_camera=camera.car_from_camera,
        views=camera.views,
        images=images,
        hidden=camera.hidden,
        distances=distances if distances is not None and distances.is_dir() else None,
    )


def _lidar_track(folder: Path, lidar: LidarSpec, unit: str) -> LidarTrack:
    sweeps = timed_files(folder / lidar.name, ENDINGS, unit, f"sweeps of {lidar.name}")
    plain = lidar.columns == POINT_COLUMNS and lidar.dtype == "float32"
    return LidarTrack(
        name=lidar.name,
        car_from_lidar=lidar.car_from_lidar,
        sweeps=sweeps,
        read=functools.partial(read_points, columns=lidar.columns, dtype=lidar.dtype),
        as_stored=plain and all(sweep.path.suffix == ".bin" for sweep in sweeps),
    )


def timed_files(
    folder: Path, endings: tuple[str, ...], unit: str, what: str
) -> tuple[TimedFile, ...]:
    """Files named by their times, oldest first.

    Raises:
        DataError: There are none, a name is no time, or two have the same.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"{folder} not found: expected the {what}, named by their times; if this drive has no "
            "such sensor, take it out of cameras.yaml"
        )
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        try:
            time = time_us(path.name[: -len(path.suffix)], unit)
        except ValueError as error:
            raise DataError(
                f"{path}: {error}; files are named by their times, in the unit that `time_unit` of "
                "cameras.yaml says"
            ) from error
        if time in found:
            raise DataError(
                f"{path}: has the same time ({seconds(time)}) as {found[time].name}; every "
                "measurement needs a time of its own: remove one, or correct `time_unit`"
            )
        found[time] = path
    if not found:
        raise MissingFileError(f"{folder}: no {what}; expected files {', '.join(endings)}")
    return tuple(TimedFile(time, found[time]) for time in sorted(found))


def _read_boxes(path: Path) -> tuple[BoxAt, ...]:
    table = read_table(path, BOXES_HOLD)
    refuse_missing(table, BOX_COLUMNS, BOXES_HOLD)
    numbers = table.numbers(*BOX_COLUMNS[2:])
    if (bad := np.flatnonzero(numbers[:, 3:6].min(axis=1) <= 0)).size:
        raise DataError(
            f"{path}, line {bad[0] + 2}: length, width, height {numbers[bad[0], 3:6].tolist()} m: "
            "expected positive numbers"
        )
    rows = zip(
        table.times_us(),
        table.columns["track"],
        table.columns["category"],
        numbers.tolist(),
        strict=True,
    )
    return tuple(
        BoxAt(
            time,
            track,
            category,
            (x, y, z),
            (length, width, height),
            from_yaw_pitch_roll(yaw, 0.0, 0.0),
        )
        for time, track, category, (x, y, z, length, width, height, yaw) in rows
    )
