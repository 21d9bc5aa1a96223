"""Lane centre lines from arcline paths: three pieces each, arcs of one radius or straight.

Enters: records of `arcline_path_3`, in `global`, metres and radians. Leaves: points `m 2` along the
lane in driving direction. A piece of curvature k starting at (x, y, yaw) is, after s metres, at
x + (sin(yaw + ks) − sin yaw) / k, y − (cos(yaw + ks) − cos yaw) / k, yaw + ks.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHORD_ERROR_M = 0.01
"""How far the points' polyline may leave the arc: chords are as long as that allows."""

_SIGNS = {"L": 1, "S": 0, "R": -1}
_SAME_POINT_M = 1e-3


def lane_centre(paths: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Points `m 2` along the paths of one lane, which follow each other.

    Raises:
        ValueError: If a record lacks a field or has one of the wrong form.
    """
    points = [point for path in paths for point in _path_points(path)]
    kept = points[:1]
    for point in points[1:]:
        if math.dist(point, kept[-1]) > _SAME_POINT_M:
            kept.append(point)
    return np.array(kept, np.float64).reshape(-1, 2)


def _path_points(path: Mapping[str, Any]) -> list[tuple[float, float]]:
    shape, lengths, radius, pose = _checked(path)
    x, y, yaw = pose
    points = [(x, y)]
    for letter, length in zip(shape, lengths, strict=True):
        curvature = _SIGNS[letter] / radius
        if curvature == 0:
            x, y = x + length * math.cos(yaw), y + length * math.sin(yaw)
            points.append((x, y))
            continue
        # A chord of length s leaves an arc of radius r by s² / 8r.
        chords = max(1, math.ceil(length / math.sqrt(8 * CHORD_ERROR_M * radius)))
        turned = yaw + curvature * length * np.arange(1, chords + 1) / chords
        along = x + (np.sin(turned) - math.sin(yaw)) / curvature
        across = y - (np.cos(turned) - math.cos(yaw)) / curvature
        points.extend(zip(along.tolist(), across.tolist(), strict=True))
        (x, y), yaw = points[-1], float(turned[-1])
    return points


def _checked(path: Mapping[str, Any]) -> tuple[str, list[float], float, list[float]]:
    try:
        shape, radius = path["shape"], float(path["radius"])
        lengths = [float(length) for length in path["segment_length"]]
        pose = [float(number) for number in path["start_pose"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"arcline path without a usable {error}") from None
    finite = all(map(math.isfinite, [*lengths, *pose]))
    if len(lengths) != 3 or len(pose) != 3 or not finite or not 0 < radius < math.inf:
        raise ValueError(
            f"arcline path with segment_length {lengths}, start_pose {pose}, radius {radius}; "
            "expected three finite numbers each and a positive radius"
        )
    if min(lengths) < 0 or len(shape) != 3 or set(shape) - set(_SIGNS):
        raise ValueError(
            f"arcline path of shape {shape!r} and lengths {lengths}; expected three of the letters "
            "L, S and R, and lengths that are not negative"
        )
    return shape, lengths, radius, pose
