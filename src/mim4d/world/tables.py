"""Rows of the 13 tables of the nuScenes v1.0 format, scene by scene.

A scene's rows refer only to rows of the same scene and to the fixed tables (sensors, categories,
attributes, visibility), so scenes can be written in any order and joined as text: memory stays
flat. Tokens are hashes of names: 32 hexadecimal digits, the same for the same seed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mim4d.world.rig import quaternion_wxyz

VERSION = "v1.0-mini"
CATEGORIES = ("human.pedestrian.adult", "vehicle.car", "vehicle.truck")
ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "pedestrian.moving",
    "pedestrian.standing",
)
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


def token(*names: object) -> str:
    """32 hexadecimal digits that depend on every name."""
    text = "\x1f".join(str(name) for name in names)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fixed_tables(channels: tuple[str, ...], log_tokens: list[str]) -> dict[str, list[Row]]:
    """Tables that do not grow with the scenes (but for the logs of the one map)."""
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
                "description": f"{level[1:]} % of the LiDAR's rays towards the box reach it",
            }
            for index, level in enumerate(visibility, start=1)
        ],
        "map": [
            {
                "token": token("map"),
                "log_tokens": log_tokens,
                "category": "semantic_prior",
                "filename": "maps/blank.png",
            }
        ],
    }


class SceneTables:
    """Rows of one scene as they are collected; tokens derive from `world` and its name."""

    def __init__(self, name: str, world: str) -> None:
        self.name = name
        self.world = world
        self.rows: dict[str, list[Row]] = {table: [] for table in SCENE_TABLES}
        self.instances: set[int] = set()

    def token(self, *names: object) -> str:
        """Token of something of this scene."""
        return token(self.world, self.name, *names)

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

    def add_file(
        self,
        sample: str,
        index: int,
        channel: str,
        ending: str,
        timestamp_us: int,
        global_from_ego: Float[np.ndarray, "4 4"],
        size: tuple[int, int],
    ) -> str:
        """A sensor's file and the ego car's pose at its time; returns the file's path."""
        ego = self.add(
            "ego_pose",
            channel,
            index,
            timestamp=timestamp_us,
            translation=global_from_ego[:3, 3].tolist(),
            rotation=quaternion_wxyz(global_from_ego[:3, :3]),
        )
        name = f"samples/{channel}/{self.name}__{channel}__{timestamp_us}.{ending}"
        self.add(
            "sample_data",
            channel,
            index,
            sample_token=sample,
            ego_pose_token=ego,
            calibrated_sensor_token=self.token("calibrated_sensor", channel),
            timestamp=timestamp_us,
            fileformat=ending.split(".")[0],
            is_key_frame=True,
            height=size[0],
            width=size[1],
            filename=name,
        )
        return name

    def add_annotation(
        self,
        sample: str,
        index: int,
        *,
        instance: int,
        category: str,
        attribute: str,
        visibility: str,
        centre: list[float],
        size_wlh: list[float],
        rotation: Float[np.ndarray, "3 3"],
        num_points: int,
    ) -> None:
        """A box in `global`, and its instance when it is seen for the first time."""
        if instance not in self.instances:
            self.instances.add(instance)
            self.add("instance", instance, category_token=token("category", category))
        self.add(
            "sample_annotation",
            instance,
            index,
            sample_token=sample,
            instance_token=self.token("instance", instance),
            visibility_token=visibility,
            attribute_tokens=[token("attribute", attribute)],
            translation=centre,
            size=size_wlh,
            rotation=quaternion_wxyz(rotation),
            num_lidar_pts=num_points,
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
            logfile=self.name,
            vehicle="synthetic",
            date_captured="2000-01-01",
            location="synthetic",
        )
        samples = self.rows["sample"]
        self.add(
            "scene",
            log_token=log,
            nbr_samples=len(samples),
            first_sample_token=samples[0]["token"],
            last_sample_token=samples[-1]["token"],
            name=self.name,
            description=description,
        )

    def write(self, folder: Path) -> None:
        """One file per table, a row per line, without the brackets of a list."""
        folder.mkdir(parents=True)
        for table, rows in self.rows.items():
            lines = ",\n".join(json.dumps(row) for row in rows)
            (folder / f"{table}.json").write_text(lines)


def join_tables(parts: list[Path], fixed: dict[str, list[Row]], folder: Path) -> None:
    """Write the tables of all scenes, in the order of `parts`, into the version's folder."""
    folder.mkdir()
    for table, rows in fixed.items():
        (folder / f"{table}.json").write_text(json.dumps(rows, indent=0))
    for table in SCENE_TABLES:
        with (folder / f"{table}.json").open("w") as file:
            file.write("[")
            written = False
            for part in parts:
                text = (part / f"{table}.json").read_text()
                if text:
                    file.write(",\n" if written else "\n")
                    file.write(text)
                    written = True
            file.write("\n]\n")
