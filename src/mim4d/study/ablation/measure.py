"""What is measured of one run, kept in its folder so that it is measured once.

A finished run enters; what leaves are its numbers by measure: errors of distance and colour (see
docs/measures.md), normalised EPE, degrees, seconds.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mim4d.config import Device
from mim4d.evaluation import Evaluation, evaluate_run
from mim4d.files import read_json, write_text
from mim4d.runs.metrics_file import read_metrics
from mim4d.study.ablation.downstream import downstream_iou
from mim4d.training.train_once import is_finished

MEASURED_FILE = "ablation.json"
_FIRST_STEPS = 2
Content = dict[str, Any]
Read = Callable[[Content], float | None]
Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Measure:
    """One number of a run.

    Attributes:
        name: In files.
        heading: In the table.
        digits: After the point.
        read: From what `measure_run` keeps; None where the run has no such number.
        higher_is_better: Else lower is.
        drawn: Whether the picture shows it.
        always: Whether tables show it where no row has it.
    """

    name: str
    heading: str
    digits: int
    read: Read
    higher_is_better: bool = False
    drawn: bool = True
    always: bool = True


@dataclass(frozen=True)
class Measuring:
    """How runs are measured.

    Attributes:
        data: Data set.
        targets: Tokens of the samples to evaluate.
        stride: Image pixels per evaluated pixel.
        version: Version folder of the data set.
        device: Where to compute.
        downstream: Labelled scenes that vehicles are learned from on the frozen trunk; 0: none.
        workers: Loader processes while they are learned; None decides.
    """

    data: Path
    targets: tuple[str, ...]
    stride: int
    version: str | None = None
    device: Device = "auto"
    downstream: int = 0
    workers: int | None = None

    def settings(self) -> Content:
        """All that the numbers depend on, beside the run, to compare with what was kept."""
        downstream = {"downstream": self.downstream} if self.downstream else {}
        return downstream | {
            "data": str(self.data.resolve()),
            "version": self.version,
            "stride": self.stride,
            "targets": list(self.targets),
            "evaluation": [field.name for field in fields(Evaluation)],
        }


def read_measured(run: Path, how: Measuring) -> Content | None:
    """What was kept of a finished run; None if it was not measured, or not like this."""
    path = run / MEASURED_FILE
    if not (is_finished(run) and path.is_file()):
        return None
    content: Content = read_json(path)
    return content if content.get("settings") == how.settings() else None


def measure_run(run: Path, how: Measuring) -> Content:
    """Measure a finished run, unless that has been done, and keep it."""
    kept = read_measured(run, how)
    if kept is not None:
        return kept
    evaluation = evaluate_run(
        run,
        how.data,
        stride=how.stride,
        targets=how.targets,
        version=how.version,
        device=how.device,
        baselines=False,
        save=False,
    )
    content = {
        "settings": how.settings(),
        "seconds_per_step": seconds_per_step(run),
        "evaluation": evaluation.content(),
    }
    if how.downstream:
        content["downstream_iou"] = downstream_iou(
            run, how.data, how.downstream, how.version, how.device, how.workers
        )
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_text(run / MEASURED_FILE, text)
    return content


def seconds_per_step(run: Path) -> float:
    """Mean over the steps of a run, the first ones left out where there are more.

    Not the median: steps of depth alone take half of the time, and are not rare.
    """
    seconds = read_metrics(run)["seconds"]
    return float(np.mean(seconds[_FIRST_STEPS:] if len(seconds) > _FIRST_STEPS else seconds))


def _row(row: str, *path: str, of: tuple[str, ...] = ("rows",)) -> Read:
    """A number of one row of the evaluation, or of a part of it, such as hidden patches."""

    def read(content: Content) -> float | None:
        found = content["evaluation"]
        for key in (*of, row, *path):
            found = None if found is None else found.get(key)
        return None if found is None else float(found)

    return read


def _absolute(read: Read) -> Read:
    def size(content: Content) -> float | None:
        value = read(content)
        return None if value is None else abs(value)

    return size


def _flow(name: str) -> Read:
    def read(content: Content) -> float | None:
        found = content["evaluation"]["flow"]
        value = None if found is None else found[name]
        return None if value is None else float(value)

    return read


MEASURES = (
    Measure("rebuilt", "rebuilt AbsRel", 3, _row("rebuilt", "abs_rel")),
    Measure(
        "rebuilt_moving",
        "rebuilt AbsRel, moving",
        3,
        _row("rebuilt", "metric", "moving", "abs_rel"),
    ),
    Measure("direct", "direct AbsRel", 3, _row("direct", "abs_rel")),
    Measure("direct_rmse", "direct RMSE, m", 2, _row("direct", "rmse")),
    Measure("direct_rmse_log", "direct log RMSE", 3, _row("direct", "rmse_log"), drawn=False),
    Measure(
        "direct_bias", "direct bias, size", 2, _absolute(_row("direct", "log_bias")), drawn=False
    ),
    Measure("direct_delta", "direct δ ↑", 3, _row("direct", "delta_1"), True),
    Measure(
        "depth_head_delta",
        "its depth head δ ↑",
        3,
        _row("depth_head", "delta_1"),
        True,
        drawn=False,
    ),
    Measure(
        "direct_road",
        "direct AbsRel, road",
        3,
        _row("direct", "metric", "road", "abs_rel"),
        drawn=False,
    ),
    Measure(
        "direct_obstacles_delta",
        "direct δ, obstacles ↑",
        3,
        _row("direct", "metric", "obstacles", "delta_1"),
        True,
    ),
    Measure("direct_psnr", "direct PSNR, dB ↑", 1, _row("direct", "psnr_db"), True, drawn=False),
    Measure(
        "hidden_delta",
        "hidden patches δ ↑",
        3,
        _row("direct", "delta_1", of=("masked", "rows")),
        True,
    ),
    Measure("flow_epe", "flow EPE, normalised", 2, _flow("normalised_epe")),
    Measure("flow_angle", "flow angle, °", 0, _flow("median_angle_deg")),
    Measure(
        "downstream",
        "vehicles, IoU % ↑",
        1,
        lambda content: content.get("downstream_iou"),
        True,
        drawn=False,
        always=False,
    ),
    Measure("seconds_per_step", "s a step", 2, lambda content: content["seconds_per_step"]),
)
"""In the order of the table; lower is better, or higher where an arrow says so."""


def numbers_of(content: Content) -> Numbers:
    """All numbers of a run, by measure."""
    return {measure.name: measure.read(content) for measure in MEASURES}
