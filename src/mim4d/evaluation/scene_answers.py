"""A run asked about any frame of any scene, one at a time: for looking around in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device, TrunkConfig
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.map_views import SeenLine, seen_lines
from mim4d.evaluation.predicted_clip import PredictedClip, predict_clip
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.runs.loading import load_model, load_task
from mim4d.runs.record import run_kind
from mim4d.tasks.bev_segmentation import BevSegmentation
from mim4d.tasks.detection.detections import Detections
from mim4d.tasks.detection.task import Detection
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.model import TaskModel
from mim4d.tasks.occupancy import Occupancy
from mim4d.tasks.task import Task
from mim4d.training.devices import choose_accelerator

_THRESHOLD = 0.5


@dataclass(frozen=True)
class Cells:
    """Layers of the ground that a run paints.

    Attributes:
        grid: One layer of voxels in ego axes.
        layers: Names.
        occupied: Cells of each layer that are more likely occupied than not.
    """

    grid: VoxelGrid
    layers: tuple[str, ...]
    occupied: Bool[Tensor, "l y x"]


@dataclass(frozen=True)
class Voxels:
    """Classes of voxels.

    Attributes:
        grid: Of the voxels, in ego axes.
        class_names: Of the classes from 1 on; 0 is free.
        labels: Class of each.
    """

    grid: VoxelGrid
    class_names: tuple[str, ...]
    labels: Int64[Tensor, "z y x"]


Answer = PredictedClip | Detections | tuple[SeenLine, ...] | Cells | Voxels
"""What is said of a frame, in its ego axes, on the CPU; its kind depends on the run."""


class SceneAsker:
    """A run and the clips it can be asked about.

    Args:
        run: Run folder of a pre-training or a task.
        data: Data set.
        scenes: Which scenes.
        version: Version folder of the data set.
        device: Where to compute.
        stride: Image pixels per rendered pixel, of a pre-training.

    Attributes:
        dataset: Clips as the run wants them, also those that reach beyond their scene.
        frame: The frame of a clip that is spoken of.

    Raises:
        ValueError: For anything wrong with run or data.
    """

    def __init__(
        self,
        run: Path,
        data: Path,
        scenes: SceneChoice,
        *,
        version: str | None = None,
        device: Device = "auto",
        stride: int = 2,
    ) -> None:
        self._accelerator = choose_accelerator(device)
        if run_kind(run) == "pretraining":
            model, config = load_model(run)
            self._view = EvaluatedView.of(config, stride)
            self.frame = self._view.frame
            self._model: MaskedVideoModel | TaskModel = model
            self._task: Task | None = None
            wanted: TrunkConfig = config
        else:
            head, self._task, task_config = load_task(run)
            self._model, wanted = head, task_config
            self.frame = task_config.clip.key % task_config.clip.frames
        self._model.to(self._accelerator)
        self.dataset: NuscenesDataset = build_dataset(
            wanted, data, scenes, version, incomplete="keep", judged=True
        )

    @property
    def grid(self) -> VoxelGrid | None:
        """Voxels of a pre-training's volumes; None of a task."""
        return None if self._task is not None else self._view.grid

    @torch.no_grad()
    def ask(self, clip: Clip) -> Answer:
        """What the run says of a clip (b = 1) of the data set."""
        if isinstance(self._model, MaskedVideoModel):
            return predict_clip(self._model, clip, self._view, self._accelerator)
        assert self._task is not None
        answer = self._task.decode(self._model(clip.to(self._accelerator)))[0]
        return _drawable(self._task, answer)


def _drawable(task: Task, answer: Any) -> Answer:
    match task:
        case Detection():
            assert isinstance(answer, Detections)
            names = Detections.__dataclass_fields__
            return Detections(*(getattr(answer, name).cpu() for name in names))
        case HdMap():
            return seen_lines(answer)
        case BevSegmentation():
            return Cells(task.cells, tuple(task.options.layers), (answer > _THRESHOLD).cpu())
        case Occupancy():
            return Voxels(task.grid, task.class_names, answer.cpu())
    raise ValueError(f"nothing draws the task {type(task).__name__} in a scene")
