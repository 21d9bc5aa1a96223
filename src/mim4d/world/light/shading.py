"""From first hits to light: shadow rays, surface colour, sun, sky, mirror images and haze.

Colours are linear RGB. World axes, metres; all arrays are per ray.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, UInt8

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import octave, value_noise
from mim4d.world.kernels.tracing import GROUND, NOTHING, Hits
from mim4d.world.light.contact import make_contact, sky_share
from mim4d.world.light.lighting import sky_colour
from mim4d.world.light.surfaces import Rays, Seen, Snapshot, finish_of, resolve, scenery
from mim4d.world.objects.meshes import Material

SHADOW_REACH_M = 150.0
FOLIAGE, PAINT, LIVERY = int(Material.FOLIAGE), int(Material.PAINT), int(Material.LIVERY)


def shade(rays: Rays, hits: Hits, snapshot: Snapshot, shadows: bool) -> Float32[np.ndarray, "r 3"]:
    """Linear RGB seen along each ray.

    Args:
        rays: Through the pixels' centres.
        hits: What `cast_rays` found along them.
        snapshot: The world at this exposure.
        shadows: Trace a ray to the sun from every sunlit surface.
    """
    seen = resolve(rays, hits, snapshot)
    sky = snapshot.light.sky
    if sum(sky.sun_colour) == 0.0:
        lit = np.zeros(len(rays.directions), dtype=np.uint8)
    elif shadows:
        lit = _sunlit(rays, seen, snapshot)
    else:
        lit = np.ones(len(rays.directions), dtype=np.uint8)
    return _shade_kernel(
        (tuple(rays.origin.tolist()), rays.directions, rays.width_rad),
        seen,
        lit,
        scenery(snapshot),
        make_contact(snapshot.footprints, rays.origin),
        sky,
    )


def _sunlit(rays: Rays, seen: Seen, snapshot: Snapshot) -> UInt8[np.ndarray, " r"]:
    """1 where nothing stands between the hit and the sun."""
    sun = snapshot.light.sun_direction.astype(np.float32)
    index, starts = _shadow_starts(rays.origin, rays.directions, seen, sun)
    suns = np.tile(sun, (len(index), 1))
    blocked = snapshot.standing.blocks(starts, suns, SHADOW_REACH_M)
    blocked |= snapshot.moving.blocks(starts, suns, SHADOW_REACH_M)
    lit = np.ones(len(rays.directions), dtype=np.uint8)
    lit[index[blocked]] = 0
    return lit


@kernel
@no_type_check
def _shadow_starts(origin, directions, seen, sun):
    """Indices of the hits that face the sun, and where their shadow rays start."""
    count, normals = 0, seen.normals
    index = np.empty(directions.shape[0], np.int32)
    starts = np.empty((directions.shape[0], 3), np.float32)
    for i in range(directions.shape[0]):
        facing = normals[i, 0] * sun[0] + normals[i, 1] * sun[1] + normals[i, 2] * sun[2]
        if seen.kind[i] == NOTHING or facing <= 0.0:
            continue
        distance = seen.distance[i]
        lift = 0.004 + 0.0002 * distance
        for c in range(3):
            starts[count, c] = origin[c] + directions[i, c] * distance + normals[i, c] * lift
        index[count] = i
        count += 1
    return index[:count], starts[:count]


@kernel
@no_type_check
def _surface_normal(flat, material, point, width):
    """The normal that light meets: leaves point everywhere, a car's flanks are rounded."""
    nx, ny, nz = flat
    if material == FOLIAGE:
        x, y, z = point
        nx += 1.6 * octave(x, y, z, 0.3, 1, width)
        ny += 1.6 * octave(x, y, z, 0.3, 2, width)
        nz += 1.6 * octave(x, y, z, 0.3, 3, width)
    elif material in (PAINT, LIVERY) and abs(nz) < 0.6:
        nz += 0.35 * min(max(point[2] - 0.65, -0.5), 0.6)
        shorter = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * shorter, ny * shorter, nz * shorter
    return nx, ny, nz


