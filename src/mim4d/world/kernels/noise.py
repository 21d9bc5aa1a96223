"""Repeatable noise for textures: hashes of integer cells and value noise, as numba kernels.

Every value is a pure function of its arguments, so textures stick to the world and two images of
one place agree. `footprint` is the width of a pixel on the surface (metres): detail finer than that
fades into its mean instead of flickering.
"""

import math
from typing import no_type_check

from mim4d.world.kernels.compile import kernel

# Odd multipliers of a cell's indices; sums of their products identify the cell.
STEP_X, STEP_Y, STEP_Z, STEP_SEED = (
    0x1E3779B97F4A7C15,
    0x3F58476D1CE4E5B9,
    0x14D049BB133111EB,
    0x2545F4914F6CDD1D,
)
MIX = 0x369DEA0F31A53F85
UNIT = 1.0 / 16777216.0


@kernel
@no_type_check
def _finish(h):
    """A number in [0, 1) from a sum of products (integers wrap at 64 bits)."""
    h = (h ^ (h >> 31)) * MIX
    h = (h ^ (h >> 29)) * MIX
    return ((h >> 38) & 0xFFFFFF) * UNIT


@kernel
@no_type_check
def random_bits(i, j, seed):
    """63 bits that depend on every bit of three integers."""
    h = i * STEP_X + j * STEP_Y + seed * STEP_SEED
    h = (h ^ (h >> 31)) * MIX
    h = (h ^ (h >> 29)) * MIX
    return (h ^ (h >> 32)) & 0x7FFFFFFFFFFFFFFF


@kernel
@no_type_check
def cell_hash(i, j, k, seed):
    """A number in [0, 1) for an integer cell."""
    return _finish(i * STEP_X + j * STEP_Y + k * STEP_Z + seed * STEP_SEED)


@kernel
@no_type_check
def _layer(u, v, h):
    """Smooth noise between the four corners of a cell; `h` belongs to its first corner."""
    near = (1.0 - u) * _finish(h) + u * _finish(h + STEP_X)
    far = (1.0 - u) * _finish(h + STEP_Y) + u * _finish(h + STEP_X + STEP_Y)
    return (1.0 - v) * near + v * far


@kernel
@no_type_check
def value_noise(x, y, z, seed):
    """Smooth noise in [0, 1) with cells of size 1."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    h = fx * STEP_X + fy * STEP_Y + fz * STEP_Z + seed * STEP_SEED
    u, v, w = x - fx, y - fy, z - fz
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    if w == 0.0:
        return _layer(u, v, h)
    w = w * w * (3.0 - 2.0 * w)
    return (1.0 - w) * _layer(u, v, h) + w * _layer(u, v, h + STEP_Z)


@kernel
@no_type_check
def octave(x, y, z, cell, seed, footprint):
    """Value noise with cells of `cell` metres, in [-0.5, 0.5], faded where pixels are wider."""
    if footprint >= 1.5 * cell:
        return 0.0
    inverse = 1.0 / cell
    fade = min(1.5 - footprint * inverse, 1.0)
    return fade * (value_noise(x * inverse, y * inverse, z * inverse, seed) - 0.5)


@kernel
@no_type_check
def flat_octave(x, y, layer, cell, seed, footprint):
    """`octave` on a plane; layers (integers) are independent of each other."""
    if footprint >= 1.5 * cell:
        return 0.0
    inverse = 1.0 / cell
    fade = min(1.5 - footprint * inverse, 1.0)
    return fade * (value_noise(x * inverse, y * inverse, 0.0, seed + 977 * layer) - 0.5)


@kernel
@no_type_check
def covered(x, half_width, footprint):
    """Share of a pixel centred at x that lies in [-half_width, half_width]."""
    reach = 0.5 * footprint + 1e-6
    overlap = min(x + reach, half_width) - max(x - reach, -half_width)
    return max(overlap, 0.0) / (2.0 * reach)


@kernel
@no_type_check
def detail(size, footprint):
    """How much of detail of this size is left, 0 to 1, where pixels are that wide."""
    return min(max(1.5 - footprint / size, 0.0), 1.0)


@kernel
@no_type_check
def within(x, low, high, footprint):
    """Share of a pixel centred at x that lies in [low, high]."""
    return covered(x - 0.5 * (low + high), 0.5 * (high - low), footprint)


@kernel
@no_type_check
def glyphs(u, v, height, seed, footprint):
    """Coverage by a line of writing of that height along u, its foot at v = 0."""
    if v < 0.0 or v >= height:
        return 0.0
    wide = 0.72 * height
    letter = math.floor(u / wide)
    if cell_hash(letter, 0, 11, seed) < 0.18:
        return 0.0
    dot = 4.0 * (u / wide - letter)
    row = math.floor(5.0 * v / height)
    ink = dot < 3.0 and cell_hash(4 * letter + math.floor(dot), row, 12, seed) < 0.62
    left = detail(0.25 * height, footprint)
    return left * ink + (1.0 - left) * 0.4


@kernel
@no_type_check
def periodic(x, period):
    """Signed distance to the nearest multiple of `period`."""
    return x - period * math.floor(x / period + 0.5)
