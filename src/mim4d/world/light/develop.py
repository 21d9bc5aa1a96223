"""The camera's response: from linear light to the 8-bit picture of a sensor behind a lens.

Noise comes before the tone curve, as in a sensor: its variance is the square of the read noise plus
value / electrons (shot noise), both in linear value after exposure.
"""

import math
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32, UInt8

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import random_bits
from mim4d.world.light.lighting import Light

BRIGHTEST = 4.0  # linear value at which the sensor is full
KNOTS = 4096
CONTRAST = 0.55  # how far the curve bends from a plain power towards an S


class _Response(NamedTuple):
    """What the kernel reads of `CameraSettings`."""

    exposure: Float[np.ndarray, "3"]
    vignetting: float
    spread: float
    per_electron: float
    read_variance: float
    curve: Float32[np.ndarray, " q"]


def tone_curve(value: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Grey level, 0 to 255, of a linear value after exposure: a shoulder, a power and a toe."""
    grey = (1.0 - np.exp(-np.clip(value, 0.0, BRIGHTEST))) ** (1 / 2.2)
    return np.asarray(255.0 * (grey + CONTRAST * (grey * grey * (3.0 - 2.0 * grey) - grey)))


def develop(
    linear: Float32[np.ndarray, "h w 3"], light: Light, seed: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Lens blur, vignetting, exposure, sensor noise and tone curve; `seed` is the image's own."""
    camera = light.camera
    knots = BRIGHTEST * np.linspace(0.0, 1.0, KNOTS) ** 2
    response = _Response(
        exposure=camera.exposure,
        vignetting=camera.vignetting,
        spread=camera.spread,
        per_electron=1.0 / camera.electrons,
        read_variance=camera.read_noise**2,
        curve=tone_curve(knots).astype(np.float32),
    )
    return _develop_kernel(linear, response, seed)


@kernel
@no_type_check
def _blurred(linear, v, u, c, side):
    """A pixel's light after the lens has spread some of it to its neighbours."""
    height, width = linear.shape[0], linear.shape[1]
    above, below = max(v - 1, 0), min(v + 1, height - 1)
    before, after = max(u - 1, 0), min(u + 1, width - 1)
    row = linear[v, before, c] + linear[v, after, c]
    column = linear[above, u, c] + linear[below, u, c]
    corner = linear[above, before, c] + linear[above, after, c]
    corner += linear[below, before, c] + linear[below, after, c]
    keep = 1.0 - 2.0 * side
    return keep * (keep * linear[v, u, c] + side * (row + column)) + side * side * corner


@kernel
@no_type_check
def _bell(bits):
    """Noise of mean 0 and variance 1 from 21 bits: the sum of three even numbers is nearly so."""
    total = float((bits & 127) + ((bits >> 7) & 127) + ((bits >> 14) & 127))
    return (total - 190.5) * (1.0 / 63.998)


@kernel
@no_type_check
def _develop_kernel(linear, response, seed):
    height, width = linear.shape[0], linear.shape[1]
    out = np.empty((height, width, 3), np.uint8)
    scale = (KNOTS - 1.0) / math.sqrt(BRIGHTEST)
    for v in range(height):
        for u in range(width):
            bits = random_bits(v, u, seed)
            off_axis = ((u + 0.5) / width - 0.5) ** 2 + ((v + 0.5) / height - 0.5) ** 2
            left = 1.0 - 2.0 * response.vignetting * off_axis  # 0.5 in the corners
            for c in range(3):
                value = _blurred(linear, v, u, c, response.spread) * response.exposure[c] * left
                spread = math.sqrt(response.read_variance + value * response.per_electron)
                value += spread * _bell(bits >> (21 * c))
                value = min(max(value, 0.0), 0.9999 * BRIGHTEST)
                level = response.curve[int(math.sqrt(value) * scale + 0.5)]
                out[v, u, c] = int(min(level + 0.5, 255.0))
    return out
