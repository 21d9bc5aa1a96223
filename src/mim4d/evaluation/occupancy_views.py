"""What a run of the task occupancy says of voxels in a few clips, with the truth, for pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import SceneChoice
from mim4d.evaluation.view import spread
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.runs.loading import load_task
from mim4d.tasks.occupancy import Occupancy
from mim4d.training.devices import choose_accelerator


@dataclass(frozen=True)
class OccupancyView:
    """One clip's voxels.

    Attributes:
        title: Scene and number of the clip.
        grid: Of the voxels.
        class_names: Of the classes from 1 on; 0 is free, -1 not known.
        true: What was seen.
        drawn: What the run says of every voxel.
    """

    title: str
    grid: VoxelGrid
    class_names: tuple[str, ...]
    true: Int64[Tensor, "z y x"]
    drawn: Int64[Tensor, "z y x"]


@torch.no_grad()
def occupancy_views(
    run: Path,
    data: Path,
    clips: int,
    scenes: SceneChoice,
    version: str | None = None,
    device: Device = "auto",
) -> Iterator[OccupancyView]:
    """Clips spread over the scenes, as a run sees them.

    Raises:
        ValueError: For anything wrong with run or data, or if the run is of another task.
    """
    model, task, config = load_task(run)
    if not isinstance(task, Occupancy):
        raise ValueError(f"{run}: is of the task {config.task}, not of occupancy")
    accelerator = choose_accelerator(device)
    model.to(accelerator)
    dataset = build_dataset(config, data, scenes, version)
    for index in spread(len(dataset), clips):
        clip = dataset[index]
        answer = task.decode(model(clip.to(accelerator)))[0].cpu()
        truth = task.targets(clip).labels[0]
        title = f"{dataset.scene_name(index)}, clip {index} of {len(dataset)}"
        yield OccupancyView(title, task.grid, task.class_names, truth, answer)
