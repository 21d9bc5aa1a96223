"""Sun, sky, haze and camera settings of a scene, and the colour of the sky in a direction.

Colours are linear RGB in units of the light's own; `exposure` brings them to the camera's scale.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.noise import value_noise

Weather = Literal["clear", "low_sun", "overcast", "dusk"]
WEATHERS: tuple[Weather, ...] = ("clear", "low_sun", "overcast", "dusk")
WEATHER_SHARES = (0.45, 0.2, 0.25, 0.1)
CLEAR_SIGHT_M, HAZY_SIGHT_M = (2500.0, 15000.0), (150.0, 2500.0)
HAZY_SHARE = 0.25
STREET_M, STREET_ALBEDO = 40.0, 0.25  # typical distance and albedo of what cameras see
METERED = 0.47  # linear value to which the camera's automatic brings a street
EXTRA_STOPS: dict[Weather, float] = {"clear": 0.3, "low_sun": 0.0, "overcast": -0.3, "dusk": -1.3}
HAZE_HEIGHT_M = 60.0  # the haze lies on the ground, as if it ended at this height
Colour = tuple[float, float, float]


class Sky(NamedTuple):
    """What the shading kernels read.

    Attributes:
        sun: Unit vector from the ground to the sun.
        sun_colour: Its light on a surface that faces it.
        zenith: Colour of the sky above.
        horizon: Colour of the sky at its foot.
        halo: Colour added around the sun.
        strength: Share of the sky's light that reaches surfaces.
        haze_per_m: Share of light lost in the haze.
        clouds: Cover, 0 to 1.
        lamps: How far lamps and windows are lit, 0 to 1.
        seed: Of the clouds.
    """

    sun: Colour
    sun_colour: Colour
    zenith: Colour
    horizon: Colour
    halo: Colour
    strength: float
    haze_per_m: float
    clouds: float
    lamps: float
    seed: int


@dataclass(frozen=True)
class CameraSettings:
    """Lens and sensor of a scene's cameras.

    Attributes:
        exposure: Gain before the tone curve, with white balance (RGB).
        vignetting: Light lost in the corners, as a share.
        spread: Light a pixel gives to either neighbour along a row or a column.
        electrons: Charge at linear value 1: the variance of the shot noise is value / electrons.
        read_noise: Standard deviation of the noise in the dark, in linear value.
    """

    exposure: Float[np.ndarray, "3"]
    vignetting: float
    spread: float
    electrons: float
    read_noise: float


@dataclass(frozen=True)
class Light:
    """Light of one scene, and the cameras' settings for it.

    Attributes:
        weather: What it is like.
        sky: What the kernels read.
        camera: Lens and sensor.
    """

    weather: Weather
    sky: Sky
    camera: CameraSettings

    @property
    def sun_direction(self) -> Float[np.ndarray, "3"]:
        """Unit vector from the ground to the sun."""
        return np.array(self.sky.sun)


def sample_light(rng: np.random.Generator) -> Light:
    """Draw time of day, clouds, haze and camera settings."""
    weather = WEATHERS[int(rng.choice(len(WEATHERS), p=WEATHER_SHARES))]
    low, high = {
        "clear": (20.0, 68.0),
        "low_sun": (6.0, 20.0),
        "overcast": (20.0, 60.0),
        "dusk": (2.0, 4.0),
    }[weather]
    sky = _sample_sky(weather, math.radians(rng.uniform(low, high)), rng)
    return Light(weather, sky, _sample_camera(sky, weather, rng))


def _sample_sky(weather: Weather, height: float, rng: np.random.Generator) -> Sky:
    around = float(rng.uniform(-math.pi, math.pi))
    sun = (
        math.cos(height) * math.cos(around),
        math.cos(height) * math.sin(around),
        math.sin(height),
    )
    sun_colour, zenith, horizon, halo, strength = _colours(weather, height, rng)
    near, far = HAZY_SIGHT_M if rng.random() < HAZY_SHARE else CLEAR_SIGHT_M
    sight = math.exp(rng.uniform(math.log(near), math.log(far)))
    covers = {
        "clear": (0.1, 0.7),
        "low_sun": (0.1, 0.6),
        "overcast": (0.5, 1.0),
        "dusk": (0.2, 0.8),
    }
    return Sky(
        sun=sun,
        sun_colour=sun_colour,
        zenith=zenith,
        horizon=horizon,
        halo=halo,
        strength=strength,
        haze_per_m=3.0 / sight,  # a black thing keeps exp(-3) = 5 % of its contrast there
        clouds=float(rng.uniform(*covers[weather])),
        lamps=float(rng.uniform(0.75, 1.0)) if weather == "dusk" else 0.0,
        seed=int(rng.integers(1 << 20)),
    )


def _colours(
    weather: Weather, height: float, rng: np.random.Generator
) -> tuple[Colour, Colour, Colour, Colour, float]:
    """Of the sun, the zenith, the horizon, the halo, and the sky's strength."""
    low = max(0.0, 1.0 - math.degrees(height) / 40.0)
    if weather == "overcast":
        grey, tint = float(rng.uniform(0.75, 1.15)), float(rng.uniform(0.0, 1.0))
        cool = (0.8 - 0.06 * tint, 0.85, 0.92 + 0.06 * tint)
        zenith = _times(grey, cool)
        return (0.13, 0.13, 0.13), zenith, _times(grey, (1.0, 1.0, 1.03)), (0.06, 0.06, 0.06), 0.95
    if weather == "dusk":
        deep, warm = float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.0, 1.0))
        zenith = _times(deep, (0.1, 0.2, 0.5))
        horizon = _times(deep, (0.34 + 0.4 * warm, 0.42 + 0.1 * warm, 0.66 - 0.14 * warm))
        return (0.0, 0.0, 0.0), zenith, horizon, (0.9 * warm, 0.45 * warm, 0.15 * warm), 0.9
    power = float(rng.uniform(2.0, 3.0)) * (1.0 - 0.35 * low)
    sun = _times(power, (1.0, 0.95 - 0.28 * low, 0.88 - 0.52 * low))
    zenith = _times(float(rng.uniform(0.6, 1.0)), (0.25, 0.43, 0.85))
    horizon = (0.85 + 0.2 * low, 0.93 + 0.03 * low, 1.05 - 0.2 * low)
    halo = (0.55 + 0.5 * low, 0.5 + 0.25 * low, 0.45)
    return sun, zenith, horizon, halo, float(rng.uniform(0.5, 0.7))


