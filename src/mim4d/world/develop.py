"""The camera's response: from linear light to the 8-bit picture of a sensor behind a lens."""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, UInt8

from mim4d.world.kernels import kernel
from mim4d.world.lighting import Light


def develop(
    linear: Float32[np.ndarray, "h w 3"], light: Light, seed: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Lens blur, vignetting, exposure, tone curve and sensor noise; `seed` is the image's own."""
    knots = 4.0 * np.linspace(0.0, 1.0, 4096) ** 2
    curve = (255.0 * (1.0 - np.exp(-knots)) ** (1 / 2.2)).astype(np.float32)
    return _develop_kernel(linear, light.exposure, light.noise, curve, seed)


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
