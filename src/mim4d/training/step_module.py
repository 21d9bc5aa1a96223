"""The bookkeeping of steps that everything trained shares: seeds, outcomes, their check, rates.

An optimiser step has one or more micro-steps, whose gradients are averaged; its outcome is known,
and checked, before the weights change.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from mim4d.config import RunConfig
from mim4d.config.as_json import config_to_json
from mim4d.data.clip import Clip
from mim4d.training.nonfinite import GRADIENT_NORM, StepBatches, check_finite
from mim4d.training.optim import build_optimizer
from mim4d.training.sampling import StepKind, StepShape, step_seed
from mim4d.training.zero_losses import ZeroLosses


class StepModule(pl.LightningModule, ABC):
    """A thin Lightning module around a plain model whose part `encoder` is the trunk.

    Args:
        model: What is trained.
        config: Of the run.
        world_size: Processes that train together.

    Attributes:
        outcome: Of the newest optimiser step: mean losses by name, over all micro-steps and
            processes, and the gradient's norm before clipping.
        validated: Losses of the newest validation; empty before the first.
    """

    def __init__(self, model: nn.Module, config: RunConfig, world_size: int = 1) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.shape = StepShape(config.optim.batch_size, config.optim.accumulate, world_size)
        self.outcome: dict[str, float] = {}
        self.validated: dict[str, float] = {}
        self._clips: list[Clip] = []
        self._losses: list[dict[str, Tensor]] = []
        self._zeros = ZeroLosses(config.optim.steps)

    @abstractmethod
    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """Losses of one forward pass by name; `loss` is the one that is minimised.

        Args:
            clip: The batch.
            step: Optimiser step.
            places: Of the batch's clips among all of the step; None where they are all.
        """

    def validation_losses(self, clip: Clip, stream: int, place: int) -> dict[str, Tensor]:
        """Losses on a held-out clip, in evaluation mode.

        Args:
            clip: One clip (b = 1).
            stream: Stands in the place of a step where something is drawn.
            place: Of the clip among those of the validation.
        """
        return self.step_losses(clip, stream, range(place, place + 1))

    def census(self, clip: Clip) -> dict[str, float]:
        """Shares, by name, of what a step would find in a clip; see `training.census`."""
        return {}

    def kind_of(self, step: int) -> StepKind:
        """What a step reads."""
        return StepKind(self.shape)

    def noted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a step's losses those that are written down."""
        return losses

    @property
    def measured_terms(self) -> tuple[str, ...]:
        """Losses asked for that compare with what was measured, and so never stay exactly zero."""
        return ("loss",)

    def training_step(self, clip: Clip, batch_idx: int) -> Tensor:
        """The loss of one micro-step."""
        step, micro_step = self.global_step, batch_idx % self.shape.accumulate
        if micro_step == 0:
            self._clips, self._losses = [], []
        places = self.kind_of(step).shape.places(micro_step, self.global_rank)
        # Drop path draws from torch's global state; it too must not depend on what ran before.
        torch.manual_seed(step_seed(self.config.seed, step, places[0]))
        losses = self.step_losses(clip, step, places)
        self._clips.append(clip)
        self._losses.append({name: each.detach() for name, each in self.noted(losses).items()})
        return losses["loss"]

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient's norm, and stop before the weights change if it is not finite.

        Raises:
            NonFiniteError: See `check_finite`.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.optim.clip_norm)
        self.outcome = self._mean_over_processes(norm)
        batches = StepBatches(
            self.global_step, self.config.seed, self.global_rank, self._clips, self._losses
        )
        run = Path(self.trainer.default_root_dir)
        check_finite(self.outcome, batches, run, self._gather_texts)
        self._zeros.add(self.outcome, self.global_step, self.measured_terms)
        self._clips = []

    def _gather_texts(self, text: str) -> list[str]:
        """A text of each process, by rank; called by all of them."""
        if self.shape.world_size == 1:
            return [text]
        texts = [""] * self.shape.world_size
        torch.distributed.all_gather_object(texts, text)
        return texts

    def _mean_over_processes(self, gradient_norm: Tensor) -> dict[str, float]:
        """Mean losses of the step and its gradient's norm, in one transfer from the device."""
        names = list(self._losses[0])
        means = [
            torch.stack([losses[name].float() for losses in self._losses]).mean() for name in names
        ]
        values = torch.stack([*means, gradient_norm.detach().to(means[0].device)])
        values = self.trainer.strategy.reduce(values, reduce_op="mean")
        return dict(zip([*names, GRADIENT_NORM], values.tolist(), strict=True))

    def transferred(self) -> tuple[list[nn.Parameter], float]:
        """Parameters that learn at a rate of their own, having come from another run; and it."""
        return [], 1.0

    def configure_optimizers(self) -> Any:
        """The optimiser, and a schedule that is advanced at every optimiser step."""
        backbone = self.model.get_submodule("encoder.image_encoder")
        transferred, factor = self.transferred()
        optimizer, schedule = build_optimizer(
            self.model,
            backbone,
            self.config.optim,
            self.shape.clips_per_step,
            transferred,
            factor,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint carries the resolved config it was trained with."""
        checkpoint["mim4d_config"] = config_to_json(self.config)

    def transfer_batch_to_device(
        self, batch: Clip, device: torch.device, dataloader_idx: int
    ) -> Clip:
        """Clips know how to move themselves."""
        return batch.to(device)
