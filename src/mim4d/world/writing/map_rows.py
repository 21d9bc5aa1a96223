"""Rows of the official vector map, collected, with the centre lines of curved lanes.

Shapes come in world axes and leave in `global`.
"""

import math

import numpy as np

from mim4d.world.streets.curves import Curve
from mim4d.writing import map_rows
from mim4d.writing.rows import Row

__all__ = ["MapRows", "Row"]


class MapRows(map_rows.MapRows):
    """Tables of one scene's map, growing; tokens derive from the names of world and scene."""

    def centre_line(self, lane: str, curve: Curve, low_m: float, high_m: float) -> None:
        """The centre line of a lane or connector between two stations, as arcs."""
        self.connectivity[lane] = {"incoming": [], "outgoing": []}
        station, arcs = low_m, []
        for length, curvature in curve.segments(low_m, high_m):
            ends = curve.poses(np.array([station, station + length]))
            ends[:, :2] += self.offset
            poses = [[x, y, math.remainder(yaw, 2 * math.pi)] for x, y, yaw in ends.tolist()]
            arcs.append(map_rows.arc(poses[0], poses[1], length, curvature))
            station += length
        self.arclines[lane] = arcs
