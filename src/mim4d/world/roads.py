"""Street plans: the roads of a scene, their cross-sections, and the route the ego car drives.

A road follows its centre line, the line between the two directions of traffic; traffic keeps right.
From the centre outward: lanes, a parking strip or none, kerb, sidewalk. Every width, the bends,
crossings and the ego car's lane are drawn from the generator given. World coordinates, metres,
radians.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mim4d.world.curves import Curve, build_curve, turn_between

# Columns of the table the ground kernels read, one row per road.
(
    LEFT_EDGE,
    RIGHT_EDGE,
    SIDEWALK,
    LANE_WIDTH,
    LANES_LEFT,
    LANES_RIGHT,
    CENTRE_STYLE,
    EDGE_LINES,
    BAYS,
    JUNCTION_START,
    JUNCTION_END,
    ZEBRA,
) = range(12)

CORNER_RADIUS_M = 5.0  # of kerbs where roads meet
LEAD_M = 60.0  # straight continuation of roads beyond what is built


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
        centre_style: 0 dashed white, 1 double solid yellow, 2 dashed yellow, 3 solid white.
        edge_lines: Whether lines bound the outer lanes.
        bays: Whether parking bays are marked.
        junction_m: Stations between which another road crosses (inf, inf if none does).
        zebra: Whether the crossing has zebra stripes.
    """

    curve: Curve
    lane_width_m: float
    lanes_right: int
    lanes_left: int
    parking_right_m: float
    parking_left_m: float
    sidewalk_m: float
    centre_style: int
    edge_lines: bool
    bays: bool
    junction_m: tuple[float, float] = (math.inf, math.inf)
    zebra: bool = False

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

    def beside(
        self, station_m: float, side: float, beyond_kerb_m: float
    ) -> tuple[float, float, float]:
        """Pose outside a kerb (side 1: the left one, −1: the right one); yaw along the road."""
        x, y, yaw = self.curve.poses(np.array([station_m]))[0]
        out = side * ((self.left_edge_m if side > 0 else self.right_edge_m) + beyond_kerb_m)
        return float(x - out * math.sin(yaw)), float(y + out * math.cos(yaw)), float(yaw)

    def parameters(self) -> Float[np.ndarray, " q"]:
        """The row the ground kernels read."""
        edges = [self.left_edge_m, self.right_edge_m, self.sidewalk_m, self.lane_width_m]
        lanes = [self.lanes_left, self.lanes_right, self.centre_style, self.edge_lines, self.bays]
        return np.array([*edges, *lanes, *self.junction_m, self.zebra], dtype=np.float64)


@dataclass(frozen=True)
class StreetPlan:
    """Roads of a scene and the ego car's route.

    Attributes:
        roads: The road the scene starts on comes first.
        route: Path of the ego car's reference point (station 0 at the scene's start).
        inside_m: Along each road, stations between which things are placed.
    """

    roads: tuple[Road, ...]
    route: Curve
    inside_m: tuple[tuple[float, float], ...]


def sample_plan(rng: np.random.Generator, travel_m: float, margin_m: float = 110.0) -> StreetPlan:
    """Draw a street plan on which the ego car can drive `travel_m` metres.

    Args:
        rng: Source of every choice.
        travel_m: Longest way the ego car may go from station 0.
        margin_m: How far the street is furnished beyond both ends of that way.
    """
    kind = str(rng.choice(["plain", "cross", "left", "right"], p=[0.4, 0.26, 0.17, 0.17]))
    crossing_m = None if kind == "plain" else float(rng.uniform(19.0, max(30.0, 0.8 * travel_m)))
    if kind in ("left", "right"):
        crossing_m = float(rng.uniform(15.5, 21.0) if kind == "left" else rng.uniform(17.5, 21.5))
    main = _sample_main(rng, travel_m, margin_m, crossing_m)
    wobble = float(rng.uniform(-0.35, 0.35))
    lane = int(rng.integers(main.lanes_right))
    span = (-margin_m, travel_m + margin_m)
    if crossing_m is None:
        route = _shifted(main.curve.offset(main.lane_lateral_m(lane) + wobble), main.curve)
        return StreetPlan((main,), route, (span,))
    side = {"left": 1.0, "right": -1.0}.get(kind, float(rng.choice([-1.0, 1.0])))
    spread = 0.06 if kind == "right" else 0.22  # a sharp right turn would cut the kerb
    main, other = _cross(rng, main, crossing_m, side, spread)
    if kind == "cross":
        route = _shifted(main.curve.offset(main.lane_lateral_m(lane) + wobble), main.curve)
    else:
        route = _turning_route(rng, main, other, side, wobble)
    reach = margin_m + (travel_m if kind != "cross" else 0.0)
    back = -margin_m if other.curve.pieces[0, 6] < 0 else 0.0
    return StreetPlan((main, other), route, (span, (back, reach)))


def _sample_section(rng: np.random.Generator, curve: Curve) -> Road:
    one_way = rng.random() < 0.12
    right = 2 if one_way or rng.random() < 0.3 else 1
    strips = [float(rng.uniform(2.1, 2.5)) if rng.random() < 0.65 else 0.0 for _ in range(2)]
    return Road(
        curve=curve,
        lane_width_m=float(rng.uniform(3.0, 3.8)),
        lanes_right=right,
        lanes_left=0 if one_way else (2 if right == 2 or rng.random() < 0.1 else 1),
        parking_right_m=strips[0],
        parking_left_m=strips[1],
        sidewalk_m=float(rng.uniform(1.6, 4.5)),
        centre_style=int(rng.integers(4)),
        edge_lines=bool(rng.random() < 0.5),
        bays=bool(rng.random() < 0.5),
    )


