"""Moments of a data set's scenes, with what a run says of them: what the 3D view asks for."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mim4d.config import Device
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation.scene_answers import SceneAsker
from mim4d.geometry.rigid import compose, invert_rigid
from mim4d.viz.clip_picture import map_range
from mim4d.viz.overlay import EVERYTHING
from mim4d.viz.viewer.answer_layers import answer_layers
from mim4d.viz.viewer.clip_layers import clip_layers
from mim4d.viz.viewer.layers import Layer

_KEPT = 64  # moments that are not made anew
_SAME_TIME_S = 0.2
"""So far apart may be what is seen and what is said of it."""


@dataclass(frozen=True)
class Moment:
    """One frame.

    Attributes:
        scene_from_seen: Pose of the car; the scene's axes are the car's at its first moment.
        scene_from_said: Its pose at the frame that the run speaks of, the nearest in time.
        time_s: Since the scene's first moment.
        seen: Layers of the data, in the car's axes.
        said: Layers of what the run says, in the axes of its frame; empty where it says nothing.
    """

    scene_from_seen: Float[np.ndarray, "4 4"]
    scene_from_said: Float[np.ndarray, "4 4"]
    time_s: float
    seen: dict[str, Layer]
    said: dict[str, Layer]


class SceneSource:
    """A data set, and a run if there is one.

    Args:
        data: Data set in the nuScenes format.
        run: Run folder of a pre-training or a task; None looks at the data alone.
        scenes: Which scenes; None: all.
        version: Version folder of the data set.
        image_hw: Rows and columns that images are fitted into, without a run.
        device: Where a run computes.
        stride: Image pixels per rendered pixel, of a pre-training.

    Raises:
        ValueError: For anything wrong with run or data.
    """

    def __init__(
        self,
        data: Path,
        run: Path | None = None,
        scenes: SceneChoice | None = None,
        *,
        version: str | None = None,
        image_hw: tuple[int, int] = (256, 448),
        device: Device = "auto",
        stride: int = 2,
    ) -> None:
        tables = NuscenesTables.open(data, version)
        # A run's own clips may lack map and LiDAR: what is seen is read apart.
        lidars = tables.channels("lidar")
        self._asker = None
        if run is not None:
            scenes = scenes or SceneChoice(names=tuple(tables.scene_names))
            self._asker = SceneAsker(
                run, data, scenes, version=version, device=device, stride=stride
            )
        self._data = NuscenesDataset(
            data,
            version=version,
            frames=1,
            image_hw=image_hw,
            lidar="LIDAR_TOP" if "LIDAR_TOP" in lidars else next(iter(lidars), None),
            scenes=scenes,
            map_range_m=map_range(data, version, EVERYTHING),
        )
        self._moments: dict[str, list[int]] = {}
        for index in range(len(self._data)):
            self._moments.setdefault(self._data.scene_name(index), []).append(index)
        self._asked: dict[str, list[tuple[float, int]]] = {}
        if self._asker is not None:
            asked = self._asker.dataset
            for index in range(len(asked)):
                time_s = self._time_s(asked, index, self._asker.frame)
                self._asked.setdefault(asked.scene_name(index), []).append((time_s, index))
        self._make = lru_cache(_KEPT)(self._moment)

    @property
    def scenes(self) -> list[str]:
        """Names of the scenes."""
        return list(self._moments)

    def count(self, scene: str) -> int:
        """Moments of a scene."""
        return len(self._moments[scene])

    def moment(self, scene: str, number: int) -> Moment:
        """A moment of a scene; those made last are kept."""
        return self._make(scene, number)

    def _moment(self, scene: str, number: int) -> Moment:
        first, index = self._moments[scene][0], self._moments[scene][number]
        scene_from_global = invert_rigid(_global_from_ego(self._data, first, 0))
        time_s = self._time_s(self._data, index, 0)
        seen_pose = compose(scene_from_global, _global_from_ego(self._data, index, 0))
        said_pose, said = seen_pose, dict[str, Layer]()
        if self._asker is not None and (asked := self._nearest(scene, time_s)) is not None:
            dataset = self._asker.dataset
            said = answer_layers(self._asker.ask(dataset[asked]), self._asker.grid)
            global_from_said = _global_from_ego(dataset, asked, self._asker.frame)
            said_pose = compose(scene_from_global, global_from_said)
        return Moment(
            seen_pose.numpy(),
            said_pose.numpy(),
            time_s - self._time_s(self._data, first, 0),
            clip_layers(self._data[index], 0),
            said,
        )

    def _nearest(self, scene: str, time_s: float) -> int | None:
        """The clip in which the run speaks of that time; None if there is none."""
        known = [(abs(own - time_s), index) for own, index in self._asked.get(scene, [])]
        apart_s, index = min(known, default=(_SAME_TIME_S, -1))
        return index if apart_s < _SAME_TIME_S else None

    @staticmethod
    def _time_s(dataset: NuscenesDataset, index: int, frame: int) -> float:
        """Time of a frame; infinite where the clip reaches beyond its scene."""
        plan = dataset.plan(index)
        return float(plan.times_us[frame]) * 1e-6 if plan.anchors[frame] >= 0 else math.inf


def _global_from_ego(dataset: NuscenesDataset, index: int, frame: int) -> Float[Tensor, "4 4"]:
    plan = dataset.plan(index)
    return dataset.tables.global_from_ego(plan.anchors[frame][None])[0]
