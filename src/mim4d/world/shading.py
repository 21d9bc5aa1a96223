"""From first hits to light: shadow rays, surface colour, sun, sky, mirror images and haze.

Colours are linear RGB. All arrays are per ray.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32

from mim4d.world.ground import GroundTable, ground_albedo
from mim4d.world.kernels import kernel
from mim4d.world.lighting import Light, sky_colour
from mim4d.world.materials import object_albedo
from mim4d.world.noise import octave
from mim4d.world.tracing import Hits, Solid

SHADOW_REACH_M = 150.0
BEAM_ANGLE = 0.003  # width of a LiDAR beam, radians


def shade(
    origin: Float[np.ndarray, "3"],
    directions: Float32[np.ndarray, "r 3"],
    hits: Hits,
    standing: Solid,
    moving: Solid,
    objects: Float[np.ndarray, "k c"],
    footprints: Float[np.ndarray, "q 6"],
    ground: GroundTable,
    light: Light,
    pixel_angle: float,
    shadows: bool,
) -> Float32[np.ndarray, "r 3"]:
    """Linear RGB seen along each ray.

    Args:
        origin: Camera centre in world axes, metres.
        directions: Unit directions in world axes.
        hits: What `cast_rays` found along them.
        standing: What stands.
        moving: What moves, at this exposure.
        objects: Rows of the object table (`materials`), at this exposure.
        footprints: Vehicles near the camera: x, y, cos and sin of the yaw, half length, half width; the
            ground under and beside them is darker (sky light does not reach it).
        ground: The roads.
        light: Sun and sky.
        pixel_angle: Width of a pixel, radians.
        shadows: Trace a ray to the sun from every sunlit surface.
    """
    normals = _hit_normals(directions, hits.kind, hits.triangle, standing.normals, moving.normals)
    lit = np.ones(len(directions), dtype=np.uint8)
    if shadows:
        index, starts = _shadow_starts(
            origin, directions, hits.distance_m, hits.kind, normals, light.sun_direction
        )
        suns = np.tile(light.sun_direction.astype(np.float32), (len(index), 1))
        blocked = standing.blocks(starts, suns, SHADOW_REACH_M)
        blocked |= moving.blocks(starts, suns, SHADOW_REACH_M)
        lit[index[blocked]] = 0
    return _shade_kernel(  # type: ignore[no-any-return]
        origin.astype(np.float64),
        directions,
        hits.distance_m,
        hits.kind,
        hits.triangle,
        normals,
        lit,
        (standing.materials, standing.objects),
        (moving.materials, moving.objects),
        objects,
        footprints,
        (ground.pieces, ground.first, ground.roads, ground.look),
        light.values,
        pixel_angle,
    )


@kernel
@no_type_check
def _hit_normals(directions, kind, triangle, normals_standing, normals_moving):
    """Unit normals that face the camera."""
    out = np.zeros((directions.shape[0], 3), np.float32)
    for i in range(directions.shape[0]):
        if kind[i] == 0:
            continue
        nx, ny, nz = np.float32(0.0), np.float32(0.0), np.float32(1.0)
        if kind[i] != 3:
            source = normals_standing if kind[i] == 1 else normals_moving
            nx, ny, nz = source[triangle[i], 0], source[triangle[i], 1], source[triangle[i], 2]
        d = directions[i]
        if nx * d[0] + ny * d[1] + nz * d[2] > 0.0:
            nx, ny, nz = -nx, -ny, -nz
        out[i, 0], out[i, 1], out[i, 2] = nx, ny, nz
    return out


@kernel
@no_type_check
def _shadow_starts(origin, directions, distance, kind, normals, sun):
    """Indices of the hits that face the sun, and where their shadow rays start."""
    count = 0
    index = np.empty(directions.shape[0], np.int32)
    starts = np.empty((directions.shape[0], 3), np.float32)
    for i in range(directions.shape[0]):
        facing = normals[i, 0] * sun[0] + normals[i, 1] * sun[1] + normals[i, 2] * sun[2]
        if kind[i] == 0 or facing <= 0.0:
            continue
        lift = 0.004 + 0.0002 * distance[i]
        for c in range(3):
            starts[count, c] = origin[c] + directions[i, c] * distance[i] + normals[i, c] * lift
        index[count] = i
        count += 1
    return index[:count], starts[:count]


@kernel
@no_type_check
def _contact(x, y, footprints):
    """Share of the sky's light that reaches the ground beside and under vehicles."""
    light = 1.0
    for k in range(footprints.shape[0]):
        dx, dy = x - footprints[k, 0], y - footprints[k, 1]
        along = abs(dx * footprints[k, 2] + dy * footprints[k, 3]) - footprints[k, 4]
        across = abs(dy * footprints[k, 2] - dx * footprints[k, 3]) - footprints[k, 5]
        outside = math.sqrt(max(along, 0.0) ** 2 + max(across, 0.0) ** 2)
        if outside < 2.0:
            inside = min(max(-max(along, across), 0.0), 0.6)
            light = min(light, 1.0 - 0.6 * math.exp(-2.5 * outside) - 0.5 * inside)
    return light


@kernel
@no_type_check
def _surface(x, y, z, nx, ny, nz, across, facing, kind, triangle, solid, objects, ground):
    """Albedo, gloss, and whether the surface is leaves; `across` is a pixel's width there."""
    along = across / facing
    mean = math.sqrt(across * along)
    if kind == 3:
        r, g, b = ground_albedo(ground[0], ground[1], ground[2], ground[3], x, y, mean, 0.5 * along)
        return r, g, b, 0.0, False
    material = solid[0][triangle]
    thing = objects[solid[1][triangle]]
    cos, sin = thing[3], thing[4]
    px, py = x - thing[0], y - thing[1]
    p = (px * cos + py * sin, py * cos - px * sin, z - thing[2])
    n = (nx * cos + ny * sin, ny * cos - nx * sin, nz)
    r, g, b, gloss = object_albedo(material, thing, p, n, mean, 0.7 * along)
    return r, g, b, gloss, material == 8