def _sample_main(
    rng: np.random.Generator, travel_m: float, margin_m: float, crossing_m: float | None
) -> Road:
    """The first road; straight around a crossing. Its station 0 lies at the world's origin."""
    ahead, behind = travel_m + margin_m, margin_m
    bends: list[tuple[float, float]] = []
    if crossing_m is not None:
        bends = [(crossing_m + 45.0 + behind, 0.0)]
    elif rng.random() < 0.3:
        bends = [(ahead + behind, 0.0)]
    heading, widest = 0.0, 1.2  # a road that never turns back cannot meet itself
    while sum(length for length, _ in bends) < ahead + behind:
        radius = float(rng.uniform(38.0, 160.0))
        angle = min(float(rng.uniform(0.25, 0.9)), 80.0 / radius)
        side = float(rng.choice([-1.0, 1.0]))
        side = side if abs(heading + side * angle) < widest else -side
        heading += side * angle
        bends.append((radius * angle, side / radius))
        bends.append((float(rng.uniform(5.0, 35.0)), 0.0))
    if bends[0][1] and rng.random() < 0.5:
        bends = bends[1:]
    # The road begins `behind` metres before the origin: build it there, then move it into place.
    pieces = [(LEAD_M, 0.0), *bends, (LEAD_M, 0.0)]
    draft = build_curve((0.0, 0.0, 0.0), pieces)
    curve = _with_origin(draft, LEAD_M + behind, float(rng.uniform(-math.pi, math.pi)))
    return _sample_section(rng, curve)


def _with_origin(curve: Curve, station_m: float, yaw: float) -> Curve:
    """Move a curve so that the pose at a station is (0, 0, yaw) and stations count from it."""
    x0, y0, yaw0 = curve.poses(np.array([station_m]))[0]
    pieces = curve.pieces.copy()
    turn = yaw - yaw0
    x, y = pieces[:, 0] - x0, pieces[:, 1] - y0
    pieces[:, 0] = x * math.cos(turn) - y * math.sin(turn)
    pieces[:, 1] = x * math.sin(turn) + y * math.cos(turn)
    pieces[:, 2] += turn
    pieces[:, 5] -= station_m
    return Curve(pieces)


def _shifted(lane: Curve, centre: Curve) -> Curve:
    """A parallel curve whose station 0 lies abreast of the centre line's."""
    station, _ = lane.project(centre.poses(np.zeros(1))[:, :2])
    pieces = lane.pieces.copy()
    pieces[:, 5] -= station[0]
    return Curve(pieces)


def _cross(
    rng: np.random.Generator, main: Road, crossing_m: float, side: float, spread: float
) -> tuple[Road, Road]:
    """A second road through station `crossing_m`, pointing left (side 1) or right (−1)."""
    x, y, yaw = main.curve.poses(np.array([crossing_m]))[0]
    heading = yaw + side * (math.pi / 2 + float(rng.uniform(-spread, spread)))
    through = rng.random() < 0.75
    start = (float(x), float(y), float(heading))
    other = _sample_section(rng, build_curve(start, [(200.0, 0.0)], open_start=through))
    if other.lanes_left == 0:  # two-way, so that a turn ends on the right side of any crossing
        other = replace(other, lanes_left=1)
    zebra = bool(rng.random() < 0.6)
    skew = abs(math.sin(heading - yaw))
    wide = max(other.left_edge_m, other.right_edge_m) / skew + 3.0
    deep = max(main.left_edge_m, main.right_edge_m) / skew + 3.0
    main = replace(main, junction_m=(crossing_m - wide, crossing_m + wide), zebra=zebra)
    return main, replace(other, junction_m=(-deep if through else 0.0, deep), zebra=zebra)


def _turning_route(
    rng: np.random.Generator, main: Road, other: Road, side: float, wobble: float
) -> Curve:
    """Left turns leave the inner lane for the inner lane, right turns the outer for the outer."""
    lane_in = 0 if side > 0 else main.lanes_right - 1
    lane_out = 0 if side > 0 else other.lanes_right - 1
    path_in = main.curve.offset(main.lane_lateral_m(lane_in) + wobble)
    path_out = other.curve.offset(other.lane_lateral_m(lane_out) + wobble)
    start = _shifted(path_in, main.curve).poses(np.zeros(1))[0]
    end = path_out.poses(np.array([60.0]))[0]
    if side > 0:
        radius = float(rng.uniform(9.0, 13.0))
    else:  # as wide as the lanes' distance from the rounded kerb allows
        lanes = ((main, lane_in), (other, lane_out))
        free = min(road.right_edge_m + road.lane_lateral_m(lane) for road, lane in lanes)
        radius = float(rng.uniform(0.8, 0.95)) * (CORNER_RADIUS_M + min(free, 3.0) - abs(wobble))
    return turn_between(_triple(start), _triple(end), radius)


def _triple(pose: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    return float(pose[0]), float(pose[1]), float(pose[2])
