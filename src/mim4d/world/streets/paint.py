"""What is painted and worn on a road at a point of it: lines, stripes, arrows, patches, cracks.

Kernels take the table of roads (`roads.Road.parameters`), the road's row, and the point as station
and lateral; `footprint` is a pixel's width and `blur` its length on the ground, metres.
"""

import math
from typing import no_type_check

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import cell_hash, covered, flat_octave, periodic
from mim4d.world.streets.roads import (
    ARROWS,
    BAYS,
    CENTRE_STYLE,
    EDGE_LINES,
    FIRST_OPENING,
    LANE_STYLE,
    LANE_WIDTH,
    LANES_LEFT,
    LANES_RIGHT,
    LEFT_EDGE,
    OPENING_COLUMNS,
    OPENINGS,
    RIGHT_EDGE,
)

LINE_M = 0.06  # half the width of a painted line
DASH_M = 9.0  # from dash to dash
BAY_M = 6.0  # length of a parking bay
ARROW_M = 3.4  # length of an arrow


@kernel
@no_type_check
def painted(roads, k, s, left, footprint):
    """Coverage by white and by yellow paint."""
    opening, gap = _nearest_opening(roads, k, s)
    white, yellow = 0.0, 0.0
    clear = False
    if gap < 40.0:
        column = FIRST_OPENING + OPENING_COLUMNS * opening
        before = s < 0.5 * (roads[k, column] + roads[k, column + 1])
        incoming = left < 0.0 if before else left > 0.0
        bars = covered(gap - roads[k, column + 2], roads[k, column + 3], footprint)
        if bars > 0.0:
            white = bars * covered(periodic(left - 0.5, 1.0), 0.25, footprint)
        clear = gap < roads[k, column + 5]
        lanes = roads[k, LANES_RIGHT] if left < 0.0 else roads[k, LANES_LEFT]
        within = abs(left) < lanes * roads[k, LANE_WIDTH]
        if incoming and within and roads[k, column + 4] >= 0.0:
            white = max(white, covered(gap - roads[k, column + 4], 0.2, footprint))
        if incoming and within and roads[k, ARROWS] > 0.0:
            turns = int(roads[k, column + 6] if before else roads[k, column + 7])
            white = max(
                white, _arrows(roads, k, gap - roads[k, column + 5], left, turns, footprint)
            )
    if not clear:
        lines, yellow = _lane_lines(roads, k, s, left, footprint)
        white = max(white, lines)
        if gap > 8.0 and roads[k, BAYS] > 0:
            white = max(white, _bays(roads, k, s, left, footprint))
    return white, yellow


@kernel
@no_type_check
def _nearest_opening(roads, k, s):
    """Number of the nearest opening of a road and how far it is (negative within)."""
    best, index = 1e9, 0
    for i in range(int(roads[k, OPENINGS])):
        column = FIRST_OPENING + OPENING_COLUMNS * i
        gap = max(roads[k, column] - s, s - roads[k, column + 1])
        if gap < best:
            best, index = gap, i
    return index, best


@kernel
@no_type_check
def _lane_lines(roads, k, s, left, footprint):
    """Coverage by white and by yellow lines along the road."""
    lane, style = roads[k, LANE_WIDTH], int(roads[k, CENTRE_STYLE])
    dashes = covered(periodic(s, DASH_M), 1.75, footprint)
    white, yellow = 0.0, 0.0
    if roads[k, LANES_LEFT] > 0:
        double = style == 1 or style == 5
        line = covered(abs(left) - 0.14 if double else left, LINE_M, footprint)
        if style == 0 or style == 2:
            line *= dashes
        if style == 1 or style == 2 or style == 4:
            yellow = line
        else:
            white = line
    lanes = roads[k, LANES_LEFT] if left > 0.0 else roads[k, LANES_RIGHT]
    edge = roads[k, LEFT_EDGE] if left > 0.0 else roads[k, RIGHT_EDGE]
    out = abs(left)
    divider = math.floor(out / lane + 0.5)
    if 1.0 <= divider < lanes:
        line = covered(out - divider * lane, LINE_M, footprint)
        white = max(white, line * (1.0 if roads[k, LANE_STYLE] > 0 else dashes))
    if roads[k, EDGE_LINES] > 0:
        white = max(white, covered(out - min(lanes * lane, edge - 0.2), LINE_M, footprint))
    return white, yellow


@kernel
@no_type_check
def _bays(roads, k, s, left, footprint):
    """Lines between parking bays, and short ones along the lane at their corners."""
    lanes = roads[k, LANES_LEFT] if left > 0.0 else roads[k, LANES_RIGHT]
    edge = roads[k, LEFT_EDGE] if left > 0.0 else roads[k, RIGHT_EDGE]
    inner, out = lanes * roads[k, LANE_WIDTH], abs(left)
    if edge - inner < 1.0 or out < inner - 0.1:
        return 0.0
    along = periodic(s, BAY_M)
    line = covered(along, 0.05, footprint)
    return max(line, covered(along, 0.5, footprint) * covered(out - inner, 0.05, footprint))


