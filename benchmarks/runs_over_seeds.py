"""What the benchmarks over several seeds share: runs that can be interrupted, and the spread."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mim4d.config import PretrainConfig
from mim4d.study.ablation.markdown import cell
from mim4d.study.ablation.over_seeds import Spread
from mim4d.training.train_once import is_finished, train_unless_finished


def parser(description: str, *, stride: int, clips: int | None) -> argparse.ArgumentParser:
    """The options that these benchmarks have in common.

    Args:
        description: What is measured, in a line.
        stride: Image pixels per evaluated pixel, unless asked for otherwise.
        clips: The same for the largest number of clips; None takes all.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", type=Path, required=True, help="data set with held-out scenes")
    made.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--steps", type=int, help="optimiser steps; by default the preset's")
    made.add_argument("--only-finished", action="store_true", help="train nothing")
    made.add_argument("--stride", type=int, default=stride, help="image pixels per evaluated pixel")
    made.add_argument("--clips", type=int, default=clips, help="at most so many clips")
    made.add_argument("--json", type=Path, help="also write all numbers to this file")
    return made


def finished(run: Path, config: PretrainConfig, data: Path, *, only_finished: bool = False) -> bool:
    """Whether a run is there and whole; trains it, or goes on with it, unless told not to."""
    if only_finished and not is_finished(run):
        print(f"{run}: not finished, left out", file=sys.stderr)
        return False
    train_unless_finished(config, data, run)
    return True


def configured(config: PretrainConfig, seed: int, steps: int | None) -> PretrainConfig:
    """A configuration with another seed and number of steps; None keeps the preset's."""
    optim = config.optim if steps is None else replace(config.optim, steps=steps)
    return replace(config, seed=seed, optim=optim)


def spread(values: Sequence[float]) -> str:
    """Mean over seeds and, of several, standard deviation."""
    return cell(Spread.of(dict(enumerate(values))), digits=3)
