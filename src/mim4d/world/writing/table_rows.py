"""Rows of the 13 tables of the nuScenes v1.0 format, from what the world's sensors measure.

The rows themselves are those of `mim4d.writing`; here are the world's sensors, classes and boxes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mim4d.world.objects.classes import ATTRIBUTES, CATEGORIES
from mim4d.world.sensing.annotate import Box, visibility_level
from mim4d.world.sensing.rig import quaternion_about_z
from mim4d.world.sensing.schedule import Measurement
from mim4d.writing import tables
from mim4d.writing.rows import Log, Row, SceneRows, SensorFile, Size, token
from mim4d.writing.tables import Town, join_tables

__all__ = ["VERSION", "Log", "Row", "SceneTables", "Town", "fixed_tables", "join_tables", "token"]

VERSION = "v1.0-mini"


def fixed_tables(modalities: Mapping[str, str], towns: Sequence[Town]) -> dict[str, list[Row]]:
    """Tables that do not grow with the scenes (but for the logs of the maps).

    Args:
        modalities: `camera` or `lidar` by channel.
        towns: Where scenes lie.
    """
    levels = ("v0-40", "v40-60", "v60-80", "v80-100")
    return tables.fixed_tables(
        modalities,
        CATEGORIES,
        ATTRIBUTES,
        {
            str(index): {
                "level": level,
                "description": f"{level[1:]} % of the object's silhouette, over all cameras, shows",
            }
            for index, level in enumerate(levels, start=1)
        },
        towns,
    )


class SceneTables(SceneRows):
    """Rows of one scene of the world, whose times are counted from the scene's start."""

    def add_sample(self, index: int, time_us: int) -> None:
        """A sample at a time counted from the start."""
        self.add_sample_at(index, self.log.start_us + time_us)

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
        file = SensorFile(
            measured.channel,
            self.log.start_us + measured.time_us,
            measured.sample,
            measured.is_key,
            ending,
            size,
        )
        return self.add_sensor_file(file, [ego[0], ego[1], 0.0], quaternion_about_z(ego[2]))

    def add_annotation(self, sample: int, box: Box, offset_m: Float[np.ndarray, "2"]) -> None:
        """A box, shifted into `global`, and its instance when it is seen for the first time."""
        x, y, z = box.centre
        self.add_box(
            sample,
            box.instance,
            box.category,
            centre_m=[x + float(offset_m[0]), y + float(offset_m[1]), z],
            size_wlh_m=box.size_wlh,
            rotation_wxyz=quaternion_about_z(box.yaw),
            num_lidar_points=box.num_points,
            visibility=visibility_level(box.visible),
            attribute=box.attribute,
        )
