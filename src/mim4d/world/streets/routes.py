"""The ego car's way through a street plan: along a lane, changing lanes, or turning at a junction.

Station 0 lies abreast of the main road's station 0. World coordinates, metres, radians.
"""

import math

import numpy as np
from jaxtyping import Float

from mim4d.world.streets.curves import START, Curve, build_curve
from mim4d.world.streets.lanes import crossing_of, joined
from mim4d.world.streets.roads import CORNER_RADIUS_M, Junction, Road

CHANGE_RADIUS_M = 80.0  # of both arcs of a lane change


def sample_route(
    rng: np.random.Generator,
    roads: tuple[Road, ...],
    junctions: tuple[Junction, ...],
    turn: str,
    travel_m: float,
) -> Curve:
    """The way of the ego car's reference point; it turns at the first junction, if at all."""
    main = roads[0]
    wobble = float(rng.uniform(-0.3, 0.3))
    if turn == "straight":
        lane = int(rng.integers(main.lanes_right))
        change = rng.random() < 0.8
        route = main.curve.offset(main.lane_lateral_m(lane) + wobble)
        if change and main.lanes_right > 1:
            target = lane + (1 if lane == 0 or rng.random() < 0.5 else -1)
            target = min(target, main.lanes_right - 1) if target != lane else lane - 1
            route = _change(main, route, (lane, target), travel_m)
    else:
        route = _turning(rng, roads, junctions[0], 1.0 if turn == "left" else -1.0, wobble)
    return _from_origin(route, main.curve)


def _from_origin(route: Curve, centre: Curve) -> Curve:
    """The same curve with its station 0 abreast of the centre line's."""
    x, y, _ = map(float, centre.poses(np.zeros(1))[0])
    pieces = route.pieces.copy()
    pieces[:, START] -= route.station_of(x, y)
    return Curve(pieces)


def _change(main: Road, route: Curve, lanes: tuple[int, int], travel_m: float) -> Curve:
    """Change lanes on the first straight part that is long enough and has no junction."""
    shift = main.lane_lateral_m(lanes[1]) - main.lane_lateral_m(lanes[0])
    angle = math.acos(1 - abs(shift) / (2 * CHANGE_RADIUS_M))
    length = 2 * CHANGE_RADIUS_M * math.sin(angle)
    offset = route.station_of(*map(float, main.curve.poses(np.zeros(1))[0, :2]))
    for start in np.arange(0.0, travel_m, 4.0):
        stations = np.linspace(start - 2.0, start + length + 2.0, 12)
        free = not any(main.near_junction(float(s), 3.0) for s in stations)
        if free and not main.curve.curvatures(stations).any():
            low, high = (
                route.station_of(*map(float, main.curve.poses(np.array([s]))[0, :2]))
                for s in (start, start + length)
            )
            return _with_s_bend(route, (low, high), (CHANGE_RADIUS_M, angle, shift), offset)
    return route


def _with_s_bend(
    route: Curve, between_m: tuple[float, float], bend: tuple[float, float, float], at_m: float
) -> Curve:
    """Two arcs in place of a straight part, then the parallel curve."""
    radius, angle, shift = bend
    first = min(float(route.pieces[0, START]), at_m)
    beyond = route.offset(shift)
    x, y, _ = map(float, route.poses(np.array([between_m[1]]))[0])
    enter = beyond.station_of(x, y)
    arc, sign = radius * angle, math.copysign(1 / radius, shift)
    last = float(beyond.pieces[-1, START]) + float(beyond.pieces[-1, 4])
    pieces = [
        *route.segments(first, between_m[0]),
        (arc, sign),
        (arc, -sign),
        *beyond.segments(enter, last),
    ]
    return build_curve(_triple(route.poses(np.array([first]))[0]), pieces)


def _turning(
    rng: np.random.Generator,
    roads: tuple[Road, ...],
    junction: Junction,
    side: float,
    wobble: float,
) -> Curve:
    """Left turns leave the inner lane for the inner lane, right turns the outer for the outer."""
    main, other = roads[junction.first], roads[junction.second]
    lane_in = 0 if side > 0 else main.lanes_right - 1
    lane_out = 0 if side > 0 else other.lanes_right - 1
    if side > 0:
        radius = float(rng.uniform(9.0, 13.0))
    else:  # as wide as the lanes' distance from the rounded kerb allows
        lanes = ((main, lane_in), (other, lane_out))
        free = min(road.right_edge_m + road.lane_lateral_m(lane) for road, lane in lanes)
        radius = float(rng.uniform(0.8, 0.95)) * (CORNER_RADIUS_M + min(free, 3.0) - abs(wobble))
    lines = []
    for road, lane, at in (
        (main, lane_in, junction.first_m),
        (other, lane_out, junction.second_m),
    ):
        x, y, yaw = map(float, road.curve.poses(np.array([at]))[0])
        out = road.lane_lateral_m(lane) + wobble
        lines.append((x - out * math.sin(yaw), y + out * math.cos(yaw), yaw))
    into = main.curve.offset(main.lane_lateral_m(lane_in) + wobble)
    out_of = other.curve.offset(other.lane_lateral_m(lane_out) + wobble)
    turn = math.remainder(lines[1][2] - lines[0][2], 2 * math.pi)
    return joined(into, out_of, crossing_of(*lines), radius, turn)[0]


def _triple(pose: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    return float(pose[0]), float(pose[1]), float(pose[2])
