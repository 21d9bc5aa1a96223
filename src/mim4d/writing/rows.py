"""Rows of one scene in the nuScenes v1.0 format.

A scene's rows refer only to rows of the same scene and to the fixed tables (sensors, categories,
attributes, visibility), so scenes can be written in any order and joined as text: memory stays
flat. Tokens are hashes of names: 32 hexadecimal digits, the same for the same names.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from jaxtyping import Float

SCENE_TABLES = (
    "calibrated_sensor",
    "ego_pose",
    "instance",
    "log",
    "sample",
    "sample_annotation",
    "sample_data",
    "scene",
)
Row = dict[str, Any]
Size = tuple[int, int]


def token(*names: object) -> str:
    """32 hexadecimal digits that depend on every name."""
    text = "\x1f".join(str(name) for name in names)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def quaternion_wxyz(rotation: Float[np.ndarray, "3 3"]) -> list[float]:
    """Unit quaternion of a rotation matrix, in nuScenes' order w, x, y, z.

    The eigenvector of largest eigenvalue of Bar-Itzhack's symmetric matrix: no special cases.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    symmetric = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, yx + xy, zx + xz],
            [xz - zx, yx + xy, yy - xx - zz, zy + yz],
            [yx - xy, zx + xz, zy + yz, zz - xx - yy],
        ]
    )
    quaternion = np.linalg.eigh(symmetric)[1][:, -1]
    sign = 1.0 if quaternion[np.argmax(np.abs(quaternion))] > 0 else -1.0
    return [float(q) for q in sign * quaternion]


@dataclass(frozen=True)
class Log:
    """The drive that a scene is cut from: one of its own for each.

    Attributes:
        scene: Name of the scene.
        world: What tells this data set's tokens from others'.
        start_us: When it began, microseconds since 1970.
        location: Town.
        vehicle: Name of the car.
    """

    scene: str
    world: str
    start_us: int
    location: str
    vehicle: str = "mim4d"

    @property
    def token(self) -> str:
        """Of its row."""
        return token(self.world, self.scene, "log")

    @property
    def date(self) -> datetime:
        """When it began."""
        return datetime.fromtimestamp(self.start_us / 1e6, UTC)

    @property
    def logfile(self) -> str:
        """Name in the official manner: vehicle, date, time and time zone."""
        return f"{self.vehicle}-{self.date:%Y-%m-%d-%H-%M-%S}+0000"


@dataclass(frozen=True)
class SensorFile:
    """A file that a sensor gave.

    Attributes:
        channel: Of the sensor.
        timestamp_us: When, microseconds since 1970.
        sample: Number of the sample it belongs to.
        is_key: Whether it is that sample's key frame of the channel.
        ending: Of the file's name, without the dot.
        size: Rows and columns; 0 for a LiDAR.
    """

    channel: str
    timestamp_us: int
    sample: int
    is_key: bool
    ending: str
    size: Size


