"""Trees: broad crowns, cones, poplars, palms; each drawn anew.

A mesh is in the tree's own axes (z up; origin at the foot of the trunk on the ground; metres).
"""

import math

import numpy as np

from mim4d.world.objects.meshes import Material, Mesh, beam, blob, cylinder, hull, join

BARK, FOLIAGE = int(Material.BARK), int(Material.FOLIAGE)


def tree(rng: np.random.Generator) -> Mesh:
    """Any tree."""
    sort = float(rng.random())
    if sort < 0.22:
        return _conifer(rng)
    if sort < 0.32:
        return _poplar(rng)
    return _palm(rng) if sort > 0.95 else _broad(rng, (1.8, 2.8), 8.5)


def street_tree(rng: np.random.Generator) -> Mesh:
    """A tree whose crown is clear of traffic below."""
    return _palm(rng) if rng.random() < 0.06 else _broad(rng, (2.9, 3.6), 6.0)


def _broad(rng: np.random.Generator, trunk_m: tuple[float, float], most: float) -> Mesh:
    """A trunk that forks into lumps of leaves, up to `most` metres high together."""
    trunk = float(rng.uniform(*trunk_m))
    height = trunk + float(rng.uniform(2.5, most))
    radius = 0.05 + 0.016 * height
    half = (height - trunk) / 2
    wide = half * float(rng.uniform(0.65, 0.95))
    parts = [cylinder(radius, (0.0, trunk), BARK, 7, 0.8 * radius)]
    lumps = int(rng.integers(3, 6))
    turn = float(rng.uniform(0.0, 2 * math.pi))
    for i in range(lumps):
        out = wide * float(rng.uniform(0.25, 0.5)) * (i > 0)
        angle = turn + 2 * math.pi * i / max(lumps - 1, 1)
        x, y = out * math.cos(angle), out * math.sin(angle)
        z = trunk + half * (1.15 if i == 0 else float(rng.uniform(0.65, 1.25)))
        size = 0.72 if i == 0 else float(rng.uniform(0.42, 0.66))
        high = half * (0.8 if i == 0 else 0.62) * float(rng.uniform(0.85, 1.1))
        high = min(high, z - trunk + 0.3)
        parts.append(beam((0.0, 0.0, 0.8 * trunk), (x, y, z), (0.6 * radius, 0.3 * radius), BARK))
        parts.append(blob((wide * size, wide * size, high), z, rng).moved(x, y))
    return join(parts)


def _conifer(rng: np.random.Generator) -> Mesh:
    """Tiers of cones."""
    height, low = float(rng.uniform(4.5, 11.0)), float(rng.uniform(0.6, 1.5))
    wide, tiers = 0.2 * height, int(rng.integers(3, 5))
    step = (height - low) / (tiers + 0.6)
    parts = [cylinder(0.02 * height, (0.0, 0.5 * height), BARK, 6, 0.01 * height)]
    for i in range(tiers):
        foot, share = low + i * step, 1.0 - i / (tiers + 0.4)
        cone = cylinder(wide * share, (foot, foot + 1.6 * step), FOLIAGE, 9, 0.04)
        parts.append(cone.moved(0.0, 0.0, 0.0, float(rng.uniform(0.0, 1.0))))
    return join(parts)


def _poplar(rng: np.random.Generator) -> Mesh:
    """Slender and tall."""
    height, wide = float(rng.uniform(7.0, 12.0)), float(rng.uniform(0.7, 1.1))
    trunk = cylinder(0.14, (0.0, 2.0), BARK, 6)
    return join([trunk, blob((wide, wide, 0.46 * height), 0.54 * height, rng)])


def _palm(rng: np.random.Generator) -> Mesh:
    """A bare trunk under a crown of hanging fronds."""
    height = float(rng.uniform(4.5, 7.5))
    parts = [cylinder(0.17, (0.0, height), BARK, 7, 0.12)]
    fronds = int(rng.integers(9, 13))
    for i in range(fronds):
        angle = 2 * math.pi * i / fronds + float(rng.uniform(-0.2, 0.2))
        length, rise = float(rng.uniform(1.5, 2.1)), float(rng.uniform(0.1, 0.8))
        along = np.linspace(0.0, 1.0, 4)
        x, z = length * along, height + rise * along - 1.5 * along**2.2
        wide = np.array([0.08, 0.28, 0.24, 0.02])
        sag = 0.5 * wide
        ring = np.stack(
            [
                np.stack([x, -wide, z - sag], axis=-1),
                np.stack([x, 0.0 * x, z], axis=-1),
                np.stack([x, wide, z - sag], axis=-1),
            ],
            axis=1,
        )
        frond = hull(ring, [FOLIAGE] * 3, (FOLIAGE, FOLIAGE))
        parts.append(frond.moved(0.0, 0.0, 0.0, angle))
    return join(parts)