@kernel
@no_type_check
def _arrows(roads, k, ahead, left, turns, footprint):
    """An arrow in every incoming lane; `ahead` is the way to where the lines end."""
    u = 2.5 + ARROW_M - ahead  # from the arrow's tail
    if u < 0.0 or u > ARROW_M:
        return 0.0
    lane, out = roads[k, LANE_WIDTH], abs(left)
    lanes = int(roads[k, LANES_RIGHT] if left < 0.0 else roads[k, LANES_LEFT])
    number = int(out / lane)
    v = (number + 0.5) * lane - out  # to the driver's left, whose side the middle line is on
    straight = turns & 1
    leftward = (turns & 2) if number == 0 else 0
    rightward = (turns & 4) if number == lanes - 1 else 0
    if straight + leftward + rightward == 0:
        straight = 1
    stem = 2.5 if straight > 0 else 1.75
    cover = covered(v, 0.075, footprint) if u < stem else 0.0
    if straight > 0 and u >= stem:
        cover = covered(v, 0.3 * (ARROW_M - u) / (ARROW_M - stem), footprint)
    if leftward > 0 and v > 0.0:
        cover = max(cover, _branch(u, v, footprint))
    if rightward > 0 and v < 0.0:
        cover = max(cover, _branch(u, -v, footprint))
    return cover


@kernel
@no_type_check
def _branch(u, v, footprint):
    """The part of an arrow that points aside."""
    if v < 0.45:
        return covered(u - 1.65, 0.11, footprint)
    return covered(u - 1.65, 0.45 * (0.95 - v) / 0.5, footprint) if v < 0.95 else 0.0


@kernel
@no_type_check
def asphalt(roads, k, s, left, x, y, base, seed, footprint, blur):
    """Tone of the road's surface: grain, tracks of wheels, patches, manholes, cracks, oil."""
    coarse = flat_octave(x, y, 0, 5.0, seed, blur)
    middle = flat_octave(x, y, 0, 1.1, seed, blur)
    grain = 0.55 * flat_octave(x, y, 0, 0.05, seed, blur)
    grain += 0.4 * flat_octave(x, y, 0, 0.3, seed, blur) + 0.35 * middle + 0.4 * coarse
    lane = roads[k, LANE_WIDTH]
    across = periodic(left - 0.5 * lane, lane)
    worn = abs(across) - 0.8
    tone = base * (1.0 + grain - 0.14 * math.exp(-worn * worn * 9.0))
    tone *= 1.0 - 0.1 * math.exp(-across * across * 12.0)  # oil between the wheels
    if footprint < 1.0:
        tone *= _patch(k, s, left, seed, footprint)
    if footprint < 0.12 and coarse > 0.02:  # cracks follow contours of the noise
        crack = 1.0 - abs(middle - 0.05) * 70.0
        tone *= 1.0 - 0.55 * max(crack, 0.0) * min((0.12 - footprint) * 20.0, 1.0)
    return tone * _manhole(k, s, left, seed, footprint) if footprint < 0.3 else tone


@kernel
@no_type_check
def _patch(k, s, left, seed, footprint):
    """Factor of a repaired rectangle: darker or lighter, with a seam of tar around it."""
    i, j = math.floor(s / 8.0), math.floor(left / 3.3)
    chance = cell_hash(i, j, 11 + k, seed)
    if chance > 0.3:
        return 1.0
    half_u, half_v = 0.6 + 9.0 * chance, 0.35 + 1.2 * cell_hash(i, j, 31 + k, seed)
    u = s - (i + 0.5) * 8.0 - (3.9 - half_u) * (20.0 * chance - math.floor(20.0 * chance) - 0.5)
    v = left - (j + 0.5) * 3.3
    inside = covered(u, half_u, footprint) * covered(v, half_v, footprint)
    rim = inside - covered(u, half_u - 0.05, footprint) * covered(v, half_v - 0.05, footprint)
    return 1.0 + inside * (0.15 if chance < 0.08 else -0.22) - 0.35 * rim


@kernel
@no_type_check
def _manhole(k, s, left, seed, footprint):
    """Factor of an iron cover: a ring around a grid."""
    i = math.floor(s / 17.0)
    chance = cell_hash(i, 5, 51 + k, seed)
    if chance > 0.55:
        return 1.0
    u = s - (i + 0.2 + chance) * 17.0
    v = left - (10.0 * chance - 2.75)
    if abs(u) > 0.5 or abs(v) > 0.5:
        return 1.0
    radius = math.sqrt(u * u + v * v)
    cover = covered(radius, 0.33, footprint)
    bars = max(
        covered(periodic(u, 0.12), 0.02, footprint), covered(periodic(v, 0.12), 0.02, footprint)
    )
    ring = covered(radius - 0.33, 0.04, footprint)
    return 1.0 - cover * (0.45 - 0.35 * bars) - 0.35 * ring
