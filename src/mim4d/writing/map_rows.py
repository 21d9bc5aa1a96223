"""Rows of the official vector map, collected: nodes, lines and polygons, and what refers to them.

Shapes come in axes of the writer's own and leave in `global`; nodes at the same place (to a
millimetre) are one.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from shapely import Polygon

from mim4d.writing.rows import Row, token

# A straight line as an arc: so wide that the official decoder takes it for straight.
STRAIGHT_RADIUS_M = 1e7


class MapRows:
    """Tables of one scene's map, growing; tokens derive from the names of world and scene."""

    def __init__(
        self, names: tuple[str, str], global_offset: Float[np.ndarray, "2"], tables: Sequence[str]
    ) -> None:
        self.names = names
        self.offset = global_offset
        self.lists: dict[str, list[Row]] = {table: [] for table in tables}
        self.arclines: dict[str, list[Row]] = {}
        self.connectivity: dict[str, dict[str, list[str]]] = {}
        self._nodes: dict[tuple[float, float], str] = {}

    def add(self, table: str, **values: Any) -> str:
        """Add a row; returns its token."""
        own = token(*self.names, "map", table, len(self.lists[table]))
        self.lists[table].append({"token": own, **values})
        return own

    def nodes(self, points: Float[np.ndarray, "p 2"]) -> list[str]:
        """Tokens of the nodes at these points."""
        tokens: list[str] = []
        for x, y in np.round(points + self.offset, 3).tolist():
            if (x, y) not in self._nodes:
                self._nodes[x, y] = self.add("node", x=x, y=y)
            if not tokens or tokens[-1] != self._nodes[x, y]:
                tokens.append(self._nodes[x, y])
        return tokens

    def line(self, points: Float[np.ndarray, "p 2"]) -> str:
        """A polyline."""
        return self.add("line", node_tokens=self.nodes(points))

    def polygon(self, shape: Polygon) -> str:
        """A polygon; the first corner is not repeated at the end."""
        rings = [np.array(ring.coords)[:-1] for ring in (shape.exterior, *shape.interiors)]
        return self.add(
            "polygon",
            exterior_node_tokens=self.nodes(rings[0]),
            holes=[{"node_tokens": self.nodes(ring)} for ring in rings[1:]],
        )

    def divider(self, points: Float[np.ndarray, "p 2"], kind: str) -> list[Row]:
        """Nodes of a divider, each with the kind of the line that begins there."""
        return [{"node_token": node, "segment_type": kind} for node in self.nodes(points)]

    def straight_centre_line(self, lane: str, points: Float[np.ndarray, "p 2"]) -> None:
        """The centre line of a lane or connector along a polyline."""
        self.connectivity[lane] = {"incoming": [], "outgoing": []}
        arcs = []
        for (x0, y0), (x1, y1) in pairwise((points + self.offset).tolist()):
            yaw = math.atan2(y1 - y0, x1 - x0)
            length = math.hypot(x1 - x0, y1 - y0)
            arcs.append(arc((x0, y0, yaw), (x1, y1, yaw), length, 0.0))
        self.arclines[lane] = arcs

    def connect(self, before: str, after: str) -> None:
        """Note that one lane or connector leads into another."""
        self.connectivity[before]["outgoing"].append(after)
        self.connectivity[after]["incoming"].append(before)


Pose = Sequence[float]
"""x, y (metres) and yaw (radians, within half a turn) of the end of an arc."""


def arc(start: Pose, end: Pose, length_m: float, curvature: float) -> Row:
    """One part of a centre line, as the official format has them."""
    return {
        "start_pose": list(start),
        "end_pose": list(end),
        "shape": "RSR" if curvature < 0 else "LSL",
        "radius": abs(1 / curvature) if curvature else STRAIGHT_RADIUS_M,
        # The official decoder may look up no point beyond the last of three parts.
        "segment_length": [length_m / 2, 0.0, length_m / 2]
        if curvature
        else [0.0, 0.75 * length_m, 0.25 * length_m],
    }
