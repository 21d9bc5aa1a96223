"""The answer that never looks: of each cell, how often each layer covers it in the training scenes.

Any head that has learned to see must be better than that, by the same metric on the same clips.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.build.tasks import build_task
from mim4d.config import TaskConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.view import spread
from mim4d.tasks.bev_segmentation import BevSegmentation
from mim4d.tasks.task import Scores

_HELD_OUT = SceneChoice("val")
_TRAINING = SceneChoice("train")


def evaluate_constant_map(
    config: TaskConfig,
    data: Path,
    *,
    training: SceneChoice = _TRAINING,
    scenes: SceneChoice = _HELD_OUT,
    training_clips: int | None = None,
    max_clips: int | None = None,
    version: str | None = None,
) -> Scores:
    """The metric's rows of the constant map.

    Args:
        config: Of a run of bev_segmentation; its clips and cells are taken.
        data: Data set.
        training: Scenes whose labels make the map.
        scenes: Scenes that count.
        training_clips: At most so many of the former, spread evenly.
        max_clips: At most so many clips that count.
        version: Version folder of the data set.

    Raises:
        ValueError: If the task is another one, or for anything wrong with the data.
    """
    task, _ = build_task(config)
    if not isinstance(task, BevSegmentation):
        raise ValueError(f"a constant map is one of bev_segmentation, not of {config.task}")
    shares = _shares(task, build_dataset(config, data, training, version), training_clips)
    metric, dataset = task.build_metric(), build_dataset(config, data, scenes, version)
    for index in spread(len(dataset), max_clips):
        metric.update(shares, task.targets(dataset[index]))
    rows: Scores = metric.compute()
    return rows


def _shares(
    task: BevSegmentation, dataset: NuscenesDataset, max_clips: int | None
) -> Float[Tensor, "1 l y x"]:
    """Among the clips in which a cell counts: in how many the layer covers it."""
    shape = (1, len(task.options.layers), *task.cells.shape_zyx[1:])
    occupied, counted = torch.zeros(shape), torch.zeros(shape)
    for index in spread(len(dataset), max_clips):
        truth = task.targets(dataset[index])
        counts = ~truth.ignored
        occupied += truth.occupied & counts
        counted += counts
    return occupied / counted.clamp(min=1)
