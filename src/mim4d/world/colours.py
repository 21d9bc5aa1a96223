"""Colours (linear RGB) and façade forms of objects: ten numbers each."""

import colorsys

import numpy as np
from jaxtyping import Float

from mim4d.world.materials import STYLE_BRICK, STYLE_GLASS, STYLE_PLASTER


def _rgb(hue: float, saturation: float, value: float) -> list[float]:
    """Linear RGB from hue, saturation and value as an eye would name them."""
    return [c**2.2 for c in colorsys.hsv_to_rgb(hue % 1.0, saturation, value)]


def plain_look(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Any muted colour, and a stronger second one (signs, posters)."""
    first = _rgb(rng.uniform(0.02, 0.16), rng.uniform(0.05, 0.5), rng.uniform(0.35, 0.85))
    second = _rgb(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.4, 0.9))
    return np.array([*first, *second, 0.0, 0.0, 0.0, 0.0])


def foliage_look(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Leaves from dark green to autumn yellow; the second colour is the bark's."""
    autumn = rng.random() < 0.15
    hue = rng.uniform(0.05, 0.15) if autumn else rng.uniform(0.18, 0.29)
    leaves = _rgb(hue, rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5))
    bark = _rgb(rng.uniform(0.05, 0.1), rng.uniform(0.15, 0.45), rng.uniform(0.25, 0.5))
    return np.array([*leaves, *bark, 0.0, 0.0, 0.0, 0.0])


def vehicle_look(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Mostly white, grey and black cars; the rest of any colour."""
    if rng.random() < 0.68:
        paint = _rgb(
            0.6, 0.05, float(rng.choice([0.12, 0.25, 0.5, 0.68, 0.92])) * rng.uniform(0.9, 1.05)
        )
    else:
        hue = float(rng.choice([0.0, 0.03, 0.12, 0.35, 0.56, 0.62])) + rng.normal(0.0, 0.02)
        paint = _rgb(hue, rng.uniform(0.35, 0.85), rng.uniform(0.25, 0.7))
    second = _rgb(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.9))
    return np.array([*np.minimum(paint, 0.8), *second, 0.0, 0.0, 0.0, 0.0])


def person_look(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Any jacket, darker trousers."""
    jacket = _rgb(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.9))
    trousers = _rgb(rng.uniform(0.5, 0.7), rng.uniform(0.1, 0.6), rng.uniform(0.12, 0.5))
    return np.array([*jacket, *trousers, 0.0, 0.0, 0.0, 0.0])


def facade_look(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Plaster, brick or curtain wall; window pitch, storey height, share of window, style."""
    style = int(rng.choice([STYLE_PLASTER, STYLE_BRICK, STYLE_GLASS], p=[0.5, 0.36, 0.14]))
    if style == STYLE_BRICK:
        wall = _rgb(rng.uniform(0.0, 0.08), rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.7))
    elif style == STYLE_GLASS:
        wall = _rgb(rng.uniform(0.5, 0.65), rng.uniform(0.05, 0.25), rng.uniform(0.35, 0.7))
    else:
        wall = _rgb(rng.uniform(0.0, 0.18), rng.uniform(0.03, 0.35), rng.uniform(0.55, 0.92))
    dark = rng.random() < 0.4
    trim = _rgb(
        rng.uniform(0.0, 0.1),
        rng.uniform(0.05, 0.5),
        rng.uniform(0.2, 0.45) if dark else rng.uniform(0.6, 0.9),
    )
    form = [rng.uniform(2.0, 4.2), rng.uniform(2.7, 3.6), rng.uniform(0.32, 0.68), float(style)]
    return np.array([*wall, *trim, *form])