class SceneRows:
    """Rows of one scene as they are collected; tokens derive from the data set and its name.

    Args:
        log: The drive.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.rows: dict[str, list[Row]] = {table: [] for table in SCENE_TABLES}
        self.instances: set[object] = set()

    def token(self, *names: object) -> str:
        """Token of something of this scene."""
        return token(self.log.world, self.log.scene, *names)

    def add(self, table: str, *names: object, **values: Any) -> str:
        """Add a row; returns its token."""
        own = self.token(table, *names)
        self.rows[table].append({"token": own, **values})
        return own

    def add_calibration(
        self, channel: str, ego_from_sensor: Float[np.ndarray, "4 4"], intrinsics: list[list[float]]
    ) -> None:
        """Mounting of a sensor; `intrinsics` is empty for a LiDAR."""
        self.add(
            "calibrated_sensor",
            channel,
            sensor_token=token("sensor", channel),
            translation=ego_from_sensor[:3, 3].tolist(),
            rotation=quaternion_wxyz(ego_from_sensor[:3, :3]),
            camera_intrinsic=intrinsics,
        )

    def add_sample_at(self, index: int, timestamp_us: int) -> None:
        """A sample at a time since 1970."""
        self.add("sample", index, timestamp=timestamp_us, scene_token=self.token("scene"))

    def add_sensor_file(
        self, file: SensorFile, position_m: Sequence[float], rotation_wxyz: Sequence[float]
    ) -> Path:
        """A sensor's file and the ego car's pose in `global` at its time.

        Returns:
            Path of the file, relative to the data set.
        """
        timestamp, channel = file.timestamp_us, file.channel
        folder = "samples" if file.is_key else "sweeps"
        name = f"{folder}/{channel}/{self.log.logfile}__{channel}__{timestamp}.{file.ending}"
        self.add(
            "sample_data",
            channel,
            timestamp,
            sample_token=self.token("sample", file.sample),
            ego_pose_token=self.add(
                "ego_pose",
                channel,
                timestamp,
                timestamp=timestamp,
                translation=list(position_m),
                rotation=list(rotation_wxyz),
            ),
            calibrated_sensor_token=self.token("calibrated_sensor", channel),
            timestamp=timestamp,
            fileformat=file.ending.split(".")[0],
            is_key_frame=file.is_key,
            height=file.size[0],
            width=file.size[1],
            filename=name,
        )
        return Path(name)

    def add_box(
        self,
        sample: int,
        instance: object,
        category: str,
        *,
        centre_m: Sequence[float],
        size_wlh_m: Sequence[float],
        rotation_wxyz: Sequence[float],
        num_lidar_points: int,
        visibility: str = "",
        attribute: str = "",
    ) -> None:
        """A box in `global`, and its instance when it is seen for the first time."""
        if instance not in self.instances:
            self.instances.add(instance)
            self.add("instance", instance, category_token=token("category", category))
        self.add(
            "sample_annotation",
            instance,
            sample,
            sample_token=self.token("sample", sample),
            instance_token=self.token("instance", instance),
            visibility_token=visibility,
            attribute_tokens=[token("attribute", attribute)] if attribute else [],
            translation=list(centre_m),
            size=list(size_wlh_m),
            rotation=list(rotation_wxyz),
            num_lidar_pts=num_lidar_points,
            num_radar_pts=0,
        )

    def chain(self, table: str, key: str) -> None:
        """Fill in `prev` and `next` among the rows that agree in `key`, in their order."""
        last: dict[str, Row] = {}
        for row in self.rows[table]:
            before = last.get(row[key])
            row["prev"], row["next"] = (before["token"] if before else ""), ""
            if before:
                before["next"] = row["token"]
            last[row[key]] = row

    def finish(self, description: str) -> None:
        """Chains, instances, scene and log, once all samples are there."""
        self.chain("sample", "scene_token")
        self.chain("sample_data", "calibrated_sensor_token")
        self.chain("sample_annotation", "instance_token")
        seen: dict[str, list[Row]] = {}
        for row in self.rows["sample_annotation"]:
            seen.setdefault(row["instance_token"], []).append(row)
        for instance in self.rows["instance"]:
            own = seen[instance["token"]]
            instance["nbr_annotations"] = len(own)
            instance["first_annotation_token"] = own[0]["token"]
            instance["last_annotation_token"] = own[-1]["token"]
        log = self.add(
            "log",
            logfile=self.log.logfile,
            vehicle=self.log.vehicle,
            date_captured=f"{self.log.date:%Y-%m-%d}",
            location=self.log.location,
        )
        samples = self.rows["sample"]
        self.add(
            "scene",
            log_token=log,
            nbr_samples=len(samples),
            first_sample_token=samples[0]["token"],
            last_sample_token=samples[-1]["token"],
            name=self.log.scene,
            description=description,
        )

    def write(self, folder: Path) -> None:
        """One file per table, a row per line, without the brackets of a list."""
        folder.mkdir(parents=True)
        for table, rows in self.rows.items():
            lines = b",\n".join(orjson.dumps(row) for row in rows)
            (folder / f"{table}.json").write_bytes(lines)
