"""What the rays hit: normals, materials and finish of surfaces, and what a LiDAR makes of them.

World axes, metres. All arrays are per ray.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int, Int32, UInt8

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.spots import COS, SEED, SIN, Finish, Spot, X, Y, Z
from mim4d.world.kernels.tracing import GROUND, MOVING, NOTHING, STANDING, Hits, Solid
from mim4d.world.light.lighting import Light
from mim4d.world.light.materials import object_finish
from mim4d.world.streets.ground import GroundTable, ground_albedo

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
def finish_of(scenery, hit, point, normal, across):
    """Finish of a surface.

    Args (numba): `Scenery`; kind, material and object's row of the hit; its point and normal in
    world axes; the pixel's width there across the view, and along it.
    """
    kind = hit[0]
    material, k = np.int64(hit[1]), np.int64(hit[2])  # one signature for all who ask
    mean = math.sqrt(across[0] * across[1])
    if kind == GROUND:
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
    spot = _spot(scenery, k, point, normal, (mean, 0.7 * across[1]))
    return object_finish(material, scenery.objects, k, spot)


@kernel
@no_type_check
def _spot(scenery, k, point, normal, widths):
    """The point in the axes of object `k`."""
    objects = scenery.objects
    cos, sin = objects[k, COS], objects[k, SIN]
    px, py = point[0] - objects[k, X], point[1] - objects[k, Y]
    return Spot(
        px * cos + py * sin,
        py * cos - px * sin,
        point[2] - objects[k, Z],
        normal[0] * cos + normal[1] * sin,
        normal[1] * cos - normal[0] * sin,
        normal[2],
        widths[0],
        widths[1],
        int(objects[k, SEED]),
        scenery.lamps,
    )


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
    distance, kinds, normals, materials, rows = seen
    out = np.zeros(directions.shape[0])
    for i in range(directions.shape[0]):
        if kinds[i] == NOTHING:
            continue
        t = float(distance[i])
        dx, dy, dz = float(directions[i, 0]), float(directions[i, 1]), float(directions[i, 2])
        normal = (float(normals[i, 0]), float(normals[i, 1]), float(normals[i, 2]))
        point = (origins[i, 0] + dx * t, origins[i, 1] + dy * t, origins[i, 2] + dz * t)
        facing = max(-(normal[0] * dx + normal[1] * dy + normal[2] * dz), 0.03)
        hit = (kinds[i], materials[i], rows[i])
        r, g, b = finish_of(scenery, hit, point, normal, (t * width, t * width / facing)).colour
        out[i] = min((0.5 * r + 0.3 * g + 0.2 * b) * facing, 1.0)
    return out
