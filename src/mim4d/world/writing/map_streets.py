"""The streets of a scene as rows of the official vector map: segments, lanes, lines, connectors.

A road is cut into blocks at junctions and crossings; a block is a road segment with one road block
and its lanes per direction. Junctions are road segments too, crossed by lane connectors.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float
from shapely import LineString, MultiPolygon, Polygon

from mim4d.world.streets.lanes import (
    Connection,
    connections,
    crossing_stations,
    lane_curve,
    turning_curve,
)
from mim4d.world.streets.outlines import Block, blocks_of, junction_areas, line_beside, strip
from mim4d.world.streets.roads import Opening, Road, StreetPlan
from mim4d.world.writing.map_rows import MapRows

# The official kinds of lines, by `Road.centre_style` and `Road.lane_style`; there is none for a
# single dashed white line, nor for a dashed or double yellow one.
DASHED, SOLID, YELLOW = "DOUBLE_DASHED_WHITE", "SINGLE_SOLID_WHITE", "SINGLE_SOLID_YELLOW"
CENTRE_KINDS = (DASHED, YELLOW, YELLOW, SOLID, YELLOW, "DOUBLE_SOLID_WHITE")
LANE_KINDS = (DASHED, SOLID)
NO_LINE = "NIL"
STOP_HALF_M = 0.2  # half the width of a stop line


def draw_streets(rows: MapRows, plan: StreetPlan, roadway: MultiPolygon) -> None:
    """Add all rows but the sidewalks'."""
    areas = [
        (shape, rows.add("drivable_area", polygon_tokens=[rows.polygon(shape)]))
        for shape in roadway.geoms
    ]
    blocks = [block for index in range(len(plan.roads)) for block in blocks_of(plan, index)]
    shapes = []
    lanes: dict[tuple[Block, int], str] = {}
    for block in blocks:
        road = plan.roads[block.road]
        laterals = (-road.right_edge_m, road.left_edge_m)
        shape = strip(road.curve, (block.low_m, block.high_m), laterals)
        shapes.append(shape)
        middle = shape.representative_point()
        area = next(token for outline, token in areas if outline.contains(middle))
        segment = _segment(rows, shape, area, intersection=False)
        sides = _draw_block(rows, road, block, segment, lanes)
        _draw_crossings(rows, road, block, segment, sides)
    for shape in junction_areas(roadway, shapes).geoms:
        middle = shape.representative_point()
        area = next(token for outline, token in areas if outline.contains(middle))
        _segment(rows, shape, area, intersection=True)
    _connect(rows, plan, blocks, lanes)


def _segment(rows: MapRows, shape: Polygon, area: str, *, intersection: bool) -> str:
    return rows.add(
        "road_segment",
        polygon_token=rows.polygon(shape),
        is_intersection=intersection,
        drivable_area_token=area,
    )


def _draw_block(
    rows: MapRows,
    road: Road,
    block: Block,
    segment: str,
    lanes: dict[tuple[Block, int], str],
) -> dict[bool, str]:
    """Road blocks, lanes, dividers and parking of a block; the road block along and against."""
    sides: dict[bool, str] = {}
    for along in (True, False):
        if not along and not road.lanes_left:
            continue
        sides[along] = _draw_side(rows, road, block, segment, along)
        numbers = range(road.lanes_right) if along else range(-road.lanes_left, 0)
        for lane in numbers:
            lanes[block, lane] = _draw_lane(rows, road, block, lane)
    low, high = block.paint_m
    if high - low < 0.5:
        return sides
    for lateral, kind in _dividers(road):
        points = line_beside(road.curve, low, high, lateral)
        if lateral == 0.0:
            line = rows.line(points)
            rows.add("road_divider", line_token=line, road_segment_token=segment)
        else:
            line, marks = rows.line(points), rows.divider(points, kind)
            rows.add("lane_divider", line_token=line, lane_divider_segments=marks)
    return sides


