"""From first hits to light: shadow rays, surface colour, sun, sky, mirror images and haze.

Colours are linear RGB. All arrays are per ray.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32

from mim4d.world.ground import GroundTable
from mim4d.world.kernels import kernel
from mim4d.world.lighting import Light, sky_colour
from mim4d.world.noise import octave
from mim4d.world.surfaces import resolve, surface
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
        footprints: Vehicles near the camera: x, y, cos and sin of the yaw, half length, half width;
            the ground under and beside them is darker (sky light does not reach it).
        ground: The roads.
        light: Sun and sky.
        pixel_angle: Width of a pixel, radians.
        shadows: Trace a ray to the sun from every sunlit surface.
    """
    normals, materials, things = resolve(directions, hits, standing, moving)
    lit = np.ones(len(directions), dtype=np.uint8)
    if shadows:
        index, starts = _shadow_starts(
            origin, directions, hits.distance_m, hits.kind, normals, light.sun_direction
        )
        suns = np.tile(light.sun_direction.astype(np.float32), (len(index), 1))
        blocked = standing.blocks(starts, suns, SHADOW_REACH_M)
        blocked |= moving.blocks(starts, suns, SHADOW_REACH_M)
        lit[index[blocked]] = 0
    return _shade_kernel(
        origin.astype(np.float64),
        directions,
        hits.distance_m,
        hits.kind,
        normals,
        materials,
        things,
        lit,
        objects,
        footprints,
        (ground.pieces, ground.first, ground.roads, ground.look),
        light.values,
        pixel_angle,
    )


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
    normals,
    materials,
    things,
    lit,
    objects,
    footprints,
    ground,
    light,
    pixel_angle,
):
    pieces, first, roads, look = ground
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
        r, g, b, gloss, leaves = surface(
            x,
            y,
            z,
            nx,
            ny,
            nz,
            t * pixel_angle,
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
