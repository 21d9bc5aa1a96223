"""What happens around each step: progress for the person, numbers for the file, checkpoints."""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import torch

from mim4d.config.as_json import config_to_json
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.progress import Counter
from mim4d.runs.metrics_file import append_metrics
from mim4d.runs.run_files import checkpoint_path, prune_checkpoints
from mim4d.training.loggers import begin
from mim4d.training.memory import peak_bytes

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
    """Progress over the whole run, with the losses that matter."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counter: Counter | None = None
        self.shown: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin where the run stands."""
        self.counter = Counter(self.name, "step", initial=trainer.global_step)

    def on_step_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Advance by one step."""
        outcome = pl_module.outcome
        # Steps of the depth head alone have none of these: the last whole step's stand.
        self.shown |= {name: outcome[name] for name in _SHOWN if name in outcome}
        if pl_module.validated:
            self.shown["validation loss"] = pl_module.validated["loss"]
        if self.counter is not None:
            self.counter.update(trainer.global_step, trainer.max_steps, self.shown)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the bar's line."""
        if self.counter is not None:
            self.counter.close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """End the bar's line, so that what went wrong stands below it on a line of its own."""
        self.on_train_end(trainer, pl_module)


class StepClock:
    """Seconds from one step to the next, without those of pauses."""

    def __init__(self) -> None:
        self._last = perf_counter()

    def lap(self) -> float:
        """Seconds since the last call."""
        last, self._last = self._last, perf_counter()
        return self._last - last

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile takes no time."""
        begun = perf_counter()
        try:
            yield
        finally:
            self._last += perf_counter() - begun


class Metrics(StepCallback):
    """Appends one JSON line per optimiser step: step, mean losses, learning rate, seconds.

    The loggers get the losses, every learning rate, throughput and memory, and at the beginning the
    configuration. Losses are means over all processes and micro-steps.
    """

    def __init__(self, run: Path, clock: StepClock) -> None:
        self.run = run
        self._clock = clock

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self._clock.lap()
        for logger in trainer.loggers:
            begin(logger, json.loads(config_to_json(pl_module.config)), self.run)

    def on_step_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Write the step that has just been done."""
        step, seconds = trainer.global_step - 1, self._clock.lap()
        groups = trainer.optimizers[0].param_groups
        line = {"step": step, **pl_module.outcome, "lr": groups[-1]["lr"]}
        append_metrics(self.run, {**line, "seconds": round(seconds, 4)})
        values = {f"train/{name}": value for name, value in pl_module.outcome.items()}
        # Groups of a run that an earlier version began have no names.
        values |= {f"lr/{g.get('name', i)}": g["lr"] for i, g in enumerate(groups)}
        clips = pl_module.kind_of(step).shape.clips_per_step
        values["speed/clips_per_s"] = clips / max(seconds, 1e-9)
        values["speed/seconds_per_step"] = seconds
        values["memory/peak_gib"] = peak_bytes(pl_module.device.type) / 2**30
        for logger in trainer.loggers:
            logger.log_metrics(values, step)


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
