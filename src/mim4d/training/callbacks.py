"""What happens around each step: progress for the person, numbers for the file, checkpoints."""

import logging
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from tqdm import tqdm

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.runs.checkpoint import checkpoint_path, prune_checkpoints
from mim4d.runs.metrics_file import append_metrics

logger = logging.getLogger(__name__)
_SHOWN = ("loss", "distance", "predicted_distance")


class StepCallback(pl.Callback, ABC):
    """Something to do after every optimiser step, however many micro-steps it has."""

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Call `on_step_end` after the last micro-step."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.on_step_end(trainer, pl_module)

    @abstractmethod
    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The optimiser step `trainer.global_step` − 1 has just been done."""


class Progress(StepCallback):
    """A progress bar over the whole run with speed and the losses that matter."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        self.bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            desc=self.name,
            unit="step",
            smoothing=0.05,
            dynamic_ncols=True,
        )

    def on_step_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Advance by one step."""
        outcome = pl_module.outcome
        shown = {name: f"{outcome[name]:.3f}" for name in _SHOWN if name in outcome}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self.bar.close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that what went wrong stands below it on a line of its own."""
        if self.bar is not None:
            self.bar.close()


class MetricsFile(StepCallback):
    """Appends one JSON line per optimiser step: step, mean losses, learning rate, seconds.

    The same losses go to the trainer's logger. Losses are means over all processes and micro-steps.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._last = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def on_step_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Write the step that has just been done."""
        now, step = time.perf_counter(), trainer.global_step - 1
        line = {
            "step": step,
            **pl_module.outcome,
            "lr": trainer.optimizers[0].param_groups[-1]["lr"],
            "seconds": round(now - self._last, 4),
        }
        self._last = now
        append_metrics(self.run, line)
        if trainer.logger is not None:
            values = {f"train/{name}": value for name, value in pl_module.outcome.items()}
            trainer.logger.log_metrics(values, step)


class Checkpoints(StepCallback):
    """Saves at optimiser steps and at the end, and keeps the newest few."""

    def __init__(self, run: Path, every: int) -> None:
        self.run = run
        self.every = every

    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time to."""
        step = trainer.global_step
        if step % self.every == 0 or step == trainer.max_steps:
            trainer.save_checkpoint(checkpoint_path(self.run, step))
            if trainer.is_global_zero:
                prune_checkpoints(self.run)


class SkippedClips(pl.Callback):
    """Says at the end how many clips could not be read, over all processes."""

    def __init__(self, dataset: NuscenesDataset) -> None:
        self.dataset = dataset

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add up and say it once."""
        skipped = torch.tensor(float(self.dataset.num_skipped), device=pl_module.device)
        number = int(trainer.strategy.reduce(skipped, reduce_op="sum"))
        if number and trainer.is_global_zero:
            logger.warning(
                "%d clips could not be read and were skipped; %d remained",
                number,
                max(len(self.dataset) - number, 0),
            )
