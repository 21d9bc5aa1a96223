"""Beside what a task's run answers: what is had without looking, and what exact depth would give.

A table needs both to say anything. The floor is the answer that never looks, from the labels that
the run was trained on. With exact distances there are two ceilings: the run itself, its lifting
given every pixel's exact depth; and a fresh head of the same kind, fitted to which voxels hold a
surface, so that neither encoder nor depth stands before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.build.data import build_dataset
from mim4d.config import OptimConfig, TaskConfig
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import has_truth
from mim4d.evaluation.exact_volume import surface_points
from mim4d.evaluation.held_out import training_scenes
from mim4d.evaluation.legend import EXACT_DEPTH, EXACT_SURFACES, USUAL
from mim4d.evaluation.truth import exact_depths
from mim4d.evaluation.view import spread
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import KnowsTheUsual, Task, losses_of
from mim4d.training.optim import build_optimizer
from mim4d.training.sampling import clip_index

USUAL_CLIPS = 48
FIT_CLIPS, FIT_STEPS = 512, 1000
"""Most clips and steps of the head that is fitted to exact surfaces."""

Answer = Callable[[int, Clip], Any]
"""From the number of a clip in its data set, and the clip (b = 1, on the device), an answer."""


@dataclass(frozen=True)
class Reference:
    """What answers are compared with, for a run.

    Attributes:
        model: Of the run, on the device.
        task: Of the run.
        config: Of the run.
        training: Clips of the scenes that the run was trained on, without augmentation; None where
            they are not at hand.
        evaluated: The clips that are judged.
        accelerator: Where to compute.
    """

    model: TaskModel
    task: Task
    config: TaskConfig
    training: NuscenesDataset | None
    evaluated: NuscenesDataset
    accelerator: str

    def floors(self) -> dict[str, Answer]:
        """The answer that never looks, where the task has one."""
        if not isinstance(self.task, KnowsTheUsual) or self.training is None:
            return {}
        chosen = [self.training[i] for i in spread(len(self.training), USUAL_CLIPS)]
        usual = self.task.usual([self.task.targets(clip.to(self.accelerator)) for clip in chosen])
        return {USUAL: lambda index, clip: usual}

    def ceilings(self) -> dict[str, Answer]:
        """What exact depth would give.

        Raises:
            ValueError: If there are no exact distances, or no clips to fit a head on.
        """
        root = self.evaluated.tables.root
        if not has_truth(root):
            raise ValueError(f"--ceilings: {root} has no exact distances, as embedded worlds have")
        if self.training is None:
            raise ValueError(
                f"--ceilings: {root} has none of the scenes that the run was trained on, on which "
                "a head is fitted to exact surfaces; give the data set that it was trained on"
            )
        head = self._fitted_head(self.training)

        def from_surfaces(index: int, clip: Clip) -> Any:
            surfaces = self._surfaces(self.evaluated, index, clip)
            return self.task.decode(head(self._as_volume(surfaces)))

        return {EXACT_DEPTH: self._given_depth, EXACT_SURFACES: from_surfaces}

    def _given_depth(self, index: int, clip: Clip) -> Any:
        """The run's own answer, its lifting given exact depths of every frame that it reads."""
        here = clip.to("cpu")
        found = [
            exact_depths(self.evaluated, index, here, frame) for frame in range(clip.num_frames)
        ]
        depths = torch.stack([each for each in found if each is not None])[None]
        told = replace(clip, given_depths=depths.to(self.accelerator))
        return self.task.decode(self.model(told))

    def _fitted_head(self, training: NuscenesDataset) -> nn.Module:
        """A fresh head, trained as that of the run was, if not as long."""
        torch.manual_seed(self.config.seed)
        head = self.task.build_head(self.model.join.out_channels).to(self.accelerator)
        samples = []
        for index in spread(len(training), FIT_CLIPS):
            clip = training[index].to(self.accelerator)
            samples.append((self._surfaces(training, index, clip), self.task.targets(clip)))
        whole, optim = self.config.optim, shortened(self.config.optim, FIT_STEPS)
        optimiser, schedule = build_optimizer(head, nn.Identity(), optim, optim.batch_size)
        with torch.enable_grad():
            for step in range(optim.steps):
                optimiser.zero_grad()
                for place in range(step * optim.batch_size, (step + 1) * optim.batch_size):
                    surfaces, targets = samples[clip_index(place, len(samples), self.config.seed)]
                    output = head(self._as_volume(surfaces))
                    step_of_run = step * whole.steps // optim.steps
                    loss = losses_of(self.task, output, targets, step_of_run)["loss"]
                    (loss / optim.batch_size).backward()
                torch.nn.utils.clip_grad_norm_(head.parameters(), optim.clip_norm)
                optimiser.step()
                schedule.step()
        return head.eval()

    def _surfaces(self, dataset: NuscenesDataset, index: int, clip: Clip) -> Float[Tensor, "z y x"]:
        """1 in voxels that hold a surface that a camera sees, else 0."""
        depths = exact_depths(dataset, index, clip.to("cpu"), clip.key)
        assert depths is not None, "asked for where exact distances are known"
        points = surface_points(clip.key_frame(), depths.to(clip.images.device))
        return voxels_with(points, self.model.encoder.grid)

    def _as_volume(self, surfaces: Float[Tensor, "z y x"]) -> Float[Tensor, "1 c z y x"]:
        """With as many channels as a head reads; all but the first are empty."""
        empty = surfaces.new_zeros(1, self.model.join.out_channels - 1, *surfaces.shape)
        return torch.cat([surfaces[None, None], empty], dim=1)


def training_clips(
    run: Path, data: Path, tables: NuscenesTables, config: TaskConfig, version: str | None
) -> NuscenesDataset | None:
    """Clips of the scenes of a data set that a run was trained on; None where it has none."""
    known = training_scenes(run, data, tables)
    if not known:
        return None
    return build_dataset(config, data, SceneChoice(names=tuple(sorted(known))), version)


def shortened(optim: OptimConfig, most_steps: int) -> OptimConfig:
    """The same course of the learning rate in at most so many steps."""
    steps = min(optim.steps, most_steps)
    warmup = round(optim.warmup_steps * steps / optim.steps)
    return replace(optim, steps=steps, schedule_steps=None, warmup_steps=warmup)


def voxels_with(points: Float[Tensor, "p 3"], grid: VoxelGrid) -> Float[Tensor, "z y x"]:
    """1 where a point lies in a voxel, else 0.

    Args:
        points: In ego axes, metres.
        grid: The voxels.
    """
    rows = grid.to_grid(points[grid.contains(points)]).floor().long()
    volume = torch.zeros(grid.shape_xyz, device=points.device)
    most = torch.tensor(grid.shape_xyz, device=points.device) - 1
    x, y, z = rows.clamp(min=0).minimum(most).unbind(dim=-1)
    volume[x, y, z] = 1.0
    return rearrange(volume, "x y z -> z y x")
