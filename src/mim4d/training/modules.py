"""A thin Lightning module around the plain model: draw, forward, losses, log."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.profiler import record_function

from mim4d.config import RunConfig
from mim4d.config_json import config_to_json
from mim4d.data.clip import Clip
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.objective import LossWeights, pretraining_losses
from mim4d.training.optim import build_optimizer
from mim4d.training.sampling import StepShape, step_generators, step_seed


class PretrainingModule(pl.LightningModule):
    """Trains a `MaskedVideoModel`; everything random is drawn from (seed, step, place)."""

    def __init__(self, model: MaskedVideoModel, config: RunConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.weights = LossWeights(
            colour=config.loss.colour_weight,
            distance=config.loss.distance_weight,
            relative_distance=config.loss.relative_distance_weight,
            eikonal=config.loss.eikonal_weight,
            predicted=config.loss.predicted_weight,
            depth=config.loss.depth_weight,
        )

    def training_step(self, clip: Clip, batch_idx: int) -> dict[str, Tensor]:
        """One step; `batch_idx` is not used, the optimiser step counts."""
        step, shape = self.global_step, StepShape(clip.batch_size)
        places = shape.places()
        # Drop path draws from torch's global state; it too must not depend on what ran before.
        torch.manual_seed(step_seed(self.config.seed, step, places[0]))
        losses = self.step_losses(clip, step, places)
        self.log_dict(
            {f"train/{name}": value.detach() for name, value in losses.items()},
            batch_size=clip.batch_size,
        )
        return losses

    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """Losses of one forward pass by name; `loss` is their weighted sum.

        Args:
            clip: The batch.
            step: Optimiser step.
            places: Of the batch's clips among all of the step; None where they are all.
        """
        places = range(clip.batch_size) if places is None else places
        with record_function("choose"):
            generators = step_generators(self.config.seed, step, places)
            choices = self.model.draw_choices(clip, generators)
        reconstruction = self.model(clip, choices)
        with record_function("losses"):
            bins = self.model.encoder.depth_head.bins
            return pretraining_losses(reconstruction, choices, self.weights, bins)

    def configure_optimizers(self) -> Any:
        """AdamW and a schedule that is advanced at every optimiser step."""
        backbone = self.model.encoder.image_encoder
        optimizer, schedule = build_optimizer(self.model, backbone, self.config.optim)
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
