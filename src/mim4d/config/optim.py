"""The optimiser and its schedule, by optimiser step."""

import math
from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its schedule, by optimiser step."""

    steps: int = 400
    """Optimiser steps of the run."""
    batch_size: int = 1
    """Clips per forward pass in each process."""
    accumulate: int = 1
    """Forward passes per optimiser step, whose gradients are averaged: a larger batch in the same
    memory."""
    method: Literal["adamw", "muon"] = "adamw"
    """`muon`: steps of orthogonalised momentum for convolution kernels, AdamW for everything else,
    at the same learning rate. From random weights it needs about 0.6 of the steps."""
    lr: float = 1e-3
    """Peak learning rate of everything but the backbone."""
    lr_clips: int | None = None
    """Clips per optimiser step, over all processes, that `lr` is meant for; with more or fewer the
    rate is scaled in proportion. None: use `lr` as it is."""
    backbone_lr_factor: float = 1.0
    """The backbone's learning rate as a share of `lr`."""
    beta_2: float = 0.999
    """AdamW's decay of squared gradients. Short runs want a little less."""
    weight_decay: float = 0.01
    """AdamW weight decay of matrices; vectors have none."""
    warmup_steps: int = 20
    """Steps of the linear warm-up."""
    final_lr_factor: float = 0.02
    """Learning rate at the end as a share of the peak (cosine)."""
    schedule_steps: int | None = None
    """Steps over which the learning rate falls; after them it stays as it is. None: `steps`."""
    clip_norm: float = 35.0
    """Largest gradient norm."""
    ema_momentum: float | None = None
    """Share of the new weights in an exponential moving average over the optimiser steps.
    Evaluation and the exported encoder then use the average. The first steps have larger shares, so
    that the random start leaves no trace. None: no average."""

    def __post_init__(self) -> None:
        for name in ("accumulate", "lr_clips", "schedule_steps"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"optim.{name}", value, "at least 1")
        require(
            self.ema_momentum is None or 0 < self.ema_momentum <= 1,
            "optim.ema_momentum",
            self.ema_momentum,
            "a share in (0, 1], or None",
        )
        require(self.steps >= 1, "optim.steps", self.steps, "at least 1")
        require(self.batch_size >= 1, "optim.batch_size", self.batch_size, "at least 1")
        require(0 < self.lr < math.inf, "optim.lr", self.lr, "a positive number")
        require(self.clip_norm > 0, "optim.clip_norm", self.clip_norm, "a positive number")
        for name in ("backbone_lr_factor", "final_lr_factor", "weight_decay"):
            share = getattr(self, name)
            require(0 <= share < math.inf, f"optim.{name}", share, "a number, 0 or more")
        require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more")
        require(0 < self.beta_2 < 1, "optim.beta_2", self.beta_2, "between 0 and 1")
