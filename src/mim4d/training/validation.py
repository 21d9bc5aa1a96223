"""Validation: the losses on held-out clips, now and then during a training, and the best weights.

The clips, and everything drawn for them, are the same at every validation, so that its numbers can
be compared. Nothing of the training changes: its steps are seeded each by itself, modes and weights
are put back, and the numbers of a run are those of one that never validates, bit for bit.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.runs.metrics_file import VALIDATION, append_metrics, best_validation
from mim4d.runs.run_files import best_checkpoint
from mim4d.training.averaging import WeightAverage
from mim4d.training.callbacks import StepCallback, StepClock
from mim4d.training.loggers import log_image
from mim4d.training.sampling import spread_evenly, step_seed
from mim4d.training.step_module import StepModule
from mim4d.training.watch import Watch

_STREAM = -1
"""Where a step would stand: keeps the draws of validation apart from those of all steps."""


def refuse_trained_on(dataset: NuscenesDataset, training_scenes: list[str]) -> None:
    """Refuse to validate on scenes that are trained on.

    Raises:
        ValueError: If there are any.
    """
    names = {dataset.scene_name(index) for index in range(len(dataset))}
    both = sorted(names & set(training_scenes))
    if both:
        raise ValueError(
            f"--validate-every: {len(both)} of {len(names)} scenes to validate on are trained on "
            f"({', '.join(both[:3])}); choose held-out ones with --validation-split or "
            "--validation-scenes (`mim4d split` divides a data set)"
        )


class Validation(StepCallback):
    """Measures the losses on held-out clips, appends them to validation.jsonl, keeps the best.

    Averaged weights are measured where the run has them, as evaluation does.

    Args:
        run: Run folder.
        watch: What is asked for.
        dataset: Clips of the held-out scenes.
        clock: Of the steps, which is paused meanwhile.
        averages: Holds the averaged weights; None where there are none.
    """

    def __init__(
        self,
        run: Path,
        watch: Watch,
        dataset: NuscenesDataset,
        clock: StepClock,
        averages: WeightAverage | None = None,
    ) -> None:
        self.run, self.watch, self.dataset = run, watch, dataset
        self._clock = clock
        self._averages = averages
        self.indices = spread_evenly(len(dataset), watch.validation_clips)
        self._least = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A resumed run knows its best validation so far."""
        if best := best_validation(self.run):
            self._least = best[1]

    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate if it is time to, and at the end."""
        step = trainer.global_step
        if step % self.watch.validate_every == 0 or step == trainer.max_steps:
            assert isinstance(pl_module, StepModule)
            with self._clock.paused():
                self._validate(trainer, pl_module)

    def _validate(self, trainer: pl.Trainer, pl_module: StepModule) -> None:
        """Measure, draw, append and keep the best."""
        step = trainer.global_step
        average = None if self._averages is None else self._averages.average
        with torch.no_grad(), evaluated(pl_module, average):
            losses = self._measure(trainer, pl_module)
            if trainer.is_global_zero:
                self._draw(trainer, pl_module)
        pl_module.validated = losses
        if trainer.is_global_zero:
            append_metrics(self.run, {"step": step - 1, **losses}, VALIDATION)
            for logger in trainer.loggers:
                values = {f"validation/{name}": value for name, value in losses.items()}
                logger.log_metrics(values, step - 1)
        if losses["loss"] < self._least:
            self._least = losses["loss"]
            trainer.save_checkpoint(best_checkpoint(self.run))

    def _measure(self, trainer: pl.Trainer, module: StepModule) -> dict[str, float]:
        """Mean losses over all clips, each process measuring its share."""
        found: list[dict[str, Tensor]] = []
        # Every process measures as many, so that all know the names: the last one again if need be.
        for turn in range(math.ceil(len(self.indices) / trainer.world_size)):
            place = turn * trainer.world_size + trainer.global_rank
            counts = place < len(self.indices)
            place = min(place, len(self.indices) - 1)
            clip = self.dataset[self.indices[place]].to(module.device)
            torch.manual_seed(step_seed(module.config.seed, _STREAM, place))
            losses = module.validation_losses(clip, _STREAM, place)
            found.append({name: counts * value.float() for name, value in losses.items()})
        names = list(found[0])
        sums = torch.stack([torch.stack([each[name] for each in found]).sum() for name in names])
        sums = trainer.strategy.reduce(sums, reduce_op="sum")
        return dict(zip(names, (sums / len(self.indices)).tolist(), strict=True))

    def _draw(self, trainer: pl.Trainer, module: StepModule) -> None:
        """A picture of the first clip, as a file and in the loggers."""
        if self.watch.picture is None:
            return
        step = trainer.global_step
        path = self.run / "validation" / f"step-{step:07d}.png"
        if self.watch.picture(module, self.dataset, self.indices[0], path) is None:
            return
        with Image.open(path) as file:
            image = np.asarray(file.convert("RGB"))
        for logger in trainer.loggers:
            log_image(logger, "validation/clip", image, step - 1)


@contextmanager
def evaluated(module: StepModule, average: dict[str, Tensor] | None) -> Iterator[None]:
    """In evaluation mode, with averaged weights if there are any; all is put back afterwards."""
    modes = {part: part.training for part in module.modules()}
    own = {name: value.clone() for name, value in module.state_dict().items()} if average else {}
    try:
        module.eval()
        if average:
            module.load_state_dict(average)
        yield
    finally:
        if average:
            module.load_state_dict(own)
        for part, training in modes.items():
            part.training = training
