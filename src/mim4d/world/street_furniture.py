"""Cones, barriers and other things that stand in streets, drawn from a generator.

Each function returns a mesh in the object's own axes (x forward, y left, z up; origin at the middle
of the footprint on the ground; metres).
"""

import numpy as np

from mim4d.world.meshes import Material, Mesh, box, cylinder, join

PLAIN, METAL, RUBBER = int(Material.PLAIN), int(Material.METAL), int(Material.RUBBER)


def traffic_cone(rng: np.random.Generator) -> Mesh:
    """A cone on a square foot."""
    height, foot = float(rng.uniform(0.55, 1.05)), float(rng.uniform(0.16, 0.24))
    return join(
        [
            box((-foot, foot), (-foot, foot), (0.0, 0.05), RUBBER),
            cylinder(0.75 * foot, (0.05, height), PLAIN, 8, 0.03),
        ]
    )


def road_barrier(rng: np.random.Generator) -> Mesh:
    """An element about two metres long; it faces along x, its length runs along y."""
    half, height = float(rng.uniform(0.9, 1.3)), float(rng.uniform(0.8, 1.1))
    thick = float(rng.uniform(0.2, 0.3))
    return box((-thick, thick), (-half, half), (0.0, height), PLAIN, PLAIN)


def traffic_light(rng: np.random.Generator) -> Mesh:
    """A post with a head whose lamps face along x."""
    height = float(rng.uniform(2.8, 3.6))
    post = cylinder(0.06, (0.0, height), METAL, 6)
    return join([post, box((-0.1, 0.2), (-0.16, 0.16), (height - 0.9, height), RUBBER)])


def bollard(rng: np.random.Generator) -> Mesh:
    """A short post."""
    return cylinder(0.07, (0.0, float(rng.uniform(0.7, 1.0))), METAL, 7)


def bench(rng: np.random.Generator) -> Mesh:
    """A seat along y whose back is behind it."""
    half = float(rng.uniform(0.7, 1.0))
    planks = int(Material.PLANKS)
    seat = box((-0.25, 0.25), (-half, half), (0.4, 0.46), planks)
    back = box((-0.25, -0.2), (-half, half), (0.46, 0.85), planks)
    feet = [
        box((-0.22, 0.22), (y - 0.04, y + 0.04), (0.0, 0.4), METAL) for y in (-half / 2, half / 2)
    ]
    return join([seat, back, *feet])


def bus_shelter(rng: np.random.Generator) -> Mesh:
    """A roof on glass walls, open along x."""
    half, glass = float(rng.uniform(1.4, 2.4)), int(Material.GLASS)
    walls = [box((-0.7, 0.6), (y - 0.02, y + 0.02), (0.1, 2.2), glass) for y in (-half, half)]
    back = box((-0.72, -0.68), (-half, half), (0.1, 2.2), glass)
    roof = box((-0.8, 0.8), (-half - 0.1, half + 0.1), (2.3, 2.42), METAL)
    posts = [
        box((x - 0.05, x + 0.05), (y - 0.05, y + 0.05), (0.0, 2.3), METAL)
        for x in (-0.7, 0.6)
        for y in (-half, half)
    ]
    return join([*walls, back, roof, *posts])


def billboard(rng: np.random.Generator) -> Mesh:
    """A poster on two legs; it faces along x."""
    half, low = float(rng.uniform(0.9, 1.9)), float(rng.uniform(0.5, 1.6))
    board = box((-0.08, 0.08), (-half, half), (low, low + half * 1.3), int(Material.CARGO))
    legs = [
        box((-0.05, 0.05), (y - 0.05, y + 0.05), (0.0, low), METAL) for y in (-half / 2, half / 2)
    ]
    return join([board, *legs])
