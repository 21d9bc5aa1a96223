"""The runs below a folder, and what they have in common and not: a table of texts.

What enters are run folders as training and evaluation leave them; half-written ones count as what
they are. Imports no torch.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mim4d.files import read_json
from mim4d.runs.metrics_file import best_validation, read_metrics
from mim4d.runs.record import read_record
from mim4d.runs.run_files import ENCODER_FILE

logger = logging.getLogger(__name__)
_SHARE = 20
"""The last of so many parts of a run is what its loss is averaged over."""
_NOT_COMPARED = ("preset", "task", "seed")
"""Options with columns of their own."""


@dataclass(frozen=True)
class RunSummary:
    """What is known of one run.

    Attributes:
        run: The folder.
        options: Its configuration, flat, by dotted names.
        cells: What the table shows, by column.
    """

    run: Path
    options: dict[str, Any]
    cells: dict[str, str]


def find_runs(folder: Path) -> list[Path]:
    """Run folders in a folder and below it, or the folder itself, in the order of their names.

    Raises:
        ValueError: If there is none.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give one that holds runs")
    found = sorted(path.parent for path in folder.rglob("config.json"))
    found = [run for run in found if (run / "record.json").is_file()]
    if not found:
        raise ValueError(f"{folder}: holds no run, nor does a folder below it")
    return found


def summarise(run: Path, root: Path) -> RunSummary:
    """What is known of a run.

    Args:
        run: Run folder.
        root: Folder that its name is told from.
    """
    name = "." if run == root else str(run.relative_to(root))
    try:
        options, record = _flat(_read_object(run / "config.json")), read_record(run)
    except ValueError as error:
        logger.warning("%s", error)
        return RunSummary(run, {}, {"run": name, "trains": "damaged"})
    steps, total = _steps_done(run), options.get("optim.steps", 0)
    finished = (run / ENCODER_FILE).is_file() and steps >= total
    cells = {
        "run": name,
        "trains": options.get("task") or "pre-training",
        "preset": str(options.get("preset", "?")),
        "seed": str(options.get("seed", "?")),
        "started": str(record.get("started", "?"))[:16].replace("T", " "),
        "steps": str(steps) if finished else f"{steps} of {total}",
        **_losses(run),
        **_measured(run),
    }
    return RunSummary(run, options, cells)


def different_options(runs: Sequence[RunSummary]) -> list[str]:
    """Options, by dotted name, that are not the same in all of the runs that have them."""
    names = dict.fromkeys(name for run in runs for name in run.options)
    return [
        name
        for name in names
        if name.split(".")[0] not in _NOT_COMPARED
        and len({json.dumps(run.options[name]) for run in runs if name in run.options}) > 1
    ]


def compare(runs: Sequence[RunSummary], most_options: int = 6) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table of some runs: what is known, then options that differ.

    Args:
        runs: The runs.
        most_options: Options that are shown at most; where more differ, none of them is.
    """
    columns = list(dict.fromkeys(name for run in runs for name in run.cells))
    options = different_options(runs)
    options = options if len(options) <= most_options else []
    rows = [
        [run.cells.get(name, "-") for name in columns]
        + [_text(run.options[name]) if name in run.options else "-" for name in options]
        for run in runs
    ]
    return columns + options, rows


def _read_object(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object with names, found a {type(content).__name__}")
    return content


def _flat(options: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{before}{name}.") if nested else {before + name: value}
    return flat


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _steps_done(run: Path) -> int:
    try:
        return int(read_metrics(run)["step"][-1]) + 1
    except ValueError:
        return 0


def _losses(run: Path) -> dict[str, str]:
    """The loss at the end, the least on held-out clips, and seconds a step."""
    try:
        metrics = read_metrics(run)
    except ValueError:
        return {}
    losses = metrics["loss"][np.isfinite(metrics["loss"])]  # not of steps of depth alone
    cells = {"loss": f"{np.mean(losses[-max(1, len(losses) // _SHARE) :]):.4f}"}
    if best := best_validation(run):
        cells |= {"held-out loss": f"{best[1]:.4f}", "after step": str(best[0])}
    cells["s/step"] = f"{np.nanmedian(metrics['seconds']):.2f}"
    return cells


def _measured(run: Path) -> dict[str, str]:
    """The main numbers of RUN/evaluation.json, by the measure's name."""
    path = run / "evaluation.json"
    if not path.is_file():
        return {}
    try:
        return _main_numbers(_read_object(path))
    except ValueError:
        return {"evaluated": "damaged"}


def _main_numbers(found: dict[str, Any]) -> dict[str, str]:
    """A few numbers of an evaluation: of a pre-training, of detections, or of another task."""
    rows = found.get("rows", {})
    if "nds" in found:
        return {"NDS": f"{100 * found['nds']:.2f} %", "mAP": f"{100 * found['mean_ap']:.2f} %"}
    if "direct" in rows:
        shown = [row for row in ("direct", "rebuilt") if row in rows]
        return {f"AbsRel {row}": f"{rows[row]['abs_rel']:.3f}" for row in shown} | {
            f"RMSE {row}": f"{rows[row]['rmse']:.2f} m" for row in shown
        }
    if not rows:
        return {}
    name = next((name for name in rows if name.startswith("mean")), next(iter(rows)))
    if not rows[name]:
        return {}
    column = "mAP" if "mAP" in rows[name] else next(iter(rows[name]))
    value = rows[name][column]
    return {f"{column}, {name}": "-" if value is None else f"{value:.4f}"}
