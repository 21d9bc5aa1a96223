"""What a run says when it has ended: how it went, what lies where, what to do next."""

import logging
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mim4d.cli.predict import DRAWS
from mim4d.config import TaskConfig
from mim4d.progress import duration
from mim4d.runs.metrics_file import VALIDATION, best_validation, read_metrics
from mim4d.runs.record import read_run_config
from mim4d.runs.run_files import ENCODER_FILE, best_checkpoint

logger = logging.getLogger(__name__)
_ENDS = 20
"""So many steps at both ends of a run are averaged, or as many as a twentieth of it."""


def say_what_was_done(run: Path, data: Path) -> None:
    """Describe a finished run in the log, and print its folder alone, which scripts may take."""
    logger.info("%s", describe_run(run, data))
    print(run)


def describe_run(run: Path, data: Path) -> str:
    """Draw RUN/curves.png and describe a finished run in some lines.

    Args:
        run: Run folder.
        data: Data set it was trained on, for the commands that come next.
    """
    lines = {
        "steps": _steps(run),
        "loss": _loss(run),
        "held out": _validation(run),
        "curves": _curves(run),
        "encoder": str(run / ENCODER_FILE),
    }
    said = [f"{name:<9}{text}" for name, text in lines.items() if text]
    nexts = [f"{'next' if i == 0 else '':<9}{c}" for i, c in enumerate(_commands(run, data))]
    return "\n".join([*said, *nexts])


def _steps(run: Path) -> str:
    seconds = read_metrics(run)["seconds"]
    each, total = float(np.nanmean(seconds)), float(np.nansum(seconds))
    return f"{len(seconds)} in {duration(total)}, {each:.2f} s each"


def _loss(run: Path) -> str:
    losses = read_metrics(run)["loss"]
    losses = losses[np.isfinite(losses)]  # steps of depth alone have none
    ends = max(_ENDS, len(losses) // 20)
    if len(losses) < 2 * ends:
        return f"{losses[0]:.3f} at the first step, {losses[-1]:.3f} at the last"
    first, last = np.nanmean(losses[:ends]), np.nanmean(losses[-ends:])
    return f"{first:.3f} over the first {ends} steps, {last:.3f} over the last {ends}"


def _validation(run: Path) -> str:
    best = best_validation(run)
    if best is None:
        return ""
    last = read_metrics(run, VALIDATION)["loss"][-1]
    return (
        f"loss {best[1]:.3f} at best, after step {best[0]} ({best_checkpoint(run)}); "
        f"{last:.3f} at the end"
    )


def _curves(run: Path) -> str:
    if find_spec("matplotlib") is None:
        return "not drawn: pip install 'mim4d[viz]'"
    from mim4d.viz.curves import draw_curves

    return str(draw_curves(run, run / "curves.png"))


def _commands(run: Path, data: Path) -> list[str]:
    config = read_run_config(run)
    if isinstance(config, TaskConfig):
        own = [f"mim4d predict {run} {data}"] * (config.task in DRAWS)
    else:
        own = [
            f"mim4d render {run} --data {data}",
            f"mim4d finetune bev_segmentation {run} --data {data} --out {run}-bev",
        ]
    compare = f"mim4d runs {run.parent}"
    measure = f"mim4d evaluate {run} --data {data}"
    best = [f"{measure} --best"] * best_checkpoint(run).is_file()
    return [measure, *best, *own, compare]
