"""What is trained in the steps of `StepModule`: a pre-training, or a task."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Generator, Tensor, nn
from torch.profiler import record_function

from mim4d.config import PretrainConfig, TaskConfig
from mim4d.data.clip import Clip
from mim4d.pretraining.draw import draw_cells, draw_step
from mim4d.pretraining.losses import depth_cross_entropy
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.objective import DEPTH_ALONE, Objective
from mim4d.pretraining.targets import CellTargets, measure_cells
from mim4d.tasks.model import SeenClip, TaskModel
from mim4d.tasks.task import StepShare, Task, TaskInImages, losses_of
from mim4d.training.sampling import StepKind, step_generators
from mim4d.training.step_module import StepModule
from mim4d.training.volume_cache import VolumeCache


class PretrainingModule(StepModule):
    """Trains a `MaskedVideoModel`; everything random is drawn from (seed, step, place).

    Args:
        model: What is trained.
        config: Of the run.
        world_size: Processes that train together.
    """

    model: MaskedVideoModel
    config: PretrainConfig

    def __init__(
        self, model: MaskedVideoModel, config: PretrainConfig, world_size: int = 1
    ) -> None:
        super().__init__(model, config, world_size)
        encoder = model.encoder
        self.objective = Objective(
            config.loss, config.photometric, encoder.depth_head.bins, encoder.grid
        )

    def census(self, clip: Clip) -> dict[str, float]:
        """Shares of rays that teach, of rays with a measured distance, and of visible patches."""
        choices, targets = draw_step(
            self.model, clip, step_generators(self.config.seed, 0, range(1))
        )
        valid, loss = choices.rays.valid, self.config.loss
        found = {
            "rays": valid.float().mean().item(),
            "visible": choices.visible[clip.image_present].float().mean().item(),
        }
        if loss.lidar_weights and self.model.sampling.use_lidar:
            measured = targets.rays.valid_distances & valid
            found["measured_rays"] = (measured.sum() / valid.sum().clamp(min=1)).item()
        return found

    def kind_of(self, step: int) -> StepKind:
        """Depth is a matter of single images: as many as a whole step has, of different clips."""
        if not self.config.loss.teaches_depth_alone(step):
            return StepKind(self.shape)
        size = self.shape.batch_size * self.config.clip.frames
        return StepKind(replace(self.shape, batch_size=size), key_alone=True)

    def noted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Without the sum of a step of depth alone: among those of whole steps it tells nothing."""
        mixed = self.config.loss.depth_alone_share < 1
        if mixed and DEPTH_ALONE in losses:
            return {name: value for name, value in losses.items() if name != "loss"}
        return losses

    @property
    def measured_terms(self) -> tuple[str, ...]:
        """Colours, and the losses of LiDAR and of other images whose weights are above 0."""
        loss = self.config.loss
        weights = {
            "colour": loss.colour_weight,
            "distance": loss.distance_weight,
            "relative_distance": loss.relative_distance_weight,
            "log_distance": loss.log_distance_weight,
            "termination": loss.termination_weight,
            "near_surface": loss.near_surface_weight,
            "depth": loss.depth_weight,
            "photometric": loss.photometric_weight,
            "sweep": loss.sweep_weight,
            "sweep_distance": loss.sweep_distance_weight,
            "depth_sweep": loss.depth_sweep_weight,
        }
        return ("loss", *(name for name, weight in weights.items() if weight > 0))

    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """Draw what is random, rebuild, compare; `loss` is the losses' weighted sum.

        In training some steps may teach the depth head alone.
        """
        places = range(clip.batch_size) if places is None else places
        generators = step_generators(self.config.seed, step, places)
        if self.training and self.config.loss.teaches_depth_alone(step):
            return self._losses_of_depth_alone(clip, generators)
        with record_function("choose"):
            choices, targets = draw_step(self.model, clip, generators)
        reconstruction = self.model(clip, choices)
        with record_function("losses"):
            return self.objective(reconstruction, targets, clip)

    def _losses_of_depth_alone(
        self, clip: Clip, generators: Sequence[Generator]
    ) -> dict[str, Tensor]:
        with record_function("choose"):
            visible, cells = draw_cells(self.model, clip, generators)
        depth_probs = self.model.depths(clip, visible)
        with record_function("losses"):
            return self.objective.of_depth_alone(depth_probs, cells, clip)


