"""What the rays hit: normals, materials and finish of surfaces, and what a LiDAR makes of them.

World axes, metres. All arrays are per ray.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int, Int32, UInt8

from mim4d.world.ground import GroundTable, ground_albedo
from mim4d.world.kernels import kernel
from mim4d.world.lighting import Light
from mim4d.world.materials import object_finish
from mim4d.world.spots import COS, SEED, SIN, Finish, Spot, X, Y, Z
from mim4d.world.tracing import GROUND, MOVING, NOTHING, STANDING, Hits, Solid

BEAM_ANGLE = 0.003  # width of a LiDAR beam, radians


@dataclass(frozen=True)
class Rays:
    """A bundle of rays.

    Attributes:
        origin: Where all of them start, or where each does (LiDAR only), world axes.
        directions: Unit directions, world axes.
        width_rad: Angle between neighbours: pixels or beams are that wide.
    """

    origin: Float[np.ndarray, "*r 3"]
    directions: Float32[np.ndarray, "r 3"]
    width_rad: float


@dataclass(frozen=True)
class Snapshot:
    """The world at one instant.

    Attributes:
        standing: What stands.
        moving: What moves, where it is now.
        objects: Rows of the object table (`spots`) of both.
        footprints: Objects near the camera: x, y, cos and sin of the yaw, half length, half width;
            the ground under and beside them is darker (sky light does not reach it).
        ground: The roads.
        light: Sun and sky.
    """

    standing: Solid
    moving: Solid
    objects: Float[np.ndarray, "k c"]
    footprints: Float[np.ndarray, "q 6"]
    ground: GroundTable
    light: Light


class Seen(NamedTuple):
    """First hits as the kernels read them: normals face the camera, rows are of the objects."""

    distance: Float32[np.ndarray, " r"]
    kind: UInt8[np.ndarray, " r"]
    normals: Float32[np.ndarray, "r 3"]
    materials: UInt8[np.ndarray, " r"]
    rows: Int32[np.ndarray, " r"]


class Scenery(NamedTuple):
    """Objects and ground as the kernels read them; `lamps` as in `Sky`."""

    objects: Float[np.ndarray, "k c"]
    pieces: Float[np.ndarray, "m 13"]
    first: Int[np.ndarray, " q"]
    roads: Float[np.ndarray, "n c"]
    look: Float[np.ndarray, " u"]
    lamps: float


def scenery(snapshot: Snapshot) -> Scenery:
    """The snapshot's tables."""
    ground = snapshot.ground
    return Scenery(
        snapshot.objects,
        ground.pieces,
        ground.first,
        ground.roads,
        ground.look,
        snapshot.light.sky.lamps,
    )


def resolve(rays: Rays, hits: Hits, snapshot: Snapshot) -> Seen:
    """Unit normals that face the camera, materials, and rows of the object table."""
    standing, moving = snapshot.standing, snapshot.moving
    normals, materials, rows = _resolve(
        rays.directions,
        hits.kind,
        hits.triangle,
        (standing.normals, standing.materials, standing.objects),
        (moving.normals, moving.materials, moving.objects),
    )
    return Seen(hits.distance_m, hits.kind, normals, materials, rows)


@kernel
@no_type_check
def _resolve(directions, kind, triangle, standing, moving):
    count = directions.shape[0]
    normals = np.zeros((count, 3), np.float32)
    materials = np.zeros(count, np.uint8)
    rows = np.zeros(count, np.int32)
    normals_standing, materials_standing, rows_standing = standing
    normals_moving, materials_moving, rows_moving = moving
    for i in range(count):
        k = triangle[i]
        if kind[i] == STANDING:
            for c in range(3):
                normals[i, c] = normals_standing[k, c]
            materials[i], rows[i] = materials_standing[k], rows_standing[k]
        elif kind[i] == MOVING:
            for c in range(3):
                normals[i, c] = normals_moving[k, c]
            materials[i], rows[i] = materials_moving[k], rows_moving[k]
        elif kind[i] == GROUND:
            normals[i, 2] = 1.0
        away = 0.0
        for c in range(3):
            away += normals[i, c] * directions[i, c]
        if away > 0.0:
            for c in range(3):
                normals[i, c] = -normals[i, c]
    return normals, materials, rows


@kernel
@no_type_check
def finish_of(seen, scenery, i, point, across):
    """Finish of what ray i hits at `point`; `across`: a pixel's width there, and as seen aslant.

    Args (numba): `Seen`, `Scenery`, the ray, the point in world axes, and the pixel's width across
    the view and along it.
    """
    mean = math.sqrt(across[0] * across[1])
    if seen.kind[i] == GROUND:
        r, g, b = ground_albedo(
            scenery.pieces,
            scenery.first,
            scenery.roads,
            scenery.look,
            point[0],
            point[1],
            mean,
            0.5 * across[1],
        )
        return Finish((r, g, b), 0.0, 0.0)
    k, objects = seen.rows[i], scenery.objects
    cos, sin = objects[k, COS], objects[k, SIN]
    px, py = point[0] - objects[k, X], point[1] - objects[k, Y]
    nx, ny = float(seen.normals[i, 0]), float(seen.normals[i, 1])
    spot = Spot(
        px * cos + py * sin,
        py * cos - px * sin,
        point[2] - objects[k, Z],
        nx * cos + ny * sin,
        ny * cos - nx * sin,
        float(seen.normals[i, 2]),
        mean,
        0.7 * across[1],
        int(objects[k, SEED]),
        scenery.lamps,
    )
    return object_finish(seen.materials[i], objects, k, spot)


def reflectance(rays: Rays, hits: Hits, snapshot: Snapshot) -> Float[np.ndarray, " r"]:
    """What a LiDAR sees of a surface: albedo times cosine of incidence; glass gives little."""
    origins = np.ascontiguousarray(np.broadcast_to(rays.origin, rays.directions.shape))
    return _reflectance_kernel(
        origins,
        rays.directions,
        rays.width_rad,
        resolve(rays, hits, snapshot),
        scenery(snapshot),
    )


@kernel
@no_type_check
def _reflectance_kernel(origins, directions, width, seen, scenery):
    out = np.zeros(directions.shape[0])
    for i in range(directions.shape[0]):
        if seen.kind[i] == NOTHING:
            continue
        t = float(seen.distance[i])
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        normal, origin = seen.normals[i], origins[i]
        point = (origin[0] + dx * t, origin[1] + dy * t, origin[2] + dz * t)
        facing = max(-(normal[0] * dx + normal[1] * dy + normal[2] * dz), 0.03)
        r, g, b = finish_of(seen, scenery, i, point, (t * width, t * width / facing)).colour
        out[i] = min((0.5 * r + 0.3 * g + 0.2 * b) * facing, 1.0)
    return out
