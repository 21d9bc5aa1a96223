"""Repeatable noise for textures: hashes of integer cells and value noise, as numba kernels.

Every value is a pure function of its arguments, so textures stick to the world and two images of one
place agree. `footprint` is the width of a pixel on the surface (metres): detail finer than that fades
into its mean instead of flickering.
"""

import math
from typing import no_type_check

from mim4d.world.kernels import kernel


@kernel
@no_type_check
def cell_hash(i, j, k, seed):
    """A number in [0, 1) for an integer cell."""
    h = (i * 374761393 + j * 668265263 + k * 1442695041 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 3266489917) & 0xFFFFFFFF
    return (h ^ (h >> 16)) * (1.0 / 4294967296.0)


@kernel
@no_type_check
def value_noise(x, y, z, seed):
    """Smooth noise in [0, 1) with cells of size 1."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v), w * w * (3.0 - 2.0 * w)
    total = 0.0
    for c in range(2):
        wc = w if c else 1.0 - w
        if wc == 0.0:
            continue
        near = (1.0 - u) * cell_hash(i, j, k + c, seed) + u * cell_hash(i + 1, j, k + c, seed)
        far = (1.0 - u) * cell_hash(i, j + 1, k + c, seed) + u * cell_hash(
            i + 1, j + 1, k + c, seed
        )
        total += wc * ((1.0 - v) * near + v * far)
    return total


@kernel
@no_type_check
def octave(x, y, z, cell, seed, footprint):
    """Value noise with cells of `cell` metres, in [-0.5, 0.5], faded where pixels are wider."""
    fade = min(max(1.5 - footprint / cell, 0.0), 1.0)
    if fade == 0.0:
        return 0.0
    return fade * (value_noise(x / cell, y / cell, z / cell, seed) - 0.5)


@kernel
@no_type_check
def covered(x, half_width, footprint):
    """Share of a pixel centred at x that lies in [-half_width, half_width]."""
    reach = 0.5 * footprint + 1e-6
    overlap = min(x + reach, half_width) - max(x - reach, -half_width)
    return max(overlap, 0.0) / (2.0 * reach)


@kernel
@no_type_check
def periodic(x, period):
    """Signed distance to the nearest multiple of `period`."""
    return x - period * math.floor(x / period + 0.5)
