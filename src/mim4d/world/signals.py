"""When stop lines are closed: each junction serves one axis after the other, or never closes.

Stop lines whose places lie close together belong to one junction; its two axes are told apart by
heading. The junctions of the ego car's route are mostly open to it. Seconds from the scene's first
moment; stations of the path asked about.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mim4d.world.curves import Curve
from mim4d.world.driving import NEVER
from mim4d.world.roads import LanePath

JUNCTION_M = 45.0  # stop lines closer than this to a junction's first one belong to it
ALL_CLOSED_S = 2.0  # between the closing of one axis and the opening of the other


@dataclass(frozen=True)
class Signals:
    """Stop lines of a scene.

    Attributes:
        poses: Place and heading of each line, at the middle of its lane.
        closed_s: Closed from, closed until, per line (`NEVER`, `NEVER`: always open).
    """

    poses: Float[np.ndarray, "m 3"]
    closed_s: Float[np.ndarray, "m 2"]

    def along(self, curve: Curve) -> Float[np.ndarray, "m 3"]:
        """Station, closed from and closed until of the lines that bar a curve."""
        if not len(self.poses):
            return np.zeros((0, 3))
        station, lateral = curve.project(self.poses[:, :2])
        turn = self.poses[:, 2] - curve.poses(station)[:, 2]
        mine = (np.abs(lateral) < 1.2) & (np.cos(turn) > 0.8) & (self.closed_s[:, 0] < NEVER)
        lines: Float[np.ndarray, "m 3"] = np.column_stack([station, self.closed_s])[mine]
        return lines


def sample_signals(
    paths: tuple[LanePath, ...], route: Curve, duration_s: float, rng: np.random.Generator
) -> Signals:
    """Draw when each junction's lines are closed."""
    stops = [path.curve.poses(np.array([stop]))[0] for path in paths for stop in path.stops_m]
    poses = np.array(stops).reshape(-1, 3)
    closed = np.full((len(poses), 2), NEVER)
    left = np.ones(len(poses), dtype=bool)
    while left.any():
        first = poses[left][0]
        near = left & (np.hypot(*(poses[:, :2] - first[:2]).T) < JUNCTION_M)
        along = np.abs(np.cos(poses[:, 2] - first[2])) > math.sqrt(0.5)
        station, lateral = route.project(poses[:, :2])
        turn = poses[:, 2] - route.poses(station)[:, 2]
        mine = near & (np.abs(lateral) < 1.2) & (np.cos(turn) > 0.8) & (station > 0.0)
        open_axis = along if not mine.any() else along == along[mine][0]
        window = _window(bool(mine.any()), duration_s, rng)
        closed[near & open_axis] = window
        closed[near & ~open_axis] = _other_window(window, duration_s)
        left &= ~near
    return Signals(poses, closed)


def _window(ego_comes: bool, duration_s: float, rng: np.random.Generator) -> tuple[float, float]:
    """Closing time of a junction's first axis; at most the ego car's whole scene is spared."""
    odds = [0.56, 0.28, 0.16] if ego_comes else [0.4, 0.3, 0.3]
    kind = str(rng.choice(["open", "opens", "closes"], p=odds))
    if kind == "open":
        return NEVER, NEVER
    if kind == "opens":
        return -1.0, float(rng.uniform(0.2, 0.55)) * min(duration_s, 16.0)
    start = float(rng.uniform(0.05, 0.5)) * duration_s
    return start, start + float(rng.uniform(6.0, 12.0))


def _other_window(window: tuple[float, float], duration_s: float) -> tuple[float, float]:
    """Closing time of the axis that is served while the first one is closed."""
    start, end = window
    if start >= NEVER:
        return -1.0, NEVER
    if start < 0.0:
        return end - ALL_CLOSED_S, NEVER
    return -1.0, start + ALL_CLOSED_S
