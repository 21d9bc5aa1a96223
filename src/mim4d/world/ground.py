"""What the ground looks like at a point: asphalt, markings, kerb, sidewalk, what lies behind.

Everything is computed from the nearest points of the roads' centre lines, so kerbs and markings are
sharp at any distance. The kernels take the roads as the arrays of `GroundTable`.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int

from mim4d.world.curves import project_point
from mim4d.world.kernels import kernel
from mim4d.world.noise import cell_hash, covered, flat_octave, periodic
from mim4d.world.roads import (
    BAYS,
    CENTRE_STYLE,
    CORNER_RADIUS_M,
    EDGE_LINES,
    JUNCTION_END,
    JUNCTION_START,
    LANE_WIDTH,
    LANES_LEFT,
    LANES_RIGHT,
    LEFT_EDGE,
    RIGHT_EDGE,
    SIDEWALK,
    ZEBRA,
    Road,
)

KERB_M = 0.16


@dataclass(frozen=True)
class GroundTable:
    """Roads and ground as arrays.

    Attributes:
        pieces: `Curve.table` of all roads, one road after the other.
        first: Index of each road's first piece, and the number of pieces at the end.
        roads: `Road.parameters` of each road.
        look: Asphalt tone, slab tone, slab size (m), kind of the ground behind (0 grass, 1 paved,
            2 gravel), share of it, seed.
    """

    pieces: Float[np.ndarray, "m 13"]
    first: Int[np.ndarray, " q"]
    roads: Float[np.ndarray, "n c"]
    look: Float[np.ndarray, "6"]

    def beyond_kerb(self, points: Float[np.ndarray, "p 2"]) -> Float[np.ndarray, "p 2"]:
        """Distance from the nearest kerb (negative on a road) and width of that sidewalk."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        return _beyond_kerb(self.pieces, self.first, self.roads, points)


def make_ground(roads: tuple[Road, ...], rng: np.random.Generator) -> GroundTable:
    """Tables of the roads, with tones drawn from `rng`."""
    first = np.cumsum([0, *(len(road.curve.pieces) for road in roads)])
    tones = [rng.uniform(0.06, 0.17), rng.uniform(0.18, 0.42), rng.uniform(0.4, 1.2)]
    behind = [float(rng.integers(3)), rng.uniform(0.35, 0.85), float(rng.integers(1 << 20))]
    return GroundTable(
        pieces=np.concatenate([road.curve.table() for road in roads]),
        first=first.astype(np.int64),
        roads=np.stack([road.parameters() for road in roads]),
        look=np.array([*tones, *behind]),
    )


@kernel
@no_type_check
def _rounded_union(a, b):
    """Distance to the union of two regions, its inner corners rounded."""
    ra, rb = max(CORNER_RADIUS_M - a, 0.0), max(CORNER_RADIUS_M - b, 0.0)
    return max(CORNER_RADIUS_M, min(a, b)) - math.sqrt(ra * ra + rb * rb)


@kernel
@no_type_check
def locate(pieces, first, roads, x, y):
    """Distance beyond the kerbs, then road, station and lateral of the road that is nearest."""
    union, nearest, road, station, lateral = 1e9, 1e9, 0, 0.0, 0.0
    for i in range(roads.shape[0]):
        s, left = project_point(pieces, first[i], first[i + 1], x, y)
        beyond = max(left - roads[i, LEFT_EDGE], -left - roads[i, RIGHT_EDGE])
        union = _rounded_union(union, beyond)
        if beyond < nearest:
            nearest, road, station, lateral = beyond, i, s, left
    return union, road, station, lateral


@kernel
@no_type_check
def _beyond_kerb(pieces, first, roads, points):
    out = np.empty((points.shape[0], 2))
    for i in range(points.shape[0]):
        beyond, road, _, _ = locate(pieces, first, roads, points[i, 0], points[i, 1])
        out[i, 0], out[i, 1] = beyond, roads[road, SIDEWALK]
    return out


@kernel
@no_type_check
def _lane_lines(roads, k, s, left, footprint):
    """Coverage by white and by yellow lines along the road."""
    lane, style = roads[k, LANE_WIDTH], int(roads[k, CENTRE_STYLE])
    dashes = covered(periodic(s, 9.0), 1.75, footprint)
    white, yellow = 0.0, 0.0
    if roads[k, LANES_LEFT] > 0:
        if style == 1:
            yellow = covered(abs(left) - 0.14, 0.06, footprint)
        elif style == 2:
            yellow = covered(left, 0.07, footprint) * dashes
        else:
            white = covered(left, 0.07, footprint) * (dashes if style == 0 else 1.0)
    for side in range(2):
        lanes = roads[k, LANES_LEFT] if side == 0 else roads[k, LANES_RIGHT]
        out = left if side == 0 else -left
        edge = roads[k, LEFT_EDGE] if side == 0 else roads[k, RIGHT_EDGE]
        divider = math.floor(out / lane + 0.5)
        if 1.0 <= divider < lanes:
            white = max(white, covered(out - divider * lane, 0.06, footprint) * dashes)
        if roads[k, EDGE_LINES] > 0:
            white = max(white, covered(out - min(lanes * lane, edge - 0.2), 0.06, footprint))
        if roads[k, BAYS] > 0 and edge - lanes * lane > 1.0 and out > lanes * lane:
            white = max(white, covered(periodic(s, 6.0), 0.05, footprint))
    return white, yellow


