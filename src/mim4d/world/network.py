"""Street plans drawn from a generator: the roads, where they meet, the way the ego car takes.

Every width, the bends, the junctions and the ego car's lane are drawn. World coordinates, metres,
radians.
"""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mim4d.world.curves import Curve, build_curve, turn_between
from mim4d.world.lanes import crossing_lines, lane_paths
from mim4d.world.roads import CORNER_RADIUS_M, Junction, Opening, Road, StreetPlan

LEAD_M = 60.0  # straight continuation of roads beyond what is built
MARGIN_M = 110.0  # streets are built that far beyond both ends of the ego car's way
SIDE_REACH_M = 20.0  # half the width of the widest street with its sidewalks


def sample_plan(
    rng: np.random.Generator, travel_m: float, margin_m: float = MARGIN_M
) -> StreetPlan:
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
        return _plan((main,), route, (span,), ())
    side = {"left": 1.0, "right": -1.0}.get(kind, float(rng.choice([-1.0, 1.0])))
    spread = 0.06 if kind == "right" else 0.22  # a sharp right turn would cut the kerb
    main, other = _cross(rng, main, crossing_m, side, spread)
    if kind == "cross":
        route = _shifted(main.curve.offset(main.lane_lateral_m(lane) + wobble), main.curve)
    else:
        route = _turning_route(rng, main, other, side, wobble)
    reach = margin_m + (travel_m if kind != "cross" else 0.0)
    back = -margin_m if other.curve.pieces[0, 6] < 0 else 0.0
    meeting = Junction(0, crossing_m, 1, 0.0, back < 0.0)
    return _plan((main, other), route, (span, (back, reach)), (meeting,))


def _plan(
    roads: tuple[Road, ...],
    route: Curve,
    inside_m: tuple[tuple[float, float], ...],
    junctions: tuple[Junction, ...],
) -> StreetPlan:
    """A plan with all its paths and crossings."""
    paths = lane_paths(roads, inside_m, junctions)
    return StreetPlan(roads, route, inside_m, junctions, paths, crossing_lines(roads))


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
    opening = Opening(crossing_m - wide, crossing_m + wide, zebra, zebra)
    main = replace(main, openings=(opening,))
    opening = Opening(-deep if through else 0.0, deep, zebra, zebra)
    return main, replace(other, openings=(opening,))


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