@kernel
@no_type_check
def _shade_kernel(
    origin,
    directions,
    distance,
    kind,
    triangle,
    normals,
    lit,
    standing,
    moving,
    objects,
    footprints,
    ground,
    light,
    pixel_angle,
):
    out = np.empty((directions.shape[0], 3), np.float32)
    for i in range(directions.shape[0]):
        dx, dy, dz = float(directions[i, 0]), float(directions[i, 1]), float(directions[i, 2])
        if kind[i] == 0:
            out[i, 0], out[i, 1], out[i, 2] = sky_colour(light, dx, dy, dz)
            continue
        t = float(distance[i])
        x, y, z = origin[0] + dx * t, origin[1] + dy * t, origin[2] + dz * t
        nx, ny, nz = float(normals[i, 0]), float(normals[i, 1]), float(normals[i, 2])
        facing = max(-(nx * dx + ny * dy + nz * dz), 0.03)
        solid = standing if kind[i] == 1 else moving
        r, g, b, gloss, leaves = _surface(
            x,
            y,
            z,
            nx,
            ny,
            nz,
            t * pixel_angle,
            facing,
            kind[i],
            triangle[i],
            solid,
            objects,
            ground,
        )
        if kind[i] == 3:
            sky = _contact(x, y, footprints) if t < 45.0 else 1.0
        else:
            sky = 0.55 + 0.45 * min(z, 1.5) / 1.5  # near the ground less sky is seen
        if leaves:  # they point everywhere
            nx += 1.6 * octave(x, y, z, 0.3, 1, t * pixel_angle)
            ny += 1.6 * octave(x, y, z, 0.3, 2, t * pixel_angle)
            nz += 1.6 * octave(x, y, z, 0.3, 3, t * pixel_angle)
        sun = max(nx * light[0] + ny * light[1] + nz * light[2], 0.0) * lit[i]
        dome = light[15] * sky * (0.55 + 0.45 * nz)
        bounce = 0.16 * (0.5 - 0.5 * nz)
        r *= light[3] * (sun + bounce) + dome * (0.45 * light[6] + 0.55 * light[9])
        g *= light[4] * (sun + bounce) + dome * (0.45 * light[7] + 0.55 * light[10])
        b *= light[5] * (sun + bounce) + dome * (0.45 * light[8] + 0.55 * light[11])
        if gloss > 0.02:
            rx, ry, rz = dx + 2.0 * facing * nx, dy + 2.0 * facing * ny, dz + 2.0 * facing * nz
            mirror = gloss * (0.06 + 0.6 * (1.0 - facing) ** 4 + (0.16 if gloss > 0.75 else 0.0))
            sr, sg, sb = sky_colour(light, rx, ry, max(rz, -0.02))
            low = min(max(0.35 - rz, 0.0) * 2.5, 0.8)  # other houses and trees hide the low sky
            glint = max(rx * light[0] + ry * light[1] + rz * light[2], 0.0) ** 160 * 3.0 * lit[i]
            r += mirror * (sr * (1.0 - low) + glint * light[3] - 0.5 * r)
            g += mirror * (sg * (1.0 - low) + glint * light[4] - 0.5 * g)
            b += mirror * (sb * (1.0 - low) + glint * light[5] - 0.5 * b)
        haze = 1.0 - math.exp(-t * light[12])
        out[i, 0] = max(r + (light[9] * 0.9 - r) * haze, 0.0)
        out[i, 1] = max(g + (light[10] * 0.9 - g) * haze, 0.0)
        out[i, 2] = max(b + (light[11] * 0.9 - b) * haze, 0.0)
    return out


def reflectance(
    origin: Float[np.ndarray, "3"],
    directions: Float32[np.ndarray, "r 3"],
    hits: Hits,
    standing: Solid,
    moving: Solid,
    objects: Float[np.ndarray, "k c"],
    ground: GroundTable,
) -> Float[np.ndarray, " r"]:
    """What a LiDAR sees of a surface: its albedo times the cosine of incidence; glass gives little."""
    normals = _hit_normals(directions, hits.kind, hits.triangle, standing.normals, moving.normals)
    return _reflectance_kernel(  # type: ignore[no-any-return]
        origin.astype(np.float64),
        directions,
        hits.distance_m,
        hits.kind,
        hits.triangle,
        normals,
        (standing.materials, standing.objects),
        (moving.materials, moving.objects),
        objects,
        (ground.pieces, ground.first, ground.roads, ground.look),
    )


@kernel
@no_type_check
def _reflectance_kernel(
    origin, directions, distance, kind, triangle, normals, standing, moving, objects, ground
):
    out = np.zeros(directions.shape[0])
    for i in range(directions.shape[0]):
        if kind[i] == 0:
            continue
        d, n, t = directions[i], normals[i], float(distance[i])
        x, y, z = origin[0] + d[0] * t, origin[1] + d[1] * t, origin[2] + d[2] * t
        nx, ny, nz = float(n[0]), float(n[1]), float(n[2])
        facing = max(-(nx * d[0] + ny * d[1] + nz * d[2]), 0.03)
        solid = standing if kind[i] == 1 else moving
        r, g, b, _, _ = _surface(
            x,
            y,
            z,
            nx,
            ny,
            nz,
            t * BEAM_ANGLE,
            facing,
            kind[i],
            triangle[i],
            solid,
            objects,
            ground,
        )
        out[i] = min((0.5 * r + 0.3 * g + 0.2 * b) * facing, 1.0)
    return out