@kernel
@no_type_check
def _mirrored(sky, rx, ry, rz, dome):
    """What a mirror shows: sky, the houses and trees at its foot, or the street."""
    skyline = 0.06 + 0.34 * value_noise(2.6 * rx, 2.6 * ry, 0.5, sky.seed)
    share = min(max(0.5 + (rz - skyline) * 7.0, 0.0), 1.0)
    tone = dome * (0.22 if rz > 0.0 else 0.16)
    r, g, b = sky_colour(sky, rx, ry, max(rz, 0.03), False) if share > 0.0 else (0.0, 0.0, 0.0)
    return (
        tone * sky.horizon[0] + (r - tone * sky.horizon[0]) * share,
        tone * sky.horizon[1] + (g - tone * sky.horizon[1]) * share,
        tone * sky.horizon[2] + (b - tone * sky.horizon[2]) * share,
    )


@kernel
@no_type_check
def _lamplight(sky, finish):
    """What a surface gives off by itself."""
    return (
        finish.glow * finish.colour[0],
        finish.glow * finish.colour[1],
        finish.glow * finish.colour[2],
    )


@kernel
@no_type_check
def _shade_kernel(view, seen, lit, scenery, contact, sky):
    origin, directions, width = view
    distance, kinds, normals, materials, rows = seen
    out = np.empty((directions.shape[0], 3), np.float32)
    for i in range(directions.shape[0]):
        d = (float(directions[i, 0]), float(directions[i, 1]), float(directions[i, 2]))
        if kinds[i] == NOTHING:
            out[i, 0], out[i, 1], out[i, 2] = sky_colour(sky, d[0], d[1], d[2], True)
            continue
        t = float(distance[i])
        point = (origin[0] + d[0] * t, origin[1] + d[1] * t, origin[2] + d[2] * t)
        flat = (float(normals[i, 0]), float(normals[i, 1]), float(normals[i, 2]))
        facing = max(-(flat[0] * d[0] + flat[1] * d[1] + flat[2] * d[2]), 0.03)
        kind, material = kinds[i], materials[i]
        hit = (kind, material, rows[i])
        finish = finish_of(scenery, hit, point, flat, (t * width, t * width / facing))
        nx, ny, nz = _surface_normal(flat, material, point, t * width)
        if kind == GROUND:
            open_sky = sky_share(contact, point[0], point[1])
        else:
            open_sky = 0.55 + 0.45 * min(point[2], 1.5) / 1.5  # near the ground less sky is seen
        sun = max(nx * sky.sun[0] + ny * sky.sun[1] + nz * sky.sun[2], 0.0) * lit[i]
        sun += 0.08 - 0.08 * nz  # what the street throws back
        dome = sky.strength * open_sky * (0.55 + 0.45 * nz)
        r, g, b = finish.colour
        er, eg, eb = _lamplight(sky, finish)
        r *= sky.sun_colour[0] * sun + dome * (0.45 * sky.zenith[0] + 0.55 * sky.horizon[0])
        g *= sky.sun_colour[1] * sun + dome * (0.45 * sky.zenith[1] + 0.55 * sky.horizon[1])
        b *= sky.sun_colour[2] * sun + dome * (0.45 * sky.zenith[2] + 0.55 * sky.horizon[2])
        if finish.gloss > 0.02:
            across = max(-(nx * d[0] + ny * d[1] + nz * d[2]), 0.03)
            rx, ry, rz = d[0] + 2 * across * nx, d[1] + 2 * across * ny, d[2] + 2 * across * nz
            mirror = 0.06 + 0.6 * (1.0 - across) ** 4 + (0.16 if finish.gloss > 0.75 else 0.0)
            mirror *= finish.gloss
            sr, sg, sb = _mirrored(sky, rx, ry, rz, sky.strength)
            glint = max(rx * sky.sun[0] + ry * sky.sun[1] + rz * sky.sun[2], 0.0)
            glint = 3.0 * glint**160 * lit[i]
            r += mirror * (sr + glint * sky.sun_colour[0] - 0.5 * r)
            g += mirror * (sg + glint * sky.sun_colour[1] - 0.5 * g)
            b += mirror * (sb + glint * sky.sun_colour[2] - 0.5 * b)
        haze = 1.0 - math.exp(-t * sky.haze_per_m)
        out[i, 0] = max(r + er + (sky.horizon[0] * 0.9 - r - er) * haze, 0.0)
        out[i, 1] = max(g + eg + (sky.horizon[1] * 0.9 - g - eg) * haze, 0.0)
        out[i, 2] = max(b + eb + (sky.horizon[2] * 0.9 - b - eb) * haze, 0.0)
    return out
