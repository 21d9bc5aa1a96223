"""Averaged weights: an exponential moving average over optimiser steps, kept in the checkpoint.

After optimiser step n (counted from 0) the average moves towards the weights by the share
max(momentum, 10 / (10 + n)): all the way at n = 0, so that the random start leaves no trace, then
as an average over about the last tenth of the steps so far, and at last with the momentum asked
for. MIM4D's published configuration has the momentum 2e-4 throughout (its start stays in the
average), and its evaluation then reads the raw weights.

Written out here because no library's average is the same. timm's `ModelEmaV3` has this warm-up
(γ 10, power 1) but averages running statistics of batch norms as if they were weights. Lightning's
`WeightAveraging` does so too, counters included, and saves the average in the place of the weights:
checkpoints of earlier versions would no longer go on exactly, as `--resume` promises.
"""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from mim4d.runs.checkpoint import AVERAGED
from mim4d.training.callbacks import StepCallback

_START = 10
# No public name: all weights at once, which on a GPU is one kernel instead of hundreds.
_LERP_ALL: Callable[..., Any] | None = getattr(torch, "_foreach_lerp_", None)


def averaging_share(step: int, momentum: float) -> float:
    """How far the average moves towards the weights after optimiser step `step` (from 0)."""
    return max(momentum, _START / (_START + step))


class WeightAverage(StepCallback):
    """Averages the weights; buffers (running statistics, counters) are copied as they are.

    The share depends on the optimiser step alone, so that a resumed run averages exactly as an
    unbroken one. Every process keeps the same average.

    Args:
        momentum: Smallest share of the new weights.
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self.average: dict[str, Tensor] = {}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Continue the average of the checkpoint."""
        self.average = checkpoint[AVERAGED]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights as they are, or bring the loaded average to their device."""
        start = self.average or pl_module.state_dict()
        self.average = {k: v.detach().to(pl_module.device, copy=True) for k, v in start.items()}

    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move towards the weights of the step that has just been done."""
        move_average(
            self.average, pl_module, averaging_share(trainer.global_step - 1, self.momentum)
        )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the average to the checkpoint."""
        checkpoint[AVERAGED] = self.average


@torch.no_grad()
def move_average(average: dict[str, Tensor], model: nn.Module, share: float) -> None:
    """Add share · (weights − average) to the average, in place; buffers are copied."""
    parameters = dict(model.named_parameters())
    names = [name for name in average if name in parameters]
    weights = [parameters[name].detach() for name in names]
    averages = [average[name] for name in names]
    if _LERP_ALL is not None:
        _LERP_ALL(averages, weights, share)
    else:
        for old, new in zip(averages, weights, strict=True):
            old.lerp_(new, share)
    for name, buffer in model.named_buffers():
        if name in average:
            average[name].copy_(buffer)
