"""What the ground looks like at a point: asphalt, markings, kerb, sidewalk, what lies behind.

Everything is computed from the nearest points of the roads' centre lines, so kerbs and markings are
sharp at any distance. The kernels take the roads as the arrays of `GroundTable`.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import cell_hash, covered, flat_octave, periodic
from mim4d.world.streets.curves import FAR_M, heading_at, project_point
from mim4d.world.streets.paint import asphalt, painted
from mim4d.world.streets.roads import (
    CORNER_RADIUS_M,
    END_M,
    LEFT_EDGE,
    RIGHT_EDGE,
    SIDEWALK,
    SIDEWALK_CORNER_M,
    START_M,
    Road,
)

KERB_M = 0.16
BEGINNING_M = 1.5  # from where a road begins inside another: no corners to round there


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
        """Distance from the nearest kerb (negative on a road) and width of the sidewalk there."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        return _beyond_kerb(self.pieces, self.first, self.roads, points)


def make_ground(roads: tuple[Road, ...], rng: np.random.Generator) -> GroundTable:
    """Tables of the roads, with tones drawn from `rng`."""
    first = np.cumsum([0, *(len(road.curve.pieces) for road in roads)])
    most = max(len(road.openings) for road in roads)
    tones = [rng.uniform(0.06, 0.17), rng.uniform(0.18, 0.42), rng.uniform(0.4, 1.2)]
    behind = [float(rng.integers(3)), rng.uniform(0.35, 0.85), float(rng.integers(1 << 20))]
    return GroundTable(
        pieces=np.concatenate([road.curve.table() for road in roads]),
        first=first.astype(np.int64),
        roads=np.stack([road.parameters(most) for road in roads]),
        look=np.array([*tones, *behind]),
    )


@kernel
@no_type_check
def _rounded(a, b, cosine, radius):
    """Distance to the union of two regions whose inner corners are filled by arcs.

    `a` and `b` are the distances to both, `cosine` that of the angle between their gradients. The
    arc's centre lies `radius` beyond both edges: u and v away along either gradient.
    """
    u, v = radius - a, radius - b
    if u <= 0.0 or v <= 0.0 or abs(cosine) > 0.95 or u <= cosine * v or v <= cosine * u:
        return min(a, b)
    return radius - math.sqrt((u * u + v * v - 2.0 * u * v * cosine) / (1.0 - cosine * cosine))


@kernel
@no_type_check
def locate(pieces, first, roads, x, y):
    """Distances beyond the kerbs and beyond the sidewalks, then the nearest road and where on it.

    The road's row, station and lateral. Roads too far away to matter are passed over.
    """
    kerb, walk, nearest, road, station, lateral = FAR_M, FAR_M, FAR_M, 0, 0.0, 0.0
    for i in range(roads.shape[0]):
        wide = max(roads[i, LEFT_EDGE], roads[i, RIGHT_EDGE]) + roads[i, SIDEWALK]
        limit = min(wide + max(nearest, CORNER_RADIUS_M), FAR_M)
        s, left = project_point(pieces, first[i], first[i + 1], x, y, limit)
        if left == FAR_M:
            continue
        aside = max(left - roads[i, LEFT_EDGE], -left - roads[i, RIGHT_EDGE])
        past = max(roads[i, START_M] - s, s - roads[i, END_M])
        beyond, back = max(aside, past), max(aside - roads[i, SIDEWALK], past)
        cosine = 1.0
        near = SIDEWALK_CORNER_M + roads[i, SIDEWALK]
        near = max(near, SIDEWALK_CORNER_M + roads[road, SIDEWALK], CORNER_RADIUS_M)
        if beyond < near and nearest < near and past < -BEGINNING_M:
            turn = heading_at(pieces, first[i], first[i + 1], s)
            turn -= heading_at(pieces, first[road], first[road + 1], station)
            cosine = math.cos(turn) * _side(roads, i, left)
            cosine *= _side(roads, road, lateral)
        kerb = _rounded(kerb, beyond, cosine, CORNER_RADIUS_M)
        walk = _rounded(walk, back, cosine, SIDEWALK_CORNER_M)
        if beyond < nearest:
            nearest, road, station, lateral = beyond, i, s, left
    return kerb, walk, road, station, lateral


@kernel
@no_type_check
def _side(roads, k, left):
    """1 where the left kerb of a road is nearer, −1 where the right one is."""
    return math.copysign(1.0, left + 0.5 * (roads[k, RIGHT_EDGE] - roads[k, LEFT_EDGE]))


@kernel
@no_type_check
def _beyond_kerb(pieces, first, roads, points):
    out = np.empty((points.shape[0], 2))
    for i in range(points.shape[0]):
        kerb, walk, _, _, _ = locate(pieces, first, roads, points[i, 0], points[i, 1])
        out[i, 0], out[i, 1] = kerb, kerb - walk
    return out


@kernel
@no_type_check
def ground_albedo(pieces, first, roads, look, x, y, footprint, blur):
    """Linear RGB albedo of the ground at (x, y).

    `footprint` is the pixel's width across the view, `blur` its length along the ground.
    """
    beyond, walk, index, s, left = locate(pieces, first, roads, x, y)
    seed = int(look[5])
    if beyond < 0.0:
        tone = asphalt(roads, index, s, left, x, y, look[0], seed, footprint, blur)
        gutter = max(1.0 + beyond / 0.35, 0.0)  # dust gathers along the kerb
        tone += (0.5 * look[1] - tone) * 0.5 * gutter
        white, yellow = painted(roads, index, s, left, footprint)
        if white + yellow > 0.0:
            wear = 0.8 + 0.7 * flat_octave(x, y, 3, 0.25, seed, blur)
            white, yellow = min(white * wear, 1.0), min(yellow * wear, 1.0)
        plain = max(1.0 - white - yellow, 0.0)
        red = tone * plain + 0.72 * white + 0.62 * yellow
        green = tone * plain + 0.72 * white + 0.42 * yellow
        return red, green, tone * 1.02 * plain + 0.70 * white + 0.06 * yellow
    if beyond < KERB_M:
        tone = look[1] * 1.15 * (1.0 - 0.35 * covered(periodic(s, 1.0), 0.02, footprint))
        return tone, tone, tone * 0.97
    if walk < 0.0:
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