def _dividers(road: Road) -> list[tuple[float, str]]:
    """Lateral and kind of each line between lanes."""
    between = range(1 - road.lanes_right, road.lanes_left)
    return [(number * road.lane_width_m, _kind(road, number)) for number in between if number] + (
        [(0.0, _kind(road, 0))] if road.lanes_left else []
    )


def _kind(road: Road, number: int) -> str:
    """Kind of the line `number` lane widths to the left of the centre line."""
    if number in (road.lanes_left, -road.lanes_right):
        return SOLID if road.edge_lines else NO_LINE
    return LANE_KINDS[road.lane_style] if number else CENTRE_KINDS[road.centre_style]


def _driven(points: Float[np.ndarray, "p 2"], along: bool) -> Float[np.ndarray, "p 2"]:
    """Points in the order in which traffic passes them."""
    return points if along else points[::-1]


def _edges(
    rows: MapRows, road: Road, block: Block, laterals_m: tuple[float, float], along: bool
) -> dict[str, str]:
    """Lines across a lane or a direction where traffic enters and where it leaves."""
    low, high = (
        np.concatenate(
            [line_beside(road.curve, s, s + 1e-3, lateral)[:1] for lateral in laterals_m]
        )
        for s in (block.low_m, block.high_m)
    )
    enter, leave = (low, high) if along else (high, low)
    return {
        "from_edge_line_token": rows.line(enter),
        "to_edge_line_token": rows.line(leave),
    }


def _draw_side(rows: MapRows, road: Road, block: Block, segment: str, along: bool) -> str:
    """The road block of a direction, and its parking strip."""
    stations = (block.low_m, block.high_m)
    inner, edge = (0.0, -road.right_edge_m) if along else (0.0, road.left_edge_m)
    side = rows.add(
        "road_block",
        polygon_token=rows.polygon(strip(road.curve, stations, (inner, edge))),
        **_edges(rows, road, block, (inner, edge), along),
        road_segment_token=segment,
    )
    strips = [(along, -1.0 if along else 1.0)]
    if not road.lanes_left:
        strips.append((False, 1.0))  # a one-way street's left kerb belongs to its only road block
    for right, sign in strips:
        width = road.parking_right_m if right else road.parking_left_m
        kerb = road.right_edge_m if right else road.left_edge_m
        if width:
            shape = strip(road.curve, stations, (sign * kerb, sign * (kerb - width)))
            yaw = float(road.curve.poses(np.array([sum(stations) / 2]))[0, 2])
            turned = yaw if along else yaw + np.pi
            rows.add(
                "carpark_area",
                polygon_token=rows.polygon(shape),
                orientation=float(np.remainder(turned, 2 * np.pi)),
                road_block_token=side,
            )
    return side


def _draw_lane(rows: MapRows, road: Road, block: Block, lane: int) -> str:
    along, width = lane >= 0, road.lane_width_m
    # Numbers of the lines on the left and on the right of the lane, seen by its driver.
    left, right = (-lane, -lane - 1) if along else (-lane - 1, -lane)
    marks = {}
    for name, number in (("left", left), ("right", right)):
        points = line_beside(road.curve, block.low_m, block.high_m, number * width)
        marks[f"{name}_lane_divider_segments"] = rows.divider(
            _driven(points, along), _kind(road, number)
        )
    laterals = (left * width, right * width)
    shape = strip(road.curve, (block.low_m, block.high_m), laterals)
    token = rows.add(
        "lane",
        polygon_token=rows.polygon(shape),
        lane_type="CAR",
        **_edges(rows, road, block, laterals, along),
        **marks,
    )
    curve = lane_curve(road, lane)
    ends = road.curve.poses(np.array([block.low_m, block.high_m]))[:, :2]
    low, high = sorted(curve.station_of(*map(float, end)) for end in ends)
    rows.centre_line(token, curve, low, high)
    return token


