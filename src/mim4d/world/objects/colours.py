"""Colours (linear RGB) and façade forms of objects: ten numbers each.

The first three are the first colour, the next three the second; the last four are a building's
window pitch (m), storey height (m), share of the pitch that is window, and style.
"""

import colorsys

import numpy as np
from jaxtyping import Float

from mim4d.world.objects.facades import BOARDS, BRICK, CURTAIN_WALL, PANEL, PLASTER, SHEET

Look = Float[np.ndarray, "10"]
PAINT_TONES = (0.12, 0.25, 0.5, 0.68, 0.92)  # black, anthracite, grey, silver, white
PAINT_HUES = (0.0, 0.03, 0.12, 0.35, 0.56, 0.62)
COMPANY_HUES = (0.0, 0.0, 0.05, 0.13, 0.34, 0.45, 0.57, 0.6, 0.62, 0.64, 0.78)
MACHINE_HUES = (0.115, 0.13, 0.07, 0.0, 0.4, 0.6)
MACHINE_SHARES = (0.35, 0.25, 0.2, 0.08, 0.06, 0.06)
STYLE_SHARES = {
    PLASTER: 0.36,
    BRICK: 0.26,
    CURTAIN_WALL: 0.1,
    PANEL: 0.13,
    BOARDS: 0.09,
    SHEET: 0.06,
}


def _rgb(hue: float, saturation: float, value: float) -> list[float]:
    """Linear RGB from hue, saturation and value as an eye would name them."""
    return [c**2.2 for c in colorsys.hsv_to_rgb(hue % 1.0, saturation, value)]


def _look(first: list[float], second: list[float]) -> Look:
    return np.array([*first, *second, 0.0, 0.0, 0.0, 0.0])


def _strong(rng: np.random.Generator) -> list[float]:
    """A saturated colour such as companies paint their vehicles with."""
    hue = float(rng.choice(COMPANY_HUES)) + float(rng.normal(0.0, 0.015))
    return _rgb(hue, rng.uniform(0.55, 0.9), rng.uniform(0.35, 0.75))


def _white(rng: np.random.Generator) -> list[float]:
    return _rgb(rng.uniform(0.0, 1.0), rng.uniform(0.0, 0.06), rng.uniform(0.8, 0.9))


def plain_look(rng: np.random.Generator) -> Look:
    """Any muted colour, and a stronger second one (signs, posters)."""
    first = _rgb(rng.uniform(0.02, 0.16), rng.uniform(0.05, 0.5), rng.uniform(0.35, 0.85))
    return _look(first, _rgb(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.4, 0.9)))


def foliage_look(rng: np.random.Generator) -> Look:
    """Leaves from dark green to autumn yellow; the second colour is the bark's."""
    autumn = rng.random() < 0.15
    hue = rng.uniform(0.05, 0.15) if autumn else rng.uniform(0.18, 0.29)
    leaves = _rgb(hue, rng.uniform(0.42, 0.72), rng.uniform(0.28, 0.5))
    bark = _rgb(rng.uniform(0.05, 0.1), rng.uniform(0.15, 0.45), rng.uniform(0.25, 0.5))
    return _look(leaves, bark)


def vehicle_look(rng: np.random.Generator) -> Look:
    """Mostly white, grey and black; the rest of any colour."""
    if rng.random() < 0.68:
        paint = _rgb(0.6, 0.05, float(rng.choice(PAINT_TONES)) * rng.uniform(0.9, 1.05))
    else:
        hue = float(rng.choice(PAINT_HUES)) + rng.normal(0.0, 0.02)
        paint = _rgb(hue, rng.uniform(0.35, 0.85), rng.uniform(0.25, 0.7))
    second = _rgb(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.9))
    return _look([min(c, 0.8) for c in paint], second)


def company_look(rng: np.random.Generator) -> Look:
    """Trucks, trailers and buses: white or a strong colour, with a strong second one."""
    if rng.random() < 0.5:
        return _look(_white(rng), _strong(rng))
    first = _strong(rng)
    return _look(first, _white(rng) if rng.random() < 0.6 else _strong(rng))


def machine_look(rng: np.random.Generator) -> Look:
    """Construction vehicles: yellow, orange, sometimes red, green or blue."""
    hue = float(
        rng.choice([0.115, 0.13, 0.07, 0.0, 0.4, 0.6], p=[0.35, 0.25, 0.2, 0.08, 0.06, 0.06])
    )
    return _look(_rgb(hue + rng.normal(0.0, 0.006), 0.9, rng.uniform(0.6, 0.9)), _strong(rng))


