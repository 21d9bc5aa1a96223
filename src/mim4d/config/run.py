"""What every training run has, whatever it trains: a trunk, an optimiser, a seed."""

from dataclasses import dataclass, field

from mim4d.config.checks import require
from mim4d.config.optim import OptimConfig
from mim4d.config.trunk import TrunkConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig(TrunkConfig):
    """A trunk and how it is trained; a pre-training and a task add what they train it for."""

    optim: OptimConfig = field(default_factory=OptimConfig)
    seed: int = 0
    """Seed of everything random. The draws of a step depend on (seed, step, place among its clips)
    alone."""
    checkpoint_every: int = 100
    """Optimiser steps between checkpoints."""

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(self.checkpoint_every >= 1, "checkpoint_every", self.checkpoint_every, "at least 1")
