"""The ways along a street plan: each lane straight on, every turn at a junction, crossings on foot.

A lane is a road's index and the lane's number in `Road.lane_lateral_m`; its curve runs the way its
traffic drives. Roads are straight where they meet, so a turn is one arc between two straight lines.
World coordinates, metres, radians.
"""

import math
from dataclasses import dataclass

import numpy as np

from mim4d.world.streets.curves import LENGTH, START, Curve, build_curve
from mim4d.world.streets.roads import CORNER_RADIUS_M, Junction, LanePath, Opening, Road, Turn

LARGEST_TURN_M = 16.0  # radius
BORDER_M = 0.1  # of a junction's opening, kept clear of arcs


@dataclass(frozen=True)
class Connection:
    """How a lane leads into another, or goes on, across a junction.

    Attributes:
        junction: Index of the junction.
        origin: Road and lane it comes from.
        target: Road and lane it leads to.
        turn: Which way it goes.
        radius_m: Radius of the arc; infinite straight on.
        tangent_m: Length of the arc's tangents: how far from the lines' intersection it begins.
    """

    junction: int
    origin: tuple[int, int]
    target: tuple[int, int]
    turn: Turn
    radius_m: float = math.inf
    tangent_m: float = 0.0


def lane_curve(road: Road, lane: int) -> Curve:
    """Centre line of a lane, in the direction its traffic drives."""
    curve = road.curve.offset(road.lane_lateral_m(lane))
    return curve if lane >= 0 else curve.reversed()


def lanes_of(road: Road) -> range:
    """Numbers of all lanes of a road, from the leftmost to the rightmost."""
    return range(-road.lanes_left, road.lanes_right)


def connections(roads: tuple[Road, ...], junctions: tuple[Junction, ...]) -> list[Connection]:
    """All connections at all junctions; none across a junction that the road begins at."""
    found = []
    for index, junction in enumerate(junctions):
        for road in (junction.first, junction.second):
            if road == junction.first or junction.through:
                found += [
                    Connection(index, (road, lane), (road, lane), "straight")
                    for lane in lanes_of(roads[road])
                ]
        found += _turns(roads, index, junction)
    return found


def _turns(roads: tuple[Road, ...], index: int, junction: Junction) -> list[Connection]:
    """Left turns from inner lane to inner lane, right turns from outer lane to outer lane."""
    arms = {
        junction.first: (roads[junction.first], junction.first_m),
        junction.second: (roads[junction.second], junction.second_m),
    }
    found = []
    for a, b in ((junction.first, junction.second), (junction.second, junction.first)):
        for along_a in (True, False):
            for along_b in (True, False):
                if not junction.through and (
                    (a == junction.second and along_a) or (b == junction.second and not along_b)
                ):
                    continue
                found += _turn(index, (a, *arms[a], along_a), (b, *arms[b], along_b))
    return found


def _turn(
    index: int, origin: tuple[int, Road, float, bool], target: tuple[int, Road, float, bool]
) -> list[Connection]:
    """The turn between two directions of travel, if both have lanes."""
    (a, road_a, at_a, _), (b, road_b, at_b, _) = origin, target
    yaws = [
        float(road.curve.poses(np.array([at]))[0, 2]) + (0.0 if along else math.pi)
        for _, road, at, along in (origin, target)
    ]
    angle = math.remainder(yaws[1] - yaws[0], 2 * math.pi)
    lane_a, lane_b = (
        _turning_lane(road, along, angle > 0) for _, road, _, along in (origin, target)
    )
    if lane_a is None or lane_b is None:
        return []
    room = min(
        _room(road_a, lane_a, at_a, (road_b, lane_b, at_b), entering=True),
        _room(road_b, lane_b, at_b, (road_a, lane_a, at_a), entering=False),
    )
    radius = min((room - BORDER_M) / math.tan(abs(angle) / 2), LARGEST_TURN_M)
    if angle < 0:  # a wider arc would cut the corner
        free = min(_to_kerb(road_a, lane_a), _to_kerb(road_b, lane_b))
        radius = min(radius, CORNER_RADIUS_M + free)
    turn: Turn = "left" if angle > 0 else "right"
    tangent = radius * math.tan(abs(angle) / 2)
    return [Connection(index, (a, lane_a), (b, lane_b), turn, radius, tangent)]