def person_look(rng: np.random.Generator) -> Look:
    """Any jacket, darker trousers."""
    muted = rng.random() < 0.5
    saturation = rng.uniform(0.05, 0.3) if muted else rng.uniform(0.4, 0.9)
    jacket = _rgb(rng.random(), saturation, rng.uniform(0.15, 0.9))
    blue = rng.random() < 0.45
    hue, grey = (rng.uniform(0.57, 0.66), 0.45) if blue else (rng.uniform(0.0, 0.15), 0.15)
    return _look(jacket, _rgb(hue, grey, rng.uniform(0.12, 0.55)))


def worker_look(rng: np.random.Generator) -> Look:
    """The helmet's colour, and dark or orange trousers (the vest has its own colour)."""
    helmet = _rgb(float(rng.choice([0.0, 0.05, 0.13, 0.6])), rng.choice([0.05, 0.9]), 0.9)
    orange = rng.random() < 0.4
    return _look(helmet, _rgb(0.05, 0.9, 0.8) if orange else _rgb(0.62, 0.4, rng.uniform(0.2, 0.4)))


def cycle_look(rng: np.random.Generator) -> Look:
    """A frame or tank of a strong colour, black or white; the rider wears it, too."""
    draw = rng.random()
    first = _strong(rng) if draw < 0.65 else (_rgb(0.0, 0.0, 0.15) if draw < 0.85 else _white(rng))
    dark = _rgb(rng.uniform(0.5, 0.7), rng.uniform(0.1, 0.5), rng.uniform(0.12, 0.5))
    return _look(first, _strong(rng) if rng.random() < 0.3 else dark)


def cone_look(rng: np.random.Generator) -> Look:
    """Orange, new or faded."""
    faded = rng.uniform(0.0, 0.35)
    return _look(_rgb(rng.uniform(0.015, 0.055), 0.95 - faded, 0.95 - 0.2 * faded), _white(rng))


def barrier_look(rng: np.random.Generator) -> Look:
    """Red and white, orange and white, or yellow and black."""
    kind = int(rng.integers(3))
    if kind == 2:
        return _look(
            _rgb(rng.uniform(0.11, 0.14), 0.9, rng.uniform(0.7, 0.9)), _rgb(0.0, 0.0, 0.12)
        )
    hue = rng.uniform(-0.01, 0.01) if kind == 0 else rng.uniform(0.03, 0.06)
    return _look(_rgb(hue, 0.88, rng.uniform(0.65, 0.9)), _white(rng))


def sign_look(rng: np.random.Generator) -> Look:
    """A post and a red, blue, yellow or green rim."""
    hue = float(rng.choice([0.0, 0.6, 0.13, 0.38], p=[0.45, 0.3, 0.15, 0.1]))
    return _look(_rgb(0.6, 0.05, 0.5), _rgb(hue, 0.9, rng.uniform(0.55, 0.8)))


def facade_look(rng: np.random.Generator) -> Look:
    """Colours of wall and trim; window pitch, storey height, share of window, style."""
    style = int(rng.choice(list(STYLE_SHARES), p=list(STYLE_SHARES.values())))
    hue, saturation, value = {
        PLASTER: ((0.0, 0.18), (0.03, 0.35), (0.55, 0.92)),
        BRICK: ((0.0, 0.08), (0.25, 0.6), (0.4, 0.7)),
        CURTAIN_WALL: ((0.5, 0.65), (0.05, 0.25), (0.35, 0.7)),
        PANEL: ((0.02, 0.16), (0.02, 0.15), (0.45, 0.8)),
        BOARDS: ((0.02, 0.65), (0.08, 0.32), (0.5, 0.9)),
        SHEET: ((0.0, 0.65), (0.03, 0.35), (0.4, 0.8)),
    }[style]
    wall = _rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    tone = rng.uniform(0.2, 0.45) if rng.random() < 0.4 else rng.uniform(0.6, 0.9)
    tint = rng.uniform(0.0, 0.1) if rng.random() < 0.75 else rng.uniform(0.3, 0.64)
    trim = _rgb(tint, 0.05 + 0.4 * rng.random() ** 2, tone)
    form = [rng.uniform(2.0, 4.2), rng.uniform(2.7, 3.6), rng.uniform(0.32, 0.68), float(style)]
    return np.array([*wall, *trim, *form])
