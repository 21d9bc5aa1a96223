"""Street plans drawn from a generator: a main road, the roads that meet it, the ego car's way.

A plan grows road by road: a side road is taken only if it keeps away from all others except where
it meets its parent. Roads are straight where they meet. World coordinates, metres, radians; station
0 of the main road, where the ego car starts, lies at the origin.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from mim4d.world.streets.curves import Curve, build_curve
from mim4d.world.streets.lanes import connections, crossing_lines, lane_paths
from mim4d.world.streets.roads import Junction, Opening, Road, StreetPlan
from mim4d.world.streets.routes import sample_route
from mim4d.world.streets.sections import sample_crossing_section, sample_section

LEAD_M = 60.0  # straight continuation of roads beyond what is built
SIGHT_M = 120.0  # roads go on that far beyond what is built, then end out of sight
MARGIN_M = 110.0  # streets are built that far beyond both ends of the ego car's way
STRAIGHT_M = 32.0  # of a road, on either side of a junction
SPACING_M = 16.0  # between the openings of two junctions along a road
APART_M = 10.0  # between the sidewalks of roads that do not meet
OPENING_M = 3.5  # from the other road's kerb to where an opening ends
WAY_BITS = {"straight": 1, "left": 2, "right": 4}
SECOND_M = (54.0, 68.0)  # along a side road: where another one may meet it
ATTEMPTS = 8


@dataclass
class _Draft:
    """A plan that grows; with `second` a side road is to be met by another one."""

    rng: np.random.Generator
    second: bool
    roads: list[Road] = field(default_factory=list)
    inside_m: list[tuple[float, float]] = field(default_factory=list)
    junctions: list[Junction] = field(default_factory=list)


def sample_plan(
    rng: np.random.Generator, travel_m: float, margin_m: float = MARGIN_M
) -> StreetPlan:
    """Draw a street plan on which the ego car can drive `travel_m` metres.

    Args:
        rng: Source of every choice.
        travel_m: Longest way the ego car may go from station 0.
        margin_m: How far the streets are furnished beyond both ends of that way.
    """
    turn = str(rng.choice(["straight", "left", "right"], p=[0.62, 0.19, 0.19]))
    stations = _junction_stations(rng, turn, travel_m)
    draft = _Draft(rng, bool(rng.random() < 0.35))
    ahead = travel_m if turn == "straight" else stations[0]
    span = (-margin_m, ahead + margin_m)
    zones = [(s - STRAIGHT_M, s + STRAIGHT_M) for s in stations]
    curve = _centre_line(rng, span, zones, (0.0, 0.0, float(rng.uniform(-math.pi, math.pi))))
    draft.roads.append(sample_section(rng, _reach(curve, span)))
    draft.inside_m.append(span)
    if turn != "straight":
        reach = travel_m - stations[0] + margin_m
        if not _add_side(draft, 0, stations[0], reach, side=1.0 if turn == "left" else -1.0):
            return sample_plan(rng, travel_m, margin_m)
    for station in stations if turn == "straight" else stations[1:]:
        overshoot = max(-station, station - ahead, 0.0)
        _add_side(draft, 0, station, margin_m - overshoot)
    if len(draft.roads) > 1 and draft.second:
        _add_side(draft, len(draft.roads) - 1, float(rng.uniform(*SECOND_M)), 45.0)
    _add_crossings(draft, travel_m)
    _add_ways(draft)
    roads, inside = tuple(draft.roads), tuple(draft.inside_m)
    junctions = tuple(draft.junctions)
    route = sample_route(rng, roads, junctions, turn, travel_m)
    paths = lane_paths(roads, inside, junctions)
    return StreetPlan(roads, route, inside, junctions, paths, crossing_lines(roads))


def _junction_stations(rng: np.random.Generator, turn: str, travel_m: float) -> list[float]:
    """Where side roads meet the main road; the ego car's turn comes first."""
    stations: list[float] = []
    if turn == "straight":
        count = int(rng.choice(4, p=[0.22, 0.36, 0.27, 0.15]))
        if count:
            stations.append(float(rng.uniform(19.0, max(30.0, 0.8 * travel_m))))
    else:
        count = int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15]))
        first = 15.5 if turn == "left" else 17.5
        stations.append(float(rng.uniform(first, max(21.5, 0.4 * travel_m))))
    for _ in range(ATTEMPTS):
        station = float(rng.uniform(-60.0, travel_m + 60.0))
        station = min(station, stations[0] + 60.0) if turn != "straight" and stations else station
        if len(stations) < count and min(abs(station - s) for s in stations) > 48.0:
            stations.append(station)
    return stations


