"""How much of two processes' sum is left when they train together, on this machine's processors.

One process trains alone, then two train together, each on one thread; both several times in turn.
Efficiency is the seconds a step of one over those of two, which see twice the clips. It holds what
the gradients' way between processes costs, and what the two take from each other's caches and
memory.

    python benchmarks/two_processes.py --data DATA [--preset toy] [--steps 30] [--rounds 3]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_WARM_UP = 5
"""Steps at the start that are not measured."""


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--data", type=Path, required=True, help="data set")
    asked.add_argument("--preset", default="toy")
    asked.add_argument("--steps", type=int, default=30)
    asked.add_argument("--rounds", type=int, default=3)
    options = asked.parse_args()
    if options.steps <= _WARM_UP:
        raise SystemExit(f"--steps {options.steps}: expected more than {_WARM_UP}")
    ratios = []
    for _ in range(options.rounds):
        one, two = (_step_s(options, processes) for processes in (1, 2))
        ratios.append(one / two)
        print(f"a step: {one:.3f} s alone, {two:.3f} s together; {one / two:.0%}", flush=True)
    middle = statistics.median(ratios)
    print(f"efficiency of two processes: {middle:.0%} ({min(ratios):.0%} to {max(ratios):.0%})")


def _step_s(options: argparse.Namespace, processes: int) -> float:
    """Seconds of a step: those of a longer run less those of a short one, by the steps between."""
    short, whole = (_run_s(options, processes, steps) for steps in (_WARM_UP, options.steps))
    return (whole - short) / (options.steps - _WARM_UP)


def _run_s(options: argparse.Namespace, processes: int, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "mim4d.cli", "pretrain", options.preset),
            *("--data", str(options.data), "--out", f"{folder}/run", "--device", "cpu"),
            *("--devices", str(processes), "--workers", "0", "--optim.steps", str(steps)),
            *("--optim.warmup-steps", "1", "--checkpoint-every", str(steps)),
        ]
        start = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