@kernel
@no_type_check
def _crossing_lines(roads, k, s, left, footprint):
    """Coverage by zebra stripes and stop lines, and whether lines along the road end here."""
    before, after = roads[k, JUNCTION_START] - s, s - roads[k, JUNCTION_END]
    gap = max(before, after)
    if gap > 5.5:
        return 0.0, False
    if gap < 0.0 or roads[k, ZEBRA] == 0.0:
        return 0.0, gap < 0.5
    incoming = left < 0.0 if before > after else left > 0.0
    stop = covered(gap - 4.8, 0.2, footprint) if incoming else 0.0
    bars = covered(gap - 2.2, 1.5, footprint) * covered(periodic(left, 1.0), 0.25, footprint)
    return max(stop, bars), gap < 5.0


@kernel
@no_type_check
def ground_albedo(pieces, first, roads, look, x, y, footprint, blur):
    """Linear RGB albedo of the ground at (x, y).

    `footprint` is the pixel's width across the view, `blur` its length along the ground.
    """
    beyond, index, s, left = locate(pieces, first, roads, x, y)
    seed = int(look[5])
    if beyond < 0.0:
        patch = cell_hash(math.floor(s / 7.0), math.floor(left / 3.3), index, seed)
        tone = look[0] * (0.78 if patch < 0.13 else 1.0)
        grain = 0.55 * flat_octave(x, y, 0, 0.05, seed, blur) + 0.35 * flat_octave(
            x, y, 0, 0.3, seed, blur
        )
        grain += 0.35 * flat_octave(x, y, 0, 1.1, seed, blur) + 0.4 * flat_octave(
            x, y, 0, 5.0, seed, blur
        )
        worn = abs(periodic(left - 0.5 * roads[index, LANE_WIDTH], roads[index, LANE_WIDTH])) - 0.8
        tone *= 1.0 + grain - 0.14 * math.exp(-worn * worn * 9.0)
        crossing, ends = _crossing_lines(roads, index, s, left, footprint)
        white, yellow = crossing, 0.0
        if not ends:
            lines, yellow = _lane_lines(roads, index, s, left, footprint)
            white = max(white, lines)
        wear = 0.8 + 0.7 * flat_octave(x, y, 3, 0.25, seed, blur)
        white, yellow = min(white * wear, 1.0), min(yellow * wear, 1.0)
        plain = max(1.0 - white - yellow, 0.0)
        red = tone * plain + 0.72 * white + 0.62 * yellow
        green = tone * plain + 0.72 * white + 0.42 * yellow
        return red, green, tone * 1.02 * plain + 0.70 * white + 0.06 * yellow
    if beyond < KERB_M:
        tone = look[1] * 1.15 * (1.0 - 0.35 * covered(periodic(s, 1.0), 0.02, footprint))
        return tone, tone, tone * 0.97
    if beyond < roads[index, SIDEWALK]:
        return _slabs(s, left, look[1], look[2], seed, footprint, blur)
    return _behind(x, y, s, left, look, seed, footprint, blur)


@kernel
@no_type_check
def _slabs(x, y, tone, size, seed, footprint, blur):
    i, j = math.floor(x / size), math.floor(y / size)
    fade = min(max(1.5 - footprint / size, 0.0), 1.0)
    tone *= 1.0 + 0.28 * fade * (cell_hash(i, j, 7, seed) - 0.5)
    tone *= (
        1.0
        + 0.3 * flat_octave(x, y, 0, 0.06, seed, blur)
        + 0.3 * flat_octave(x, y, 1, 2.0, seed, blur)
    )
    joint = covered(periodic(x, size), 0.012, footprint)
    joint = max(joint, covered(periodic(y, size), 0.012, footprint))
    tone *= 1.0 - 0.55 * joint
    return tone, tone * 0.97, tone * 0.92


@kernel
@no_type_check
def _behind(x, y, s, left, look, seed, footprint, blur):
    """Grass, paving or gravel, in patches of some metres."""
    where = flat_octave(x, y, 2, 14.0, seed, 0.0) + 0.3 * flat_octave(x, y, 2, 3.0, seed, 0.0) + 0.5
    kind = int(look[3]) if where < look[4] else (int(look[3]) + 1) % 3
    fine = 0.7 * flat_octave(x, y, 4, 0.08, seed, blur) + 0.6 * flat_octave(
        x, y, 4, 0.5, seed, blur
    )
    fine += 0.5 * flat_octave(x, y, 4, 2.5, seed, blur)
    if kind == 0:
        dry = 0.5 + flat_octave(x, y, 5, 4.0, seed, blur)
        tone = 0.16 * (1.0 + fine)
        return tone * (0.45 + 0.45 * dry), tone * (0.75 + 0.1 * dry), tone * 0.28
    if kind == 1:
        return _slabs(s, left, look[1] * 0.8, look[2] * 2.3, seed + 1, footprint, blur)
    tone = 0.26 * (1.0 + 0.8 * fine)
    return tone, tone * 0.9, tone * 0.74
