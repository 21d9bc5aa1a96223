"""What a run of the task hd_map draws around the car in a few clips, with the truth, for pictures.

Lines are metres in `ref`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.asked_clips import Asked, AskedClip, ask_run
from mim4d.metrics.map_ap import MapLines
from mim4d.tasks.hd_map import HdMap


@dataclass(frozen=True)
class SeenLine:
    """One line of a map.

    Attributes:
        kind: Its class, by the order of `mim4d.tasks.map_targets.CLASSES`.
        points: Along it, metres in `ref`.
        score: How sure a prediction is; 1 for truth.
    """

    kind: int
    points: Float[Tensor, "_ 2"]
    score: float


@dataclass(frozen=True)
class MapView:
    """One clip with its lines.

    Attributes:
        title: Scene and number of the clip.
        clip: The clip, on the CPU.
        true: Lines of the map; None of data without one.
        drawn: What the run draws; None where only the truth is looked at.
        range_xy_m: Length along x and width along y of what lines are cut to.
    """

    title: str
    clip: Clip
    true: tuple[SeenLine, ...] | None
    drawn: tuple[SeenLine, ...] | None
    range_xy_m: tuple[float, float]


def map_views(run: Path, data: Path, **asked: Unpack[Asked]) -> Iterator[MapView]:
    """Clips spread over the scenes, as a run sees them; see `ask_run`."""
    task, answers = ask_run(run, data, HdMap, **asked)
    for one in answers:
        yield map_view(task, one)


def map_view(task: HdMap, one: AskedClip) -> MapView:
    """One answer, ready to be drawn."""
    true = None if one.truth is None else seen_lines(one.truth.lines[0])
    return MapView(one.title, one.clip, true, seen_lines(one.answer[0]), task.options.range_xy_m)


def seen_lines(lines: MapLines) -> tuple[SeenLine, ...]:
    """Lines of a metric, on the CPU, for drawing."""
    rows = zip(lines.classes.tolist(), lines.lines, lines.scores.tolist(), strict=True)
    return tuple(SeenLine(kind, line.float().cpu(), score) for kind, line, score in rows)
