"""How far lines of a map are from each other: mean nearest-point distance of respaced points.

Enters: lines as points `m 2` (or `m 3`) in any one frame, metres. Leaves: distances of predictions
to truths, infinite where a pair is not compared. A line of two equal points is allowed; one of
fewer than two points is not. Both published habits are a `LineRule`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from jaxtyping import Float64
from numpy.typing import NDArray

Line = Float64[np.ndarray, "_ _"]
"""Points along a line; a closed one repeats its first point."""


@dataclass(frozen=True)
class LineRule:
    """How predictions are held against truth.

    Attributes:
        name: As papers name the score.
        thresholds_m: A match is at most this far away; AP is averaged over them.
        num_points: Points that lines are respaced to, evenly along their length seen from above.
        strip_m: Lines are widened by this much to each side, with flat ends and mitred corners, and
            a pair whose strips do not touch is not compared; None: all pairs are compared.
        respaced: Predictions that are respaced: all, none, or those of another number of points.
        simplified_m: Truth is drawn with fewer points that leave it by no more than this; None: as
            it is.
    """

    name: str
    thresholds_m: tuple[float, ...]
    num_points: int
    strip_m: float | None = None
    respaced: Literal["all", "none", "others"] = "all"
    simplified_m: float | None = None


MAPTR = LineRule("maptr", (0.5, 1.0, 1.5), 100, 2.0)
"""MapTR's evaluation (arXiv 2208.14437), as its shipped configurations set it."""
_LARGE_M = 60.0
_SIMPLIFIED_M = 0.2


def streammapnet(range_m: tuple[float, float]) -> LineRule:
    """StreamMapNet's evaluation (arXiv 2308.12570): wider thresholds where the map is larger.

    Args:
        range_m: Length and width of the rectangle of the map, metres.
    """
    thresholds = (0.5, 1.0, 1.5) if max(range_m) <= _LARGE_M else (1.0, 1.5, 2.0)
    return LineRule("streammapnet", thresholds, 200, simplified_m=_SIMPLIFIED_M)


def pair_distances(
    predicted: Sequence[Line], true: Sequence[Line], rule: LineRule
) -> Float64[np.ndarray, "q k"]:
    """Distance of each prediction to each truth: half the sum of both mean nearest distances."""
    distances = np.full((len(predicted), len(true)), np.inf)
    if distances.size == 0:
        return distances
    truths = [respaced(_simplified(line, rule), rule.num_points) for line in true]
    lines = [
        respaced(line, rule.num_points) if _is_respaced(line, rule) else line for line in predicted
    ]
    compared = np.ones(distances.shape, np.bool_)
    if rule.strip_m is not None:
        strips, true_strips = (_strips(some, rule.strip_m) for some in (lines, truths))
        compared = shapely.intersects(strips[:, None], true_strips[None])
    for q, k in np.argwhere(compared):
        distances[q, k] = _chamfer(lines[q], truths[k])
    return distances


def respaced(line: Line, num_points: int) -> Line:
    """Points evenly spaced along the length that is seen from above, the ends included."""
    along = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))]
    wanted = np.linspace(0.0, along[-1], num_points)
    return np.stack([np.interp(wanted, along, values) for values in line.T], axis=1)


def _simplified(line: Line, rule: LineRule) -> Line:
    if rule.simplified_m is None:
        return line
    drawn = shapely.simplify(shapely.LineString(line), rule.simplified_m)
    return np.asarray(shapely.get_coordinates(drawn, include_z=line.shape[1] > 2))


def _is_respaced(line: Line, rule: LineRule) -> bool:
    return rule.respaced == "all" or (rule.respaced == "others" and len(line) != rule.num_points)


def _strips(lines: Sequence[Line], half_width_m: float) -> NDArray[np.object_]:
    drawn = [shapely.LineString(line[:, :2]) for line in lines]
    strips = shapely.buffer(drawn, half_width_m, cap_style="flat", join_style="mitre")
    return np.asarray(strips)


def _chamfer(one: Line, other: Line) -> float:
    away = np.linalg.norm(one[:, None] - other[None], axis=-1)
    return float((away.min(axis=1).mean() + away.min(axis=0).mean()) / 2)
