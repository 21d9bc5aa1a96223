"""Buses, trailers and construction vehicles, drawn from a generator so that no two are alike.

Each function returns a mesh in the object's own axes (x forward, y left, z up; origin at the middle
of the footprint on the ground; metres).
"""

import numpy as np

from mim4d.world.meshes import Material, Mesh, box, join, tapered, wheel

PAINT, GLASS, CARGO = int(Material.PAINT), int(Material.GLASS), int(Material.CARGO)
RUBBER, METAL = int(Material.RUBBER), int(Material.METAL)


def _wheels(positions: tuple[float, ...], half: float, radius: float) -> list[Mesh]:
    sides = (-1.0, 1.0)
    return [wheel(x, s * (half - 0.13), radius, 0.26) for x in positions for s in sides]


def bus(rng: np.random.Generator) -> Mesh:
    """A city bus."""
    length, half = float(rng.uniform(10.0, 12.5)), float(rng.uniform(1.25, 1.45))
    height = float(rng.uniform(2.95, 3.6))
    front, back = length / 2, -length / 2
    return join(
        [
            box((back, front), (-half, half), (0.35, 1.3), PAINT),
            box((back, front), (-half, half), (1.3, 2.4), GLASS),
            box((back, front), (-half, half), (2.4, height), PAINT),
            *_wheels((back + 2.6, front - 2.6), half, 0.48),
        ]
    )


def bendy_bus(rng: np.random.Generator) -> Mesh:
    """A bus with a joint."""
    front, back = bus(rng).moved(3.6, 0.0), bus(rng)
    low, _ = front.extent
    return join([front, back.moved(float(low[0] + back.extent[0][0] - 0.6), 0.0)])


def tractor(rng: np.random.Generator) -> Mesh:
    """The short truck that draws a trailer."""
    half = float(rng.uniform(1.15, 1.25))
    return join(
        [
            box((0.7, 2.8), (-half, half), (0.5, 1.6), PAINT),
            tapered((0.7, 2.8, half), (0.7, 2.6, half - 0.1), (1.6, 2.6), GLASS, PAINT),
            box((0.7, 2.6), (-half + 0.1, half - 0.1), (2.6, 3.4), PAINT),
            box((-2.8, 0.7), (-0.5, 0.5), (0.6, 0.95), RUBBER),
            *_wheels((-1.6, 1.9), half, 0.5),
        ]
    )


def trailer(rng: np.random.Generator) -> Mesh:
    """A box trailer, its front along x."""
    length, half = float(rng.uniform(8.0, 13.5)), float(rng.uniform(1.2, 1.4))
    height = float(rng.uniform(3.4, 4.1))
    front, back = length / 2, -length / 2
    return join(
        [
            box((back, front), (-half, half), (1.15, height), CARGO),
            box((back + 0.2, front - 0.5), (-half + 0.4, half - 0.4), (0.9, 1.15), RUBBER),
            *_wheels((back + 1.2, back + 2.4, back + 3.6), half, 0.5),
        ]
    )


def construction_vehicle(rng: np.random.Generator) -> Mesh:
    """A wheel loader."""
    half = float(rng.uniform(1.1, 1.35))
    return join(
        [
            box((-2.8, 1.6), (-half + 0.3, half - 0.3), (0.7, 1.9), PAINT),
            tapered(
                (-1.0, 0.7, 0.75),
                (-0.9, 0.5, 0.65),
                (1.9, float(rng.uniform(3.0, 3.4))),
                GLASS,
                PAINT,
            ),
            box((2.3, 3.2), (-half, half), (0.1, 1.1), METAL),
            box((1.4, 2.4), (-0.4, 0.4), (0.5, 1.0), PAINT),
            *_wheels((-1.8, 1.2), half, 0.75),
        ]
    )
