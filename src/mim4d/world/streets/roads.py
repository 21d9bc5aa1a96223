"""Street plans: the roads of a scene, their cross-sections, and the ways along them.

A road follows its centre line, the line between the two directions of traffic; traffic keeps right.
From the centre outward: lanes, a parking strip or none, kerb, sidewalk. `network` draws plans.
World coordinates, metres, radians.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mim4d.world.streets.curves import UNBOUNDED_M, Curve

# Columns of the table the ground kernels read, one row per road; then OPENING_COLUMNS per opening:
# start, end, middle and half length of the stripes, stop line (−1: none), where lines end, and the
# ways on for traffic that comes along and against the road (1 straight, 2 left, 4 right).
(
    LEFT_EDGE,
    RIGHT_EDGE,
    SIDEWALK,
    LANE_WIDTH,
    LANES_LEFT,
    LANES_RIGHT,
    CENTRE_STYLE,
    LANE_STYLE,
    EDGE_LINES,
    BAYS,
    ARROWS,
    START_M,
    END_M,
    OPENINGS,
    FIRST_OPENING,
) = range(15)
OPENING_COLUMNS = 8

CORNER_RADIUS_M = 5.0  # of kerbs where roads meet
SIDEWALK_CORNER_M = 3.4  # of the sidewalks' backs there

Turn = Literal["straight", "left", "right"]


@dataclass(frozen=True)
class Opening:
    """Where the lines along a road end: at a junction, or at a crossing for walkers alone.

    Attributes:
        start_m: Station from which another road opens into this one.
        end_m: Station up to which it does; `start_m` at a crossing between junctions.
        zebra: Whether walkers cross here on zebra stripes, at both ends of a junction.
        stop: Whether a stop line ends the lanes that lead here.
        ways: Ways on for traffic that comes along and against the road, from 1 straight on, 2 left,
            4 right.
    """

    start_m: float
    end_m: float
    zebra: bool = False
    stop: bool = False
    ways: tuple[int, int] = (1, 1)

    @property
    def between(self) -> bool:
        """Whether this is a crossing between junctions."""
        return self.end_m == self.start_m

    @property
    def stripes_m(self) -> tuple[float, float]:
        """Nearest and farthest distance of the zebra stripes before `start_m`, after `end_m`."""
        return (0.0, 2.0) if self.between else (0.7, 3.7)

    @property
    def stop_m(self) -> float:
        """Distance of the middle of the stop line before `start_m` or after `end_m`."""
        return self.stripes_m[1] + 1.1 if self.zebra else 0.8

    @property
    def clear_m(self) -> float:
        """How far before `start_m` and after `end_m` the lines along the road end."""
        if self.stop:
            return self.stop_m + 0.2
        return self.stripes_m[1] + 0.3 if self.zebra else 0.5

    def parameters(self) -> list[float]:
        """The columns the ground kernels read."""
        near, far = self.stripes_m
        stripes = [(near + far) / 2, (far - near) / 2 if self.zebra else -1.0]
        stop = self.stop_m if self.stop else -1.0
        return [self.start_m, self.end_m, *stripes, stop, self.clear_m, *map(float, self.ways)]


@dataclass(frozen=True)
class Road:
    """One road.

    Attributes:
        curve: Centre line; stations and laterals of the road refer to it.
        lane_width_m: Width of each lane.
        lanes_right: Lanes along the curve, to the right of it (at least one).
        lanes_left: Lanes against the curve, to the left of it (none: a one-way street).
        parking_right_m: Width of the parking strip on the right, 0 if there is none.
        parking_left_m: The same on the left.
        sidewalk_m: Width of both sidewalks.
        centre_style: 0 dashed white, 1 double solid yellow, 2 dashed yellow, 3 solid white,
            4 solid yellow, 5 double solid white.
        lane_style: Lines between lanes of one direction: 0 dashed, 1 solid.
        edge_lines: Whether lines bound the outer lanes.
        bays: Whether parking bays are marked.
        arrows: Whether arrows on the lanes show the ways on at junctions.
        openings: Junctions and crossings along the road, by station.
        reach_m: Stations between which there is a road (infinite: it goes on out of sight).
    """

    curve: Curve
    lane_width_m: float
    lanes_right: int
    lanes_left: int
    parking_right_m: float
    parking_left_m: float
    sidewalk_m: float
    centre_style: int
    lane_style: int
    edge_lines: bool
    bays: bool
    arrows: bool
    openings: tuple[Opening, ...] = ()
    reach_m: tuple[float, float] = (-math.inf, math.inf)

    @property
    def left_edge_m(self) -> float:
        """Lateral of the left kerb."""
        return max(self.lanes_left * self.lane_width_m, 0.4) + self.parking_left_m

    @property
    def right_edge_m(self) -> float:
        """Distance of the right kerb from the centre line."""
        return self.lanes_right * self.lane_width_m + self.parking_right_m

    def lane_lateral_m(self, lane: int) -> float:
        """Centre of a lane: 0, 1, … count outward on the right, −1, −2, … on the left."""
        return -(lane + 0.5) * self.lane_width_m

    def near_junction(self, station_m: float, gap_m: float) -> bool:
        """Whether a junction or a crossing is closer to a station than `gap_m`."""
        return any(o.start_m - gap_m < station_m < o.end_m + gap_m for o in self.openings)

    def beside(
        self, station_m: float, side: float, beyond_kerb_m: float
    ) -> tuple[float, float, float]:
        """Pose outside a kerb (side 1: the left one, −1: the right one); yaw along the road."""
        x, y, yaw = self.curve.poses(np.array([station_m]))[0]
        out = side * ((self.left_edge_m if side > 0 else self.right_edge_m) + beyond_kerb_m)
        return float(x - out * math.sin(yaw)), float(y + out * math.cos(yaw)), float(yaw)

    def parameters(self, max_openings: int) -> Float[np.ndarray, " q"]:
        """The row the ground kernels read, with room for `max_openings`."""
        row = np.zeros(FIRST_OPENING + OPENING_COLUMNS * max_openings)
        row[:SIDEWALK] = self.left_edge_m, self.right_edge_m
        row[SIDEWALK:CENTRE_STYLE] = self.sidewalk_m, self.lane_width_m, *self.lane_counts
        row[CENTRE_STYLE:EDGE_LINES] = self.centre_style, self.lane_style
        row[EDGE_LINES:START_M] = self.edge_lines, self.bays, self.arrows
        row[START_M:OPENINGS] = np.clip(self.reach_m, -UNBOUNDED_M, UNBOUNDED_M)
        row[OPENINGS] = len(self.openings)
        values = [value for opening in self.openings for value in opening.parameters()]
        row[FIRST_OPENING : FIRST_OPENING + len(values)] = values
        return row

    @property
    def lane_counts(self) -> tuple[int, int]:
        """Lanes on the left and on the right."""
        return self.lanes_left, self.lanes_right


@dataclass(frozen=True)
class Junction:
    """Where two roads meet.

    Attributes:
        first: Index of the road that goes through.
        first_m: Its station at the meeting of both centre lines.
        second: Index of the road that crosses it, or begins here.
        second_m: Its station there.
        through: Whether the second road goes on beyond the first.
    """

    first: int
    first_m: float
    second: int
    second_m: float
    through: bool


@dataclass(frozen=True)
class LanePath:
    """A way that traffic may take, in the direction it drives.

    Attributes:
        curve: Centre line of the lanes it follows, and of its turn.
        span_m: Stations of the curve inside the furnished part of the streets.
        stops_m: Stations of the stop lines along it, in order.
        turn: Where it goes at its one turn; "straight" has none.
        road: Index of the road it starts on.
        kerbside: Whether it starts in the rightmost lane.
    """

    curve: Curve
    span_m: tuple[float, float]
    stops_m: tuple[float, ...]
    turn: Turn
    road: int
    kerbside: bool


@dataclass(frozen=True)
class StreetPlan:
    """Roads of a scene and the ego car's route.

    Attributes:
        roads: The road the scene starts on comes first.
        route: Path of the ego car's reference point (station 0 at the scene's start).
        inside_m: Along each road, stations between which things are placed.
        junctions: Where roads meet.
        paths: Every way traffic may take: each lane straight on, and each turn at a junction.
        crossings: Centre line of each crossing for walkers, from kerb to kerb.
    """

    roads: tuple[Road, ...]
    route: Curve
    inside_m: tuple[tuple[float, float], ...]
    junctions: tuple[Junction, ...]
    paths: tuple[LanePath, ...]
    crossings: tuple[Curve, ...]

    @property
    def extent_m(self) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
        """Least and largest x and y of the furnished streets, sidewalks included."""
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for road, (start, end) in zip(self.roads, self.inside_m, strict=True):
            points = road.curve.poses(np.linspace(start, end, 200))[:, :2]
            reach = max(road.left_edge_m, road.right_edge_m) + road.sidewalk_m + 1.0
            low = np.minimum(low, points.min(axis=0) - reach)
            high = np.maximum(high, points.max(axis=0) + reach)
        return low, high
