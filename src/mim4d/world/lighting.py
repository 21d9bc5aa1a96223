"""Sun, sky, haze and exposure of a scene, and the colour of the sky in a direction (linear RGB)."""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels import kernel
from mim4d.world.noise import value_noise


@dataclass(frozen=True)
class Light:
    """Light and camera response of one scene.

    Attributes:
        sun_direction: Unit vector from the ground to the sun.
        values: What the kernels read: sun direction, sun RGB, zenith RGB, horizon RGB, haze per
            metre, share of clouds, seed, sky strength.
        exposure: Gain before the tone curve, with white balance (RGB).
        noise: Standard deviation of the sensor noise, in grey levels.
    """

    sun_direction: Float[np.ndarray, "3"]
    values: Float[np.ndarray, " q"]
    exposure: Float[np.ndarray, "3"]
    noise: float


def sample_light(rng: np.random.Generator) -> Light:
    """Draw time of day, clouds, haze and exposure."""
    height, around = math.radians(rng.uniform(16.0, 68.0)), rng.uniform(-math.pi, math.pi)
    sun = np.array(
        [math.cos(height) * math.cos(around), math.cos(height) * math.sin(around), math.sin(height)]
    )
    overcast = rng.random() < 0.25
    low = max(0.0, 1.0 - math.degrees(height) / 45.0)
    strength = 0.12 if overcast else float(rng.uniform(2.0, 3.0))
    sun_rgb = strength * np.array([1.0, 0.95 - 0.17 * low, 0.88 - 0.38 * low])
    if overcast:
        grey = float(rng.uniform(0.85, 1.25))
        zenith, horizon = grey * np.array([0.8, 0.85, 0.92]), grey * np.array([1.0, 1.0, 1.02])
    else:
        deep = float(rng.uniform(0.6, 1.0))
        zenith = deep * np.array([0.25, 0.43, 0.85])
        horizon = np.array([0.85, 0.93, 1.05]) + low * np.array([0.2, 0.05, -0.12])
    sky = 0.95 if overcast else 0.6
    mean = strength * math.sin(height) + sky
    white = np.array([rng.uniform(0.94, 1.06), 1.0, rng.uniform(0.94, 1.06)])
    last = [rng.uniform(0.0004, 0.004), rng.uniform(0.1, 0.75), rng.integers(1 << 20), sky]
    return Light(
        sun_direction=sun,
        values=np.concatenate([sun, sun_rgb, zenith, horizon, last]).astype(np.float64),
        exposure=white * float(rng.uniform(2.2, 3.4)) / mean,
        noise=float(rng.uniform(0.6, 2.2)),
    )


@kernel
@no_type_check
def sky_colour(light, x, y, z):
    """Linear RGB of the sky in a unit direction; below the horizon, a dull ground."""
    up = max(z, 0.0)
    mix = (1.0 - up) ** 5
    r = light[6] + (light[9] - light[6]) * mix
    g = light[7] + (light[10] - light[7]) * mix
    b = light[8] + (light[11] - light[8]) * mix
    if z > 0.02:
        seed = int(light[14])
        u, v = 1.6 * x / (z + 0.12), 1.6 * y / (z + 0.12)
        cloud = 0.5 * value_noise(u, v, 0.0, seed) + 0.3 * value_noise(2.1 * u, 2.1 * v, 0.0, seed)
        cloud += 0.2 * value_noise(4.7 * u, 4.7 * v, 0.0, seed)
        cloud = min(max((cloud - 1.0 + light[13]) * 3.0, 0.0), 1.0) * min(1.0, 6.0 * z)
        white = 0.75 * (light[9] + light[10]) * 0.62
        r, g, b = r + (white - r) * cloud, g + (white - g) * cloud, b + (white * 1.02 - b) * cloud
    else:
        r, g, b = r * 0.45, g * 0.43, b * 0.38
    return r, g, b