def _times(factor: float, colour: Colour) -> Colour:
    return (factor * colour[0], factor * colour[1], factor * colour[2])


def _sample_camera(sky: Sky, weather: Weather, rng: np.random.Generator) -> CameraSettings:
    """Settings that meet the light, as a camera's automatic does, well or less well."""
    dark = weather == "dusk"
    white = np.exp(rng.uniform(-0.09, 0.09, size=3) * np.array([1.0, 0.25, 1.0]))
    stops = float(rng.uniform(-0.5, 0.4)) + EXTRA_STOPS[weather]
    least, most = (500.0, 1500.0) if dark else (1500.0, 9000.0)
    return CameraSettings(
        exposure=white * METERED * 2.0**stops / _street_brightness(sky),
        vignetting=float(rng.uniform(0.08, 0.3)),
        spread=float(rng.uniform(0.06, 0.14)),
        electrons=math.exp(rng.uniform(math.log(least), math.log(most))),
        read_noise=float(rng.uniform(0.001, 0.004)),
    )


def _street_brightness(sky: Sky) -> float:
    """Mean linear value of what a camera sees below the horizon."""
    horizon = sum(sky.horizon) / 3.0
    sun = sum(sky.sun_colour) / 3.0 * (0.25 + 0.75 * sky.sun[2])
    dome = sky.strength * (0.15 * sum(sky.zenith) + 0.55 * horizon)
    haze = 1.0 - math.exp(-STREET_M * sky.haze_per_m)
    return (1.0 - haze) * STREET_ALBEDO * (sun + dome) + haze * 0.9 * horizon


@kernel
@no_type_check
def sky_colour(sky, x, y, z, fine):
    """Linear RGB of the sky in a unit direction; below the horizon, a dull ground.

    `fine`: with the smaller clouds (mirror images go without).
    """
    up = max(z, 0.0)
    mix = (1.0 - up) ** 5
    r = sky.zenith[0] + (sky.horizon[0] - sky.zenith[0]) * mix
    g = sky.zenith[1] + (sky.horizon[1] - sky.zenith[1]) * mix
    b = sky.zenith[2] + (sky.horizon[2] - sky.zenith[2]) * mix
    if z <= 0.02:
        return r * 0.45, g * 0.43, b * 0.38
    towards = max(x * sky.sun[0] + y * sky.sun[1] + z * sky.sun[2], 0.0)
    halo = 0.45 * towards**8 + towards**90
    r, g, b = r + sky.halo[0] * halo, g + sky.halo[1] * halo, b + sky.halo[2] * halo
    u, v = 1.6 * x / (z + 0.12), 1.6 * y / (z + 0.12)
    cloud = 0.5 * value_noise(u, v, 0.0, sky.seed)
    if fine:
        cloud += 0.3 * value_noise(2.1 * u, 2.1 * v, 0.0, sky.seed)
        cloud += 0.2 * value_noise(4.7 * u, 4.7 * v, 0.0, sky.seed)
    else:
        cloud += 0.25
    thick = (cloud - 1.0 + sky.clouds) * 3.0
    cover = min(max(thick, 0.0), 1.0) * min(1.0, 6.0 * z)
    lit = (0.46 + 0.35 * halo) * (1.12 - 0.22 * min(max(thick - 0.6, 0.0), 1.0))
    white = lit * (sky.horizon[0] + sky.horizon[1])
    warm = 1.0 + 0.12 * (sky.horizon[0] - sky.horizon[2])
    r, g, b = (
        r + (white * warm - r) * cover,
        g + (white - g) * cover,
        b + (white / warm - b) * cover,
    )
    return r, g, b