class TaskModule(StepModule):
    """Trains a `TaskModel`.

    Args:
        model: What is trained.
        task: What it learns.
        config: Of the run.
        world_size: Processes that train together.
        taken: Names of the model's weights that came from another run.
        cache: Where a frozen trunk's volumes are kept; None computes them every time.
    """

    model: TaskModel
    config: TaskConfig

    def __init__(
        self,
        model: TaskModel,
        task: Task,
        config: TaskConfig,
        world_size: int = 1,
        taken: Collection[str] = (),
        cache: VolumeCache | None = None,
    ) -> None:
        super().__init__(model, config, world_size)
        self.task = task
        self.cache = cache
        self.taken = frozenset(taken)

    def census(self, clip: Clip) -> dict[str, float]:
        """Share of the images' cells whose depth LiDAR tells, where depth is learned from it."""
        if self.config.depth_loss_weight == 0:
            return {}
        frames = self.model.join.frames_of(clip)
        valid = self._measured(frames).valid[frames.image_present]
        return {"measured_cells": valid.float().mean().item()}

    @property
    def measured_terms(self) -> tuple[str, ...]:
        """The whole, and that of depth where it is asked for."""
        return ("loss", "depth") if self.config.depth_loss_weight > 0 else ("loss",)

    def transferred(self) -> tuple[list[nn.Parameter], float]:
        """What came from another run, and its rate as a share of that of what is new."""
        named = self.model.named_parameters()
        return [p for name, p in named if name in self.taken], self.config.encoder_lr_factor

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The rates of a resumed run depend on what was taken when it began."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["taken"] = sorted(self.taken)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Called before the optimiser is made."""
        self.taken = frozenset(checkpoint.get("taken", ()))

    def validation_losses(self, clip: Clip, stream: int, place: int) -> dict[str, Tensor]:
        """The task's losses as they are weighted at the end of the run."""
        return self.step_losses(clip, self.config.optim.steps - 1)

    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """The task's losses; nothing but stochastic depth is random here."""
        targets = self.task.targets(clip)
        if self.cache is not None:
            return self._task_losses(self.cache.volumes(self.model, clip), targets, step)
        seen = self.model.look(clip)
        losses = self._task_losses(seen.volume, targets, step)
        if self.model.image_head is not None:
            looked = self.model.look_at_images(seen)
            assert isinstance(self.task, TaskInImages)
            of_images = self.task.image_loss(looked, seen.frames, targets)
            losses = _with(losses, "image", of_images, self.config.image_loss_weight)
        if self.config.depth_loss_weight > 0:
            depth = self._depth_loss(seen)
            losses = _with(losses, "depth", depth, self.config.depth_loss_weight)
        return losses

    def _task_losses(self, volume: Tensor, targets: Any, step: int) -> dict[str, Tensor]:
        output = self.model.head(volume)
        with record_function("losses"):
            return losses_of(self.task, output, targets, step, self._share())

    def _share(self) -> StepShare:
        """Of a step's batch; what is tried out before the training, or validated, is alone."""
        if self._trainer is None or not self.training:
            return StepShare()
        reduce = self.trainer.strategy.reduce
        return StepShare(self.shape.world_size, partial(reduce, reduce_op="sum"))

    def _depth_loss(self, seen: SeenClip) -> Tensor:
        """Of the trunk's depth distributions against the LiDAR of the same frames."""
        bins, cells = self.model.encoder.depth_head.bins, self._measured(seen.frames)
        return depth_cross_entropy(
            seen.depth_probs, cells.depths, cells.valid, bins.first_m, bins.last_m
        )

    def _measured(self, frames: Clip) -> CellTargets:
        return measure_cells(frames, self.model.encoder.image_encoder.strides[0], use_lidar=True)


def _with(losses: dict[str, Tensor], name: str, added: Tensor, weight: float) -> dict[str, Tensor]:
    """Losses with another one among them and in their sum."""
    return {**losses, "loss": losses["loss"] + weight * added, name: added}
