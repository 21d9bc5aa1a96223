"""Bicycles and motorcycles, with and without somebody on them.

Each function returns a mesh in the object's own axes (x forward, y left, z up; origin at the middle
of the footprint on the ground; metres).
"""

import numpy as np

from mim4d.world.meshes import Material, Mesh, box, join, tapered, wheel

PLAIN, SECOND, PAINT = int(Material.PLAIN), int(Material.SECOND), int(Material.PAINT)
METAL, RUBBER, SKIN = int(Material.METAL), int(Material.RUBBER), int(Material.SKIN)


def _rider(seat_z: float) -> list[Mesh]:
    torso = tapered((-0.35, -0.1, 0.16), (-0.1, 0.12, 0.2), (seat_z, seat_z + 0.55), PLAIN, PLAIN)
    thighs = box((-0.25, 0.2), (-0.18, 0.18), (seat_z - 0.15, seat_z + 0.02), SECOND)
    legs = box((0.05, 0.2), (-0.18, 0.18), (0.25, seat_z - 0.1), SECOND)
    head = box((-0.05, 0.15), (-0.09, 0.09), (seat_z + 0.58, seat_z + 0.82), SKIN)
    return [torso, thighs, legs, head]


def bicycle(rng: np.random.Generator, rider: bool) -> Mesh:
    """Two wheels, a frame, a saddle and a handlebar."""
    radius = float(rng.uniform(0.32, 0.36))
    at = float(rng.uniform(0.5, 0.56))
    parts = [
        wheel(at, 0.0, radius, 0.04),
        wheel(-at, 0.0, radius, 0.04),
        box((-at, at - 0.1), (-0.02, 0.02), (0.45, 0.52), PAINT),
        box((-0.25, -0.2), (-0.02, 0.02), (0.4, 0.95), PAINT),
        box((-0.35, -0.1), (-0.07, 0.07), (0.93, 1.0), RUBBER),
        box((at - 0.12, at - 0.07), (-0.02, 0.02), (0.35, 1.0), PAINT),
        box((at - 0.16, at - 0.1), (-0.29, 0.29), (1.0, 1.04), METAL),
    ]
    return join([*parts, *(_rider(1.0) if rider else [])])


def motorcycle(rng: np.random.Generator, rider: bool) -> Mesh:
    """Two fat wheels, a tank and seat, a handlebar."""
    at = float(rng.uniform(0.64, 0.78))
    parts = [
        wheel(at, 0.0, 0.31, 0.13),
        wheel(-at, 0.0, 0.31, 0.16),
        box((-0.35, 0.35), (-0.16, 0.16), (0.25, 0.62), METAL),
        tapered((-0.1, 0.4, 0.14), (0.0, 0.35, 0.11), (0.62, 0.95), PAINT, PAINT),
        box((-0.8, -0.05), (-0.14, 0.14), (0.66, 0.8), RUBBER),
        box((0.4, 0.5), (-0.08, 0.08), (0.5, 1.0), METAL),
        box((0.3, 0.38), (-0.38, 0.38), (1.0, 1.05), METAL),
    ]
    return join([*parts, *(_rider(0.82) if rider else [])])