def _draw_crossings(
    rows: MapRows, road: Road, block: Block, segment: str, sides: dict[bool, str]
) -> None:
    """Crossings for walkers and stop lines in a block."""
    for opening in road.openings:
        tokens = []
        half = (opening.stripes_m[1] - opening.stripes_m[0]) / 2 * (2 if opening.between else 1)
        for station in crossing_stations(road, opening) if opening.zebra else []:
            if block.low_m <= station < block.high_m:
                laterals = (-road.right_edge_m, road.left_edge_m)
                shape = strip(road.curve, (station - half, station + half), laterals)
                polygon = rows.polygon(shape)
                tokens.append(
                    rows.add("ped_crossing", polygon_token=polygon, road_segment_token=segment)
                )
        for along, side in sides.items() if opening.stop else ():
            _draw_stop(rows, road, block, (opening, along), (side, tokens))


def _draw_stop(
    rows: MapRows,
    road: Road,
    block: Block,
    which: tuple[Opening, bool],
    tokens: tuple[str, list[str]],
) -> None:
    """The stop line of a direction at an opening, if it lies in the block."""
    opening, along = which
    at = opening.start_m - opening.stop_m if along else opening.end_m + opening.stop_m
    if not block.low_m <= at < block.high_m:
        return
    outer = -road.lanes_right if along else road.lanes_left
    shape = strip(
        road.curve, (at - STOP_HALF_M, at + STOP_HALF_M), (0.0, outer * road.lane_width_m)
    )
    rows.add(
        "stop_line",
        polygon_token=rows.polygon(shape),
        stop_line_type="PED_CROSSING" if opening.zebra else "STOP_SIGN",
        ped_crossing_tokens=tokens[1],
        traffic_light_tokens=[],
        road_block_token=tokens[0],
    )


def _connect(
    rows: MapRows, plan: StreetPlan, blocks: list[Block], lanes: dict[tuple[Block, int], str]
) -> None:
    """Connectors across junctions, and links between blocks that follow each other."""
    for before, after in pairwise(blocks):
        if before.road == after.road and before.high_m == after.low_m:
            for (block, lane), token in lanes.items():
                if block == before:
                    pair = (token, lanes[after, lane])
                    rows.connect(*(pair if lane >= 0 else pair[::-1]))
    for connection in connections(plan.roads, plan.junctions):
        _draw_connector(rows, plan, connection, (blocks, lanes))


def _draw_connector(
    rows: MapRows,
    plan: StreetPlan,
    connection: Connection,
    drawn: tuple[list[Block], dict[tuple[Block, int], str]],
) -> None:
    junction = plan.junctions[connection.junction]
    at = {junction.first: junction.first_m, junction.second: junction.second_m}
    ends = []
    for (index, lane), entering in ((connection.origin, True), (connection.target, False)):
        before = (lane >= 0) == entering  # whether its block lies before the junction
        block = _block_at(drawn[0], index, at[index], before)
        if block is None:
            return
        ends.append((drawn[1][block, lane], block.high_m if before else block.low_m))
    (origin, leave_m), (target, enter_m) = ends
    (a, lane_a), (b, _) = connection.origin, connection.target
    if connection.turn == "straight":
        curve = lane_curve(plan.roads[a], lane_a)
    else:
        curve = turning_curve(plan.roads, plan.junctions, connection)[0]
    poses = (
        plan.roads[a].curve.poses(np.array([leave_m]))[0, :2],
        plan.roads[b].curve.poses(np.array([enter_m]))[0, :2],
    )
    low, high = (curve.station_of(float(x), float(y)) for x, y in poses)
    path = LineString(line_beside(curve, low, high, 0.0))
    shape = path.buffer(plan.roads[a].lane_width_m / 2, cap_style="flat")
    token = rows.add("lane_connector", polygon_token=rows.polygon(shape))
    rows.centre_line(token, curve, low, high)
    rows.connect(origin, token)
    rows.connect(token, target)


def _block_at(blocks: list[Block], index: int, station_m: float, before: bool) -> Block | None:
    """The block of a road that ends at the junction around a station, or begins there."""
    own = [block for block in blocks if block.road == index]
    if before:
        own = [block for block in own if block.high_m <= station_m and block.junctions[1]]
        return own[-1] if own else None
    own = [block for block in own if block.low_m >= station_m and block.junctions[0]]
    return own[0] if own else None
