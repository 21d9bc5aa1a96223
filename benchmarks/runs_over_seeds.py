"""What the benchmarks over several seeds share: runs that can be interrupted, and the spread."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mim4d.training.checkpoint import ENCODER_FILE


def parser(description: str, *, stride: int, clips: int | None) -> argparse.ArgumentParser:
    """The options that these benchmarks have in common.

    Args:
        description: What is measured, in a line.
        stride: Image pixels per evaluated pixel, unless asked for otherwise.
        clips: The same for the largest number of clips; None takes all.
    """
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


def finished(
    run: Path,
    preset: str,
    seed: int,
    data: Path,
    *,
    options: Sequence[str] = (),
    only_finished: bool = False,
) -> bool:
    """Whether a run is there and whole; trains it, or goes on with it, unless told not to."""
    if (run / ENCODER_FILE).is_file():
        return True
    if only_finished:
        print(f"{run}: not finished, left out", file=sys.stderr)
        return False
    command = [sys.executable, "-m", "mim4d.cli", "pretrain", preset, "--data", str(data)]
    command += ["--out", str(run), "--seed", str(seed), *options]
    if (run / "config.json").is_file():
        command.append("--resume")
    subprocess.run(command, check=True)
    return True


def steps_option(steps: int | None) -> list[str]:
    """The command line's option for a number of steps; nothing keeps the preset's."""
    return [] if steps is None else ["--optim.steps", str(steps)]


def spread(values: Sequence[float]) -> str:
    """Mean over seeds and, of several, standard deviation."""
    found = np.asarray(values, dtype=float)
    if len(found) < 2:
        return " ".join(f"{value:.3f}" for value in found) or "-"
    return f"{found.mean():.3f} ± {found.std(ddof=1):.3f}"
