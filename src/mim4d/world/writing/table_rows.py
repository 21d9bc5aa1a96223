"""Rows of the 13 tables of the nuScenes v1.0 format, scene by scene.

A scene's rows refer only to rows of the same scene and to the fixed tables (sensors, categories,
attributes, visibility), so scenes can be written in any order and joined as text: memory stays
flat. Tokens are hashes of names: 32 hexadecimal digits, the same for the same seed.
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

from mim4d.world.objects.classes import ATTRIBUTES, CATEGORIES
from mim4d.world.sensing.annotate import Box, visibility_level
from mim4d.world.sensing.rig import quaternion_about_z, quaternion_wxyz
from mim4d.world.sensing.schedule import Measurement

VERSION = "v1.0-mini"
VEHICLE = "mim4d"
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


@dataclass(frozen=True)
class Town:
    """A place that scenes lie in.

    Attributes:
        location: Its name.
        raster: File of its raster map, relative to the data set.
        log_tokens: Of the scenes in it.
    """

    location: str
    raster: str
    log_tokens: tuple[str, ...]


def fixed_tables(channels: Sequence[str], towns: Sequence[Town]) -> dict[str, list[Row]]:
    """Tables that do not grow with the scenes (but for the logs of the maps)."""
    visibility = ("v0-40", "v40-60", "v60-80", "v80-100")
    return {
        "sensor": [
            {
                "token": token("sensor", channel),
                "channel": channel,
                "modality": "camera" if channel.startswith("CAM") else "lidar",
            }
            for channel in channels
        ],
        "category": [
            {"token": token("category", name), "name": name, "description": "", "index": index}
            for index, name in enumerate(CATEGORIES)
        ],
        "attribute": [
            {"token": token("attribute", name), "name": name, "description": ""}
            for name in ATTRIBUTES
        ],
        "visibility": [
            {
                "token": str(index),
                "level": level,
                "description": f"{level[1:]} % of the object's silhouette, over all cameras, shows",
            }
            for index, level in enumerate(visibility, start=1)
        ],
        "map": [
            {
                "token": token("map", town.location),
                "log_tokens": list(town.log_tokens),
                "category": "semantic_prior",
                "filename": town.raster,
            }
            for town in towns
        ],
    }


@dataclass(frozen=True)
class Log:
    """The drive that a scene is cut from: one of its own for each.

    Attributes:
        scene: Name of the scene.
        world: What tells this world's tokens from others'.
        start_us: When it began, microseconds since 1970.
        location: Town.
    """

    scene: str
    world: str
    start_us: int
    location: str

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
        return f"{VEHICLE}-{self.date:%Y-%m-%d-%H-%M-%S}+0000"


class SceneTables:
    """Rows of one scene as they are collected; tokens derive from the world and its name.

    Args:
        log: The drive.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.rows: dict[str, list[Row]] = {table: [] for table in SCENE_TABLES}
        self.instances: set[int] = set()

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

    def add_sample(self, index: int, time_us: int) -> None:
        """A sample at a time counted from the start."""
        timestamp = self.log.start_us + time_us
        self.add("sample", index, timestamp=timestamp, scene_token=self.token("scene"))

    def add_file(
        self, measured: Measurement, ending: str, ego: tuple[float, float, float], size: Size
    ) -> Path:
        """A sensor's file and the ego car's pose at its time.

        Args:
            measured: What was measured when.
            ending: Of the file's name.
            ego: x, y and yaw of the car in `global`.
            size: Rows and columns; 0 for a LiDAR.

        Returns:
            Path of the file, relative to the data set.
        """
        timestamp, channel = self.log.start_us + measured.time_us, measured.channel
        folder = "samples" if measured.is_key else "sweeps"
        name = f"{folder}/{channel}/{self.log.logfile}__{channel}__{timestamp}.{ending}"
        self.add(
            "sample_data",
            channel,
            timestamp,
            sample_token=self.token("sample", measured.sample),
            ego_pose_token=self.add(
                "ego_pose",
                channel,
                timestamp,
                timestamp=timestamp,
                translation=[ego[0], ego[1], 0.0],
                rotation=quaternion_about_z(ego[2]),
            ),
            calibrated_sensor_token=self.token("calibrated_sensor", channel),
            timestamp=timestamp,
            fileformat=ending.split(".")[0],
            is_key_frame=measured.is_key,
            height=size[0],
            width=size[1],
            filename=name,
        )
        return Path(name)

    def add_annotation(self, sample: int, box: Box, offset_m: Float[np.ndarray, "2"]) -> None:
        """A box, shifted into `global`, and its instance when it is seen for the first time."""
        if box.instance not in self.instances:
            self.instances.add(box.instance)
            self.add("instance", box.instance, category_token=token("category", box.category))
        x, y, z = box.centre
        self.add(
            "sample_annotation",
            box.instance,
            sample,
            sample_token=self.token("sample", sample),
            instance_token=self.token("instance", box.instance),
            visibility_token=visibility_level(box.visible),
            attribute_tokens=[token("attribute", box.attribute)] if box.attribute else [],
            translation=[x + float(offset_m[0]), y + float(offset_m[1]), z],
            size=list(box.size_wlh),
            rotation=quaternion_about_z(box.yaw),
            num_lidar_pts=box.num_points,
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
            vehicle=VEHICLE,
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


def join_tables(parts: list[Path], fixed: dict[str, list[Row]], folder: Path) -> None:
    """Write the tables of all scenes, in the order of `parts`, into the version's folder."""
    folder.mkdir()
    for table, rows in fixed.items():
        (folder / f"{table}.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    for table in SCENE_TABLES:
        with (folder / f"{table}.json").open("wb") as file:
            file.write(b"[")
            separator = b"\n"
            for part in parts:
                if text := (part / f"{table}.json").read_bytes():
                    file.write(separator + text)
                    separator = b",\n"
            file.write(b"\n]\n")
