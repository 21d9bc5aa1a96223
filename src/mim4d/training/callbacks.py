"""What happens around each step: progress for the person, numbers for the file, checkpoints."""

import json
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from tqdm import tqdm

from mim4d.training.checkpoint import checkpoint_path, prune_checkpoints

_SHOWN = ("loss", "distance", "predicted_distance")


class Progress(pl.Callback):
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

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Advance by one step."""
        shown = {name: f"{outputs[name].item():.3f}" for name in _SHOWN if name in outputs}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self.bar.close()


class MetricsFile(pl.Callback):
    """Appends one JSON line per step: step, losses, learning rate, seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write the step that has just been done."""
        now = time.perf_counter()
        losses = {k: v.item() for k, v in outputs.items() if isinstance(v, Tensor)}
        line = {
            "step": trainer.global_step - 1,
            **losses,
            "lr": trainer.optimizers[0].param_groups[-1]["lr"],
            "seconds": round(now - self._last, 4),
        }
        self._last = now
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Checkpoints(pl.Callback):
    """Saves at optimiser steps and at the end, and keeps the newest few."""

    def __init__(self, run: Path, every: int) -> None:
        self.run = run
        self.every = every

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save if it is time to."""
        step = trainer.global_step
        if step % self.every == 0 or step == trainer.max_steps:
            trainer.save_checkpoint(checkpoint_path(self.run, step))
            if trainer.is_global_zero:
                prune_checkpoints(self.run)
