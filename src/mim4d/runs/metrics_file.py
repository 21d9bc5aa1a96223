"""Numbers of a run by step, appended, read and cut here.

`metrics.jsonl` has a line per optimiser step, `validation.jsonl` one per validation.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mim4d.files import read_text, write_text

METRICS, VALIDATION = "metrics.jsonl", "validation.jsonl"


def append_metrics(run: Path, values: Mapping[str, float | int], name: str = METRICS) -> None:
    """Add the line of one step; `step` is among the values."""
    with (run / name).open("a") as file:
        file.write(json.dumps(values) + "\n")


def read_metrics(run: Path, name: str = METRICS) -> dict[str, NDArray[np.float64]]:
    """Columns of a run's metrics by name; a value missing in some step is NaN there.

    Raises:
        ValueError: If the run has no complete step yet.
    """
    path = run / name
    if not path.is_file():
        raise ValueError(
            f"{path}: not found: no step is done yet, or it was removed; let the run go on, or "
            "restore it from a copy"
        )
    rows: list[dict[str, float]] = []
    for line in read_text(path).splitlines():
        try:
            row = json.loads(line)
            rows.append({name: float(value) for name, value in row.items()})
        except (json.JSONDecodeError, AttributeError, TypeError, ValueError):
            # The line that is being written at this moment, or was when the run was killed.
            continue
    if not rows:
        raise ValueError(f"{path}: holds no step yet; let the run go on")
    names = {name: None for row in rows for name in row}
    return {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}


def best_validation(run: Path) -> tuple[int, float] | None:
    """The validation with the least loss: steps done by then, and the loss.

    None of a run that has not validated yet, or never with a loss that is a number.
    """
    if not (run / VALIDATION).is_file():
        return None
    validated = read_metrics(run, VALIDATION)
    known = np.isfinite(validated["loss"])
    if not known.any():
        return None
    best = int(np.argmin(np.where(known, validated["loss"], np.inf)))
    return int(validated["step"][best]) + 1, float(validated["loss"][best])


def truncate_metrics(run: Path, num_steps: int) -> None:
    """Forget the lines of steps that a resumed run will do again."""
    for path in (run / METRICS, run / VALIDATION):
        if path.exists():
            kept = [line for line in read_text(path).splitlines() if _step_of(line) < num_steps]
            if kept:
                write_text(path, "".join(f"{line}\n" for line in kept))
            else:  # as before the first of them: an empty file is no record of a run
                path.unlink()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        # The run was killed while it wrote its last line.
        return float("inf")
