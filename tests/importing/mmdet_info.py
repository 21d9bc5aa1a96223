"""A keyframe as MMDetection3D ships it (images, sweep, info file of version 1.1) as a drive."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from mim4d.geometry.lenses.lens import Lens
from mim4d.importing.points import read_points
from mim4d.importing.recording import (
    BoxAt,
    CameraTrack,
    LidarTrack,
    Points,
    PoseTrack,
    Recording,
    TimedFile,
)

_COLUMNS = ("x", "y", "z", "intensity", "ring")
_IMAGE_WH = (1600, 900)
_CATEGORIES = {
    "pedestrian": "human.pedestrian.adult",
    "traffic_cone": "movable_object.trafficcone",
    "barrier": "movable_object.barrier",
    "bus": "vehicle.bus.rigid",
    "construction_vehicle": "vehicle.construction",
}
"""The data set's own names of classes; of the others, `vehicle.CLASS`."""


def read_info(folder: Path) -> dict[str, Any]:
    """The info file of a folder."""
    (file,) = folder.glob("*.pkl")
    info: dict[str, Any] = pickle.loads(file.read_bytes())  # trusted: it stands beside its origin
    return info


def read_keyframe(folder: Path) -> Recording:
    """The one keyframe of a folder.

    The file knows the car's pose when the LiDAR turned alone, but `lidar2cam` holds its motion
    until each image: poses at the images' times follow from it.
    """
    info = read_info(folder)
    names = [_CATEGORIES.get(name, f"vehicle.{name}") for name in info["metainfo"]["categories"]]
    (frame,) = info["data_list"]
    lidar = frame["lidar_points"]
    car_from_lidar = np.array(lidar["lidar2ego"])
    global_from_car = np.array(frame["ego2global"])
    time_us = _microseconds(frame["timestamp"])
    poses = {time_us: global_from_car}
    cameras = []
    for name, image in frame["images"].items():
        car_from_camera = np.array(image["cam2ego"])
        car_from_later_car = car_from_lidar @ np.linalg.inv(
            car_from_camera @ np.array(image["lidar2cam"])
        )
        taken_us = _microseconds(image["timestamp"])
        poses[taken_us] = global_from_car @ car_from_later_car
        (fx, _, cx), (_, fy, cy), _ = image["cam2img"]
        cameras.append(
            CameraTrack(
                name=name,
                lens=Lens("pinhole", (fx, fy), (cx, cy)).moved(0.5),
                size_wh=_IMAGE_WH,
                car_from_camera=car_from_camera,
                views=(),
                images=(TimedFile(taken_us, folder / image["img_path"]),),
            )
        )
    return Recording(
        name="keyframe",
        location="singapore-onenorth",
        vehicle="n015",
        cameras=tuple(cameras),
        lidar=LidarTrack(
            "LIDAR_TOP",
            car_from_lidar,
            (TimedFile(time_us, folder / lidar["lidar_path"]),),
            _points,
            as_stored=True,
        ),
        poses=_track(poses, "info file"),
        boxes=tuple(
            _box(number, box, names, car_from_lidar, time_us)
            for number, box in enumerate(frame["instances"])
        ),
    )


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _points(path: Path) -> Points:
    return read_points(path, _COLUMNS, "float32")


def _track(poses: dict[int, np.ndarray], source: str) -> PoseTrack:
    times = sorted(poses)
    stacked = np.stack([poses[time] for time in times])
    quaternions = Rotation.from_matrix(stacked[:, :3, :3]).as_quat(scalar_first=True)
    return PoseTrack(np.array(times), stacked[:, :3, 3], quaternions, source)


def _box(
    number: int, box: dict[str, Any], names: list[str], car_from_lidar: np.ndarray, time_us: int
) -> BoxAt:
    x, y, z, length, width, height, yaw = box["bbox_3d"]
    turned = Rotation.from_euler("z", yaw).as_matrix()
    return BoxAt(
        time_us,
        track=str(number),
        category=names[box["bbox_label_3d"]],
        centre_m=tuple((car_from_lidar @ [x, y, z, 1.0])[:3].tolist()),
        size_lwh_m=(float(length), float(width), float(height)),
        rotation=car_from_lidar[:3, :3] @ turned,
        num_points=int(box["num_lidar_pts"]),
    )
