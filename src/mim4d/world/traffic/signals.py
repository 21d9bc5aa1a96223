"""When stop lines are closed: each junction serves one axis after the other, or never closes.

Stop lines whose places lie close together belong to one junction; its two axes are told apart by
heading. The junctions of the ego car's route are mostly open to it. Seconds from the scene's first
moment; stations of the path asked about.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mim4d.world.streets.curves import Curve
from mim4d.world.streets.roads import LanePath
from mim4d.world.traffic.driving import NEVER

JUNCTION_M = 45.0  # stop lines closer than this to a junction's first one belong to it
LANE_REACH_M = 1.2  # a line this far beside a curve still bars it
ALL_CLOSED_S = 2.0  # between the closing of one axis and the opening of the other
BEFORE = -1.0  # before the scene's first moment
Window = tuple[float, float]


@dataclass(frozen=True)
class Signals:
    """Stop lines of a scene while they are closed; one that closes twice occurs twice.

    Attributes:
        poses: Place and heading of each line, at the middle of its lane.
        closed_s: Closed from, closed until.
    """

    poses: Float[np.ndarray, "m 3"]
    closed_s: Float[np.ndarray, "m 2"]

    def along(self, curve: Curve) -> Float[np.ndarray, "m 3"]:
        """Station, closed from and closed until of the lines that bar a curve."""
        station, mine = _on(curve, self.poses)
        lines: Float[np.ndarray, "m 3"] = np.column_stack([station, self.closed_s])[mine]
        return lines


def sample_signals(
    paths: tuple[LanePath, ...], route: Curve, duration_s: float, rng: np.random.Generator
) -> Signals:
    """Draw when each junction's lines are closed."""
    stops = [path.curve.poses(np.array([stop]))[0] for path in paths for stop in path.stops_m]
    poses = np.array(stops).reshape(-1, 3)
    station, on_route = _on(route, poses)
    places, times = [np.zeros((0, 3))], [np.zeros((0, 2))]
    left = np.ones(len(poses), dtype=bool)
    while left.any():
        first = poses[left][0]
        near = left & (np.hypot(*(poses[:, :2] - first[:2]).T) < JUNCTION_M)
        along = np.abs(np.cos(poses[:, 2] - first[2])) > math.sqrt(0.5)
        ahead = near & on_route & (station > 0.0)
        if ahead.any():  # the ego car's axis is the first one
            along = along == along[ahead][0]
        closing = _closing_times(bool(ahead.any()), duration_s, rng)
        for axis, windows in zip((near & along, near & ~along), closing, strict=True):
            for window in windows:
                places.append(poses[axis])
                times.append(np.tile(window, (int(axis.sum()), 1)))
        left &= ~near
    return Signals(np.concatenate(places), np.concatenate(times))


def _on(
    curve: Curve, poses: Float[np.ndarray, "m 3"]
) -> tuple[Float[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """Station of each line along a curve, and whether it bars the curve."""
    station, lateral = curve.project(poses[:, :2])
    turn = poses[:, 2] - curve.poses(station)[:, 2]
    return station, (np.abs(lateral) < LANE_REACH_M) & (np.cos(turn) > 0.8)


def _closing_times(
    ego_comes: bool, duration_s: float, rng: np.random.Generator
) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """When a junction's first axis is closed and when its second one is."""
    odds = [0.52, 0.32, 0.16] if ego_comes else [0.4, 0.3, 0.3]
    kind = str(rng.choice(["open", "opens", "closes"], p=odds))
    if kind == "open":
        return (), ((BEFORE, NEVER),)
    if kind == "opens":
        end = float(rng.uniform(0.2, 0.55)) * min(duration_s, 16.0)
        return ((BEFORE, end),), ((end - ALL_CLOSED_S, NEVER),)
    start = float(rng.uniform(0.05, 0.5)) * duration_s
    end = start + float(rng.uniform(6.0, 12.0))
    return ((start, end),), ((BEFORE, start + ALL_CLOSED_S), (end - ALL_CLOSED_S, NEVER))
