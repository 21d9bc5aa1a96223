"""Vehicle cells by held-out scene, and what a bootstrap over scenes says of them.

Counts are tp, fp and fn of visible vehicles; IoU in percent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import SceneChoice
from mim4d.evaluation import spread
from mim4d.metrics.cell_iou import CellIou
from mim4d.runs.loading import load_task
from mim4d.training.devices import choose_accelerator

RESAMPLES, LEVEL = 2000, 0.95
Counts = dict[str, list[int]]
"""tp, fp and fn by scene."""


@torch.no_grad()
def count_cells(
    run: Path,
    data: Path,
    scenes: SceneChoice,
    max_clips: int | None,
    version: str | None,
    device: Device,
) -> Counts:
    """Cells of visible vehicles that a finished run finds, by scene.

    Args:
        run: Of the task.
        data: Data set.
        scenes: Scenes that count.
        max_clips: At most so many clips, evenly spread.
        version: Version folder of the data set.
        device: Where to compute.
    """
    model, task, config = load_task(run)
    accelerator = choose_accelerator(device)
    model.to(accelerator)
    dataset = build_dataset(config, data, scenes, version)
    found: Counts = {}
    for index in spread(len(dataset), max_clips):
        clip = dataset[index].to(accelerator)
        metric = task.build_metric()
        assert isinstance(metric, CellIou), "vehicles are judged by cells"
        metric.to(accelerator).update(task.decode(model(clip)), task.targets(clip))
        visible = metric.counts[0].sum(dim=0).tolist()
        name = dataset.scene_name(index)
        so_far = found.get(name, [0, 0, 0])
        found[name] = [a + b for a, b in zip(so_far, visible, strict=True)]
    return found


def total_iou(counts: Counts) -> float:
    """IoU over all scenes, percent; 0 where nothing is true and nothing said."""
    return float(_iou(np.array(list(counts.values())).sum(axis=0, keepdims=True))[0])


@dataclass(frozen=True)
class Interval:
    """A number and where a bootstrap over scenes puts it, percent."""

    value: float
    lower: float
    upper: float


def intervals(
    by_arm: Mapping[str, Sequence[Counts]], reference: str
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """IoU of every arm, and how far the reference arm is above each other one.

    Scenes are drawn with replacement, the same for all arms and seeds; an arm's IoU is the mean
    over its seeds.

    Args:
        by_arm: Counts by seed, all of the same scenes.
        reference: The arm that the others are subtracted from.
    """
    scenes = sorted(next(iter(by_arm.values()))[0])
    counts = {
        arm: np.array([[seed[scene] for scene in scenes] for seed in seeds])  # seed scene 3
        for arm, seeds in by_arm.items()
    }
    draws = np.random.default_rng(0).integers(len(scenes), size=(RESAMPLES, len(scenes)))
    weights = np.stack([np.bincount(draw, minlength=len(scenes)) for draw in draws])
    ones = np.ones((1, len(scenes)), np.int64)
    drawn = {arm: _mean_iou(each, weights) for arm, each in counts.items()}
    value = {arm: _mean_iou(each, ones) for arm, each in counts.items()}
    own = {arm: _interval(value[arm], drawn[arm]) for arm in by_arm}
    above = {
        arm: _interval(value[reference] - value[arm], drawn[reference] - drawn[arm])
        for arm in by_arm
        if arm != reference
    }
    return own, above


def _mean_iou(
    counts: Int64[np.ndarray, "seed scene 3"], weights: Int64[np.ndarray, "k scene"]
) -> Float64[np.ndarray, " k"]:
    mean: Float64[np.ndarray, " k"] = _iou(np.einsum("kc,sct->kst", weights, counts)).mean(axis=1)
    return mean


def _iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    every = counts.sum(axis=-1)
    return 100 * counts[..., 0] / np.maximum(every, 1)


def _interval(value: NDArray[np.float64], drawn: NDArray[np.float64]) -> Interval:
    outside = 100 * (1 - LEVEL) / 2
    lower, upper = np.percentile(drawn, [outside, 100 - outside])
    return Interval(float(value[0]), float(lower), float(upper))
