"""From first hits to pictures: shadow rays, surface colour, light, haze, and the camera's response.

Colours are linear RGB until `develop`. All arrays are per ray, in the order of the image's rows.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, UInt8

from mim4d.world.ground import GroundTable, ground_albedo
from mim4d.world.kernels import kernel
from mim4d.world.lighting import Light, sky_colour
from mim4d.world.materials import object_albedo
from mim4d.world.noise import octave
from mim4d.world.tracing import Hits, Solid

SHADOW_REACH_M = 150.0


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
        across = t * pixel_angle
        along = across / facing
        mean = math.sqrt(across * along)
        sky, gloss = 1.0, 0.0
        if kind[i] == 3:
            r, g, b = ground_albedo(
                ground[0], ground[1], ground[2], ground[3], x, y, mean, 0.5 * along
            )
            if t < 45.0:
                sky = _contact(x, y, footprints)
        else:
            solid = standing if kind[i] == 1 else moving
            material = solid[0][triangle[i]]
            thing = objects[solid[1][triangle[i]]]
            cos, sin = thing[3], thing[4]
            px, py = x - thing[0], y - thing[1]
            p = (px * cos + py * sin, py * cos - px * sin, z - thing[2])
            n = (nx * cos + ny * sin, ny * cos - nx * sin, nz)
            r, g, b, gloss = object_albedo(material, thing, p, n, mean, 0.7 * along)
            if material == 8:  # leaves point everywhere
                seed = int(thing[5])
                nx += 1.6 * octave(p[0], p[1], p[2], 0.3, seed + 1, mean)
                ny += 1.6 * octave(p[0], p[1], p[2], 0.3, seed + 2, mean)
                nz += 1.6 * octave(p[0], p[1], p[2], 0.3, seed + 3, mean)
            sky = 0.55 + 0.45 * min(z, 1.5) / 1.5  # near the ground less sky is seen
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


def develop(
    linear: Float32[np.ndarray, "h w 3"], light: Light, seed: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Lens blur, vignetting, exposure, tone curve and sensor noise; `seed` is the image's own."""
    knots = 4.0 * np.linspace(0.0, 1.0, 4096) ** 2
    curve = (255.0 * (1.0 - np.exp(-knots)) ** (1 / 2.2)).astype(np.float32)
    return _develop_kernel(linear, light.exposure, light.noise, curve, seed)  # type: ignore[no-any-return]


@kernel
@no_type_check
def _develop_kernel(linear, exposure, noise, curve, seed):
    height, width = linear.shape[0], linear.shape[1]
    out = np.empty((height, width, 3), np.uint8)
    side = 0.11  # weight of either neighbour along a row or a column
    for v in range(height):
        above, below = max(v - 1, 0), min(v + 1, height - 1)
        for u in range(width):
            before, after = max(u - 1, 0), min(u + 1, width - 1)
            h = (v * 73856093 + u * 19349663 + seed * 83492791) & 0xFFFFFFFFFFFF
            h = (h ^ (h >> 17)) * 0x2545F4914F6CDD1D
            h = (h ^ (h >> 29)) * 0x1B873593CC9E2D51
            h = h ^ (h >> 32)
            shared = float((h & 255) + ((h >> 8) & 255) + ((h >> 16) & 255)) - 382.5
            radius = ((u + 0.5) / width - 0.5) ** 2 + ((v + 0.5) / height - 0.5) ** 2
            for c in range(3):
                row = linear[v, before, c] + linear[v, after, c]
                column = linear[above, u, c] + linear[below, u, c]
                corner = linear[above, before, c] + linear[above, after, c]
                corner += linear[below, before, c] + linear[below, after, c]
                keep = 1.0 - 2.0 * side
                value = (
                    keep * (keep * linear[v, u, c] + side * (row + column)) + side * side * corner
                )
                value *= exposure[c] * (1.0 - 0.35 * radius)
                level = curve[int(math.sqrt(min(value, 3.999) * 0.25) * 4095.0)]
                own = float((h >> (24 + 8 * c)) & 255) - 127.5
                level += noise * (shared * 0.0055 + own * 0.008)
                out[v, u, c] = int(min(max(level + 0.5, 0.0), 255.0))
    return out
