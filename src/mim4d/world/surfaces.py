"""What the rays hit: normals, materials and albedo of surfaces, and what a LiDAR makes of them."""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from mim4d.world.ground import GroundTable, ground_albedo
from mim4d.world.kernels import kernel
from mim4d.world.materials import object_albedo
from mim4d.world.tracing import Hits, Solid

BEAM_ANGLE = 0.003  # width of a LiDAR beam, radians


def resolve(
    directions: Float32[np.ndarray, "r 3"], hits: Hits, standing: Solid, moving: Solid
) -> tuple[Float32[np.ndarray, "r 3"], UInt8[np.ndarray, " r"], Int32[np.ndarray, " r"]]:
    """Unit normals that face the camera, materials, and rows of the object table."""
    return _resolve(
        directions,
        hits.kind,
        hits.triangle,
        (standing.normals, standing.materials, standing.objects),
        (moving.normals, moving.materials, moving.objects),
    )


@kernel
@no_type_check
def _resolve(directions, kind, triangle, standing, moving):
    """Unit normals that face the camera, materials, and rows of the object table."""
    count = directions.shape[0]
    normals = np.zeros((count, 3), np.float32)
    materials = np.zeros(count, np.uint8)
    things = np.zeros(count, np.int32)
    normals_standing, materials_standing, things_standing = standing
    normals_moving, materials_moving, things_moving = moving
    for i in range(count):
        k = triangle[i]
        if kind[i] == 1:
            for c in range(3):
                normals[i, c] = normals_standing[k, c]
            materials[i], things[i] = materials_standing[k], things_standing[k]
        elif kind[i] == 2:
            for c in range(3):
                normals[i, c] = normals_moving[k, c]
            materials[i], things[i] = materials_moving[k], things_moving[k]
        elif kind[i] == 3:
            normals[i, 2] = 1.0
        away = 0.0
        for c in range(3):
            away += normals[i, c] * directions[i, c]
        if away > 0.0:
            for c in range(3):
                normals[i, c] = -normals[i, c]
    return normals, materials, things


@kernel
@no_type_check
def surface(
    x, y, z, nx, ny, nz, across, facing, kind, material, k, objects, pieces, first, roads, look
):
    """Albedo, gloss, and whether the surface is leaves; `across` is a pixel's width there."""
    along = across / facing
    mean = math.sqrt(across * along)
    if kind == 3:
        r, g, b = ground_albedo(pieces, first, roads, look, x, y, mean, 0.5 * along)
        return r, g, b, 0.0, False
    cos, sin = objects[k, 3], objects[k, 4]
    px, py = x - objects[k, 0], y - objects[k, 1]
    p = (px * cos + py * sin, py * cos - px * sin, z - objects[k, 2])
    n = (nx * cos + ny * sin, ny * cos - nx * sin, nz)
    r, g, b, gloss = object_albedo(material, objects, k, p, n, mean, 0.7 * along)
    return r, g, b, gloss, material == 8


def reflectance(
    origin: Float[np.ndarray, "3"],
    directions: Float32[np.ndarray, "r 3"],
    hits: Hits,
    standing: Solid,
    moving: Solid,
    objects: Float[np.ndarray, "k c"],
    ground: GroundTable,
) -> Float[np.ndarray, " r"]:
    """What a LiDAR sees of a surface: albedo times cosine of incidence; glass gives little."""
    normals, materials, things = resolve(directions, hits, standing, moving)
    return _reflectance_kernel(
        origin.astype(np.float64),
        directions,
        hits.distance_m,
        hits.kind,
        normals,
        materials,
        things,
        objects,
        (ground.pieces, ground.first, ground.roads, ground.look),
    )


@kernel
@no_type_check
def _reflectance_kernel(
    origin, directions, distance, kind, normals, materials, things, objects, ground
):
    pieces, first, roads, look = ground
    out = np.zeros(directions.shape[0])
    for i in range(directions.shape[0]):
        if kind[i] == 0:
            continue
        t = float(distance[i])
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        x, y, z = origin[0] + dx * t, origin[1] + dy * t, origin[2] + dz * t
        facing = max(-(nx * dx + ny * dy + nz * dz), 0.03)
        r, g, b, _, _ = surface(
            x,
            y,
            z,
            nx,
            ny,
            nz,
            t * BEAM_ANGLE,
            facing,
            kind[i],
            materials[i],
            things[i],
            objects,
            pieces,
            first,
            roads,
            look,
        )
        out[i] = min((0.5 * r + 0.3 * g + 0.2 * b) * facing, 1.0)
    return out