def _centre_line(
    rng: np.random.Generator,
    span_m: tuple[float, float],
    straight_m: list[tuple[float, float]],
    origin: tuple[float, float, float],
) -> Curve:
    """A line with bends, straight within given stations; `origin` is its pose at station 0."""
    pieces = [(LEAD_M, 0.0)]
    at, heading = span_m[0], 0.0
    for low, high in [*sorted(straight_m), (span_m[1], span_m[1])]:
        if low > at:
            bends, heading = _bends(rng, low - at, heading)
            pieces += bends
        pieces.append((high - max(low, at), 0.0))
        at = high
    pieces.append((LEAD_M, 0.0))
    draft = build_curve((0.0, 0.0, 0.0), _merged(pieces))
    return draft.placed(LEAD_M - span_m[0], origin)


def _merged(pieces: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same line with as few pieces as possible: every pixel of ground looks at all of them."""
    merged: list[tuple[float, float]] = []
    for length, curvature in pieces:
        if merged and merged[-1][1] == curvature:
            merged[-1] = (merged[-1][0] + length, curvature)
        elif length > 1e-6:
            merged.append((length, curvature))
    return merged


def _bends(
    rng: np.random.Generator, length_m: float, heading: float
) -> tuple[list[tuple[float, float]], float]:
    """Arcs and straight parts of a given length in all; the heading at their end.

    Headings stay within 1.1 rad: a road that never turns back cannot meet itself.
    """
    pieces: list[tuple[float, float]] = []
    left = length_m
    if rng.random() < 0.35:
        return [(left, 0.0)], heading
    while left > 30.0:
        straight = float(rng.uniform(3.0, 30.0)) if pieces or rng.random() < 0.6 else 0.1
        radius = float(rng.uniform(38.0, 170.0))
        angle = min(float(rng.uniform(0.2, 0.9)), 80.0 / radius, (left - straight - 1.0) / radius)
        side = float(rng.choice([-1.0, 1.0]))
        side = side if abs(heading + side * angle) < 1.1 else -side
        if angle < 0.1 or abs(heading + side * angle) > 1.1:
            break
        pieces += [(straight, 0.0), (radius * angle, side / radius)]
        heading += side * angle
        left -= straight + radius * angle
    return [*pieces, (left, 0.0)], heading


def _reach(curve: Curve, inside_m: tuple[float, float]) -> tuple[Curve, tuple[float, float]]:
    return curve, (inside_m[0] - SIGHT_M, inside_m[1] + SIGHT_M)


def _add_side(
    draft: _Draft, parent: int, station_m: float, reach_m: float, side: float | None = None
) -> bool:
    """Let a road meet another; returns whether there was room for it.

    Args:
        draft: The plan so far.
        parent: Index of the road that goes through.
        station_m: Its station where both meet.
        reach_m: How far the new road is built.
        side: Which way it leads: 1 left, −1 right; None: either.
    """
    rng = draft.rng
    if reach_m < 30.0:
        return False
    for _ in range(ATTEMPTS):
        leads = side or float(rng.choice([-1.0, 1.0]))
        through = rng.random() < 0.6
        spread = 0.06 if side == -1.0 else 0.24  # a sharp right turn would cut the kerb
        skew = float(rng.uniform(-spread, spread))
        x, y, yaw = map(float, draft.roads[parent].curve.poses(np.array([station_m]))[0])
        heading = yaw + leads * (math.pi / 2 + skew)
        inside = (-min(reach_m, MARGIN_M) if through else 0.0, reach_m)
        low = -min(reach_m, MARGIN_M) if through else -STRAIGHT_M
        zone = [(-STRAIGHT_M, STRAIGHT_M + 4.0)]
        if draft.second:
            zone.append((SECOND_M[0] - STRAIGHT_M, SECOND_M[1] + STRAIGHT_M))
        curve = _centre_line(rng, (low, reach_m), zone, (x, y, heading))
        road = sample_crossing_section(rng, _reach(curve, (low, reach_m)))
        if not through:
            road = _begin_at_kerb(road, draft.roads[parent], leads, skew)
        if _fits(draft, parent, station_m, road):
            _meet(draft, parent, station_m, road, skew, through)
            draft.inside_m.append(inside)
            return True
    return False


def _begin_at_kerb(road: Road, parent: Road, leads: float, skew: float) -> Road:
    """End a road's pavement inside its parent's, so that it does not stick out on the far side."""
    far = parent.right_edge_m if leads > 0 else parent.left_edge_m
    half = max(road.left_edge_m, road.right_edge_m)
    start = half * math.tan(abs(skew)) + 0.5 - far / math.cos(skew)
    return replace(road, reach_m=(start, road.reach_m[1]))


def _fits(draft: _Draft, parent: int, station_m: float, road: Road) -> bool:
    """Whether a road keeps away from all others, but for its parent where they meet."""
    half = max(road.left_edge_m, road.right_edge_m)
    other = draft.roads[parent]
    across = other.left_edge_m + other.right_edge_m
    if road.reach_m[0] > -MARGIN_M and across < 4.0 + 2 * half * math.sin(0.24):
        return False
    if other.near_junction(station_m, SPACING_M + half + OPENING_M):
        return False
    low, high = max(road.reach_m[0], -MARGIN_M - SIGHT_M), road.reach_m[1]
    stations = np.arange(low, high, 3.0)
    points = road.curve.poses(stations)[:, :2]
    for index, existing in enumerate(draft.roads):
        at, lateral = existing.curve.project(points)
        wide = max(existing.left_edge_m, existing.right_edge_m) + existing.sidewalk_m
        gap = np.abs(lateral) - wide - half - road.sidewalk_m
        gap[(at < existing.reach_m[0]) | (at > existing.reach_m[1])] = np.inf
        if index == parent:
            gap[np.abs(stations) < STRAIGHT_M + 4.0] = np.inf
        if (gap < APART_M).any():
            return False
    return True


def _meet(
    draft: _Draft, parent: int, station_m: float, road: Road, skew: float, through: bool
) -> None:
    """Add the road and open both roads where they meet."""
    rng, other = draft.rng, draft.roads[parent]
    zebra = bool(rng.random() < 0.6)
    stop = zebra or bool(rng.random() < 0.8)
    half, own = (max(r.left_edge_m, r.right_edge_m) for r in (road, other))
    slant, cosine = math.tan(abs(skew)), math.cos(skew)
    wide = half / cosine + own * slant + OPENING_M
    deep = own / cosine + half * slant + OPENING_M
    opening = Opening(station_m - wide, station_m + wide, zebra, zebra)
    draft.roads[parent] = _opened(other, opening)
    draft.roads.append(_opened(road, Opening(-deep, deep, zebra, stop)))
    last = len(draft.roads) - 1
    draft.junctions.append(Junction(parent, station_m, last, 0.0, through))


def _opened(road: Road, opening: Opening) -> Road:
    openings = sorted([*road.openings, opening], key=lambda o: o.start_m)
    return replace(road, openings=tuple(openings))


def _add_crossings(draft: _Draft, travel_m: float) -> None:
    """Crossings for walkers between junctions."""
    rng = draft.rng
    for index, (low, high) in enumerate(draft.inside_m):
        if rng.random() > (0.45 if index == 0 else 0.2):
            continue
        station = float(rng.uniform(max(low, -20.0) + 15.0, min(high, travel_m + 60.0)))
        stop = bool(rng.random() < 0.7)
        road = draft.roads[index]
        if not road.near_junction(station, 24.0) and station - road.reach_m[0] > 15.0:
            draft.roads[index] = _opened(road, Opening(station, station, True, stop))


def _add_ways(draft: _Draft) -> None:
    """Note at each opening which ways on its lanes have."""
    found: dict[tuple[int, float], list[int]] = {}
    for connection in connections(tuple(draft.roads), tuple(draft.junctions)):
        road, lane = connection.origin
        junction = draft.junctions[connection.junction]
        at = junction.first_m if road == junction.first else junction.second_m
        ways = found.setdefault((road, at), [0, 0])
        ways[0 if lane >= 0 else 1] |= WAY_BITS[connection.turn]
    for (index, at), (along, against) in found.items():
        openings = tuple(
            replace(o, ways=(along, against)) if o.start_m <= at <= o.end_m else o
            for o in draft.roads[index].openings
        )
        draft.roads[index] = replace(draft.roads[index], openings=openings)