def _to_kerb(road: Road, lane: int) -> float:
    """Distance of a lane's centre line from the kerb on its side."""
    lateral = road.lane_lateral_m(lane)
    return road.left_edge_m - lateral if lane < 0 else road.right_edge_m + lateral


def _turning_lane(road: Road, along: bool, left: bool) -> int | None:
    """The innermost lane of a direction for left turns, the outermost for right turns."""
    if along:
        return 0 if left else road.lanes_right - 1
    if not road.lanes_left:
        return None
    return -1 if left else -road.lanes_left


def meeting_point(
    first: tuple[Road, int, float], second: tuple[Road, int, float]
) -> tuple[float, float]:
    """Where the lines of two lanes intersect; each is a road, a lane, the junction's station."""
    lines = []
    for road, lane, at in (first, second):
        x, y, yaw = map(float, road.curve.poses(np.array([at]))[0])
        out = road.lane_lateral_m(lane)
        lines.append((x - out * math.sin(yaw), y + out * math.cos(yaw), yaw))
    return crossing_of(*lines)


def crossing_of(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Where the lines through two poses (x, y, yaw) intersect."""
    (xa, ya, a), (xb, yb, b) = first, second
    along = ((xb - xa) * math.sin(b) - (yb - ya) * math.cos(b)) / math.sin(b - a)
    return xa + along * math.cos(a), ya + along * math.sin(a)


def _room(
    road: Road, lane: int, at_m: float, other: tuple[Road, int, float], *, entering: bool
) -> float:
    """Way from the lines' intersection back (entering) or on (leaving) to the opening's border."""
    opening = opening_at(road, at_m)
    station = road.curve.station_of(*meeting_point((road, lane, at_m), other))
    low = (lane >= 0) == entering
    return station - opening.start_m if low else opening.end_m - station


def opening_at(road: Road, station_m: float) -> Opening:
    """The junction's opening that holds a station."""
    return next(o for o in road.openings if o.start_m <= station_m <= o.end_m)


def turning_curve(
    roads: tuple[Road, ...], junctions: tuple[Junction, ...], connection: Connection
) -> tuple[Curve, float, float]:
    """In along one lane, an arc, out along the other; the arc's first and last station."""
    junction = junctions[connection.junction]
    at = {junction.first: junction.first_m, junction.second: junction.second_m}
    (a, lane_a), (b, lane_b) = connection.origin, connection.target
    corner = meeting_point((roads[a], lane_a, at[a]), (roads[b], lane_b, at[b]))
    into, out = lane_curve(roads[a], lane_a), lane_curve(roads[b], lane_b)
    angle = 2 * math.atan(connection.tangent_m / connection.radius_m)
    turn = angle if connection.turn == "left" else -angle
    return joined(into, out, corner, connection.radius_m, turn)


def joined(
    into: Curve, out: Curve, corner: tuple[float, float], radius_m: float, turn: float
) -> tuple[Curve, float, float]:
    """One curve, then an arc, then the other.

    Args:
        into: Straight around the corner.
        out: The same.
        corner: Where both intersect.
        radius_m: Radius of the arc.
        turn: Change of heading, radians, positive to the left.

    Returns:
        The curve, and the arc's first and last station on it.
    """
    tangent = radius_m * math.tan(abs(turn) / 2)
    leave, enter = into.station_of(*corner) - tangent, out.station_of(*corner) + tangent
    first = min(float(into.pieces[0, START]), leave - 1.0)
    last = max(float(out.pieces[-1, START] + out.pieces[-1, LENGTH]), enter + 1.0)
    arc = (radius_m * abs(turn), math.copysign(1 / radius_m, turn))
    pieces = [*into.segments(first, leave), arc, *out.segments(enter, last)]
    x, y, yaw = map(float, into.poses(np.array([first]))[0])
    return build_curve((x, y, yaw), pieces), leave - first, leave - first + arc[0]


def lane_paths(
    roads: tuple[Road, ...],
    inside_m: tuple[tuple[float, float], ...],
    junctions: tuple[Junction, ...],
) -> tuple[LanePath, ...]:
    """Every lane straight on, and every lane with one turn."""
    ways: list[LanePath] = []
    for index, road in enumerate(roads):
        for lane in lanes_of(road):
            curve = lane_curve(road, lane)
            span = _span(curve, road, inside_m[index])
            stops = tuple(_stops(curve, road, lane, span))
            kerbside = lane in (road.lanes_right - 1, -road.lanes_left)
            ways.append(LanePath(curve, span, stops, "straight", index, kerbside))
    for connection in connections(roads, junctions):
        if connection.turn != "straight":
            ways.append(_turning_path(roads, inside_m, junctions, connection))
    return tuple(ways)


def _span(curve: Curve, road: Road, inside_m: tuple[float, float]) -> tuple[float, float]:
    """Stations of a path along a road that lie abreast of the road's."""
    ends = road.curve.poses(np.array(inside_m))[:, :2]
    stations = curve.project(ends)[0]
    return float(stations.min()), float(stations.max())


def _stops(curve: Curve, road: Road, lane: int, within_m: tuple[float, float]) -> list[float]:
    """Stations of a path along a lane at which the lane's stop lines lie."""
    at = [
        opening.start_m - opening.stop_m if lane >= 0 else opening.end_m + opening.stop_m
        for opening in road.openings
        if opening.stop
    ]
    if not at:
        return []
    stations = curve.project(road.curve.poses(np.array(at))[:, :2])[0]
    return sorted(float(s) for s in stations if within_m[0] < s < within_m[1])


def _turning_path(
    roads: tuple[Road, ...],
    inside_m: tuple[tuple[float, float], ...],
    junctions: tuple[Junction, ...],
    connection: Connection,
) -> LanePath:
    curve, leave, enter = turning_curve(roads, junctions, connection)
    (a, lane_a), (b, lane_b) = connection.origin, connection.target
    low = _span(curve, roads[a], inside_m[a])
    high = _span(curve, roads[b], inside_m[b])
    span = (min(low[0], leave), max(high[1], enter))
    stops = _stops(curve, roads[a], lane_a, (span[0], leave))
    stops += _stops(curve, roads[b], lane_b, (enter, span[1]))
    kerbside = lane_a in (roads[a].lanes_right - 1, -roads[a].lanes_left)
    return LanePath(curve, span, tuple(stops), connection.turn, a, kerbside)


def crossing_lines(roads: tuple[Road, ...]) -> tuple[Curve, ...]:
    """Centre line of each crossing, from the right kerb to the left one."""
    lines = []
    for road in roads:
        for station in (s for o in road.openings if o.zebra for s in crossing_stations(road, o)):
            x, y, yaw = road.beside(station, -1.0, 0.0)
            length = road.left_edge_m + road.right_edge_m
            turned = (x, y, yaw + math.pi / 2)
            lines.append(build_curve(turned, [(length, 0.0)], open_start=False, open_end=False))
    return tuple(lines)


def crossing_stations(road: Road, opening: Opening) -> list[float]:
    """Stations of the middles of an opening's crossings."""
    if opening.between:
        return [opening.start_m]
    middle = sum(opening.stripes_m) / 2
    low, high = opening.start_m - middle, opening.end_m + middle
    return [s for s in (low, high) if road.reach_m[0] < s < road.reach_m[1]]
