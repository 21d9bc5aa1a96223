"""What can be had without looking: one answer for all clips, scored like a run of the task.

    python benchmarks/constant_answers.py hd_map --data WORLD
    python benchmarks/constant_answers.py occupancy --data WORLD

Maps: of the training clips looked at, the truth of the one that scores best on all of them.
Occupancy: each voxel as it mostly is in the training clips. Both are scored on the held-out scenes.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from mim4d.build.data import build_dataset
from mim4d.build.tasks import build_task
from mim4d.config.presets import task_preset
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.task import TaskEvaluation
from mim4d.evaluation.view import spread
from mim4d.metrics.line_distance import MAPTR
from mim4d.metrics.map_ap import MapAp, MapLines
from mim4d.metrics.voxel_iou import FREE
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.map_targets import CLASSES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("hd_map", "occupancy"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--training-clips", type=int, default=64)
    parser.add_argument("--clips", type=int, default=None)
    options = parser.parse_args()
    config = task_preset(options.preset, options.task)
    task, _ = build_task(config)
    truths, _ = _truths(config, task, options.data, "train", options.training_clips)
    held_out, names = _truths(config, task, options.data, "val", options.clips)
    answer = _best_map(task, truths) if isinstance(task, HdMap) else _usual_voxels(truths)
    metric = task.build_metric()
    for truth in held_out:
        metric.update(answer, truth)
    rows = metric.compute()
    print(TaskEvaluation(f"{options.task}: constant", rows, names, len(held_out), True).table())


def _truths(config: Any, task: Any, data: Path, split: str, clips: int | None) -> tuple[Any, Any]:
    dataset = build_dataset(config, data, SceneChoice(split))
    indices = spread(len(dataset), clips)
    names = sorted({dataset.scene_name(i) for i in indices})
    return [task.targets(dataset[i]) for i in indices], names


def _best_map(task: HdMap, truths: list[Any]) -> tuple[MapLines, ...]:
    """Answers are compared without the task's own ceilings, which take as long again."""

    def score(answer: tuple[MapLines, ...]) -> float:
        metric = MapAp(CLASSES, (MAPTR,))
        for truth in truths[::2]:
            metric.update(answer, truth.lines)
        return float(metric.compute()["maptr"]["mAP"] or 0.0)

    return max((truth.lines for truth in truths), key=score)


def _usual_voxels(truths: list[Any]) -> torch.Tensor:
    labels = torch.cat([truth.labels for truth in truths])
    occupied, free = (labels > FREE).sum(dim=0), (labels == FREE).sum(dim=0)
    return (occupied > free).long()[None]


if __name__ == "__main__":
    main()
