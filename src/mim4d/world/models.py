"""Shapes of what stands and moves in a street, drawn from a generator so that no two are alike.

Each function returns a mesh in the object's own axes (x forward, y left, z up; origin at the middle
of the footprint on the ground; metres).
"""

import numpy as np

from mim4d.world.meshes import (
    Material,
    Mesh,
    blob,
    box,
    cylinder,
    gable,
    join,
    tapered,
    wheel,
)

PLAIN, SECOND, PAINT = int(Material.PLAIN), int(Material.SECOND), int(Material.PAINT)
GLASS, FACADE, ROOF = int(Material.GLASS), int(Material.FACADE), int(Material.ROOF)
METAL, RUBBER = int(Material.METAL), int(Material.RUBBER)


def _lamps(front: float, back: float, half: float, z: float) -> list[Mesh]:
    """Head and tail lamps, a little proud of the body, and a dark number plate at the back."""
    parts = []
    for side in (-1.0, 1.0):
        inner, outer = sorted((side * half * 0.62, side * half * 0.95))
        head, tail = int(Material.HEADLIGHT), int(Material.TAILLIGHT)
        parts.append(box((front - 0.1, front + 0.01), (inner, outer), (z, z + 0.14), head))
        parts.append(box((back - 0.01, back + 0.1), (inner, outer), (z + 0.05, z + 0.24), tail))
    parts.append(box((back - 0.015, back), (-0.26, 0.26), (z - 0.12, z), SECOND))
    parts.append(box((front, front + 0.015), (-0.5, 0.5), (z - 0.16, z), RUBBER))
    return parts


def _wheels(positions: tuple[float, ...], half: float, radius: float) -> list[Mesh]:
    sides = (-1.0, 1.0)
    return [wheel(x, s * (half - 0.11), radius, 0.24) for x in positions for s in sides]


def car(rng: np.random.Generator) -> Mesh:
    """Saloon, hatchback, estate, sports utility or small van."""
    length, width = float(rng.uniform(3.7, 4.9)), float(rng.uniform(1.68, 1.95))
    body = str(
        rng.choice(["saloon", "hatch", "estate", "suv", "van"], p=[0.3, 0.3, 0.15, 0.17, 0.08])
    )
    height = {"saloon": 1.45, "hatch": 1.5, "estate": 1.5, "suv": 1.75, "van": 1.95}[body]
    height += float(rng.uniform(-0.05, 0.08))
    belt = height * float(rng.uniform(0.56, 0.62))
    front, back, half = length / 2, -length / 2, width / 2
    hood = front - length * {"van": 0.14, "hatch": 0.24}.get(body, 0.27)
    trunk = back + length * {"saloon": 0.16}.get(body, 0.02)
    roof_front = hood - 0.55 - 0.1 * float(rng.random())
    roof_back = trunk + {"saloon": 0.6, "hatch": 0.4, "estate": 0.2}.get(body, 0.12)
    radius = 0.36 if body in ("suv", "van") else 0.32
    parts = [
        # Sills, then the body up to the belt line, then the glasshouse and its roof.
        tapered(
            (back + 0.06, front - 0.06, half - 0.06), (back, front, half), (0.2, 0.42), PAINT, PAINT
        ),
        tapered(
            (back, front, half),
            (back + 0.05, front - 0.18, half - 0.04),
            (0.42, belt),
            PAINT,
            PAINT,
        ),
        tapered(
            (trunk, hood, half - 0.06),
            (roof_back, roof_front, half - 0.22),
            (belt, height - 0.05),
            GLASS,
            PAINT,
        ),
        tapered(
            (roof_back, roof_front, half - 0.22),
            (roof_back + 0.08, roof_front - 0.08, half - 0.28),
            (height - 0.05, height),
            PAINT,
            PAINT,
        ),
        *_wheels((back + length * 0.19, front - length * 0.2), half, radius),
        *_lamps(front, back, half, 0.6),
    ]
    return join(parts)


def truck(rng: np.random.Generator) -> Mesh:
    """A cab with a closed cargo body behind it."""
    length, half = float(rng.uniform(6.0, 9.5)), float(rng.uniform(1.1, 1.25))
    height, cab = float(rng.uniform(2.7, 3.7)), float(rng.uniform(1.6, 2.1))
    front, back = length / 2, -length / 2
    cab_top = min(height, 2.6)
    parts = [
        tapered((front - cab, front, half), (front - cab, front, half), (0.45, 1.35), PAINT, PAINT),
        tapered(
            (front - cab, front, half),
            (front - cab, front - 0.3, half - 0.1),
            (1.35, cab_top - 0.3),
            GLASS,
            PAINT,
        ),
        tapered(
            (front - cab, front - 0.3, half - 0.1),
            (front - cab, front - 0.45, half - 0.14),
            (cab_top - 0.3, cab_top),
            PAINT,
            PAINT,
        ),
        box((back, front - cab - 0.15), (-half, half), (0.95, height), int(Material.CARGO)),
        box((back + 0.1, front - cab), (-half + 0.2, half - 0.2), (0.5, 0.95), RUBBER),
        *_wheels((back + 1.2, front - 1.0), half, 0.46),
        *_lamps(front, back, half, 0.7),
    ]
    return join(parts)


def pedestrian(rng: np.random.Generator) -> Mesh:
    """Legs, torso with arms, head."""
    height, half = float(rng.uniform(1.5, 1.95)), float(rng.uniform(0.19, 0.26))
    hip, neck, stride = 0.48 * height, 0.83 * height, float(rng.uniform(0.02, 0.2))
    legs = [
        tapered(
            (s * stride - 0.08, s * stride + 0.08, 0.07),
            (-0.09, 0.09, 0.09),
            (0.0, hip),
            SECOND,
            SECOND,
        ).moved(0.0, s * 0.1)
        for s in (-1.0, 1.0)
    ]
    torso = tapered((-0.13, 0.13, half - 0.04), (-0.12, 0.12, half), (hip, neck), PLAIN, PLAIN)
    head = cylinder(0.1, (neck + 0.03, height), int(Material.SKIN), corners=6)
    return join([*legs, torso, head])


def building(
    rng: np.random.Generator, half_x: float, half_y: float, height: float, pitched: bool
) -> Mesh:
    """A block with a flat or pitched roof, sometimes with a set-back upper part or a roof house."""
    parts = [box((-half_x, half_x), (-half_y, half_y), (0.0, height), FACADE, ROOF)]
    if pitched:
        rise = float(rng.uniform(0.5, 0.95)) * half_y
        parts.append(gable(half_x, half_y, (height, height + rise), 0.35, ROOF, PLAIN))
        chimney = float(rng.uniform(-0.7, 0.7)) * half_x
        top = (height + 0.3 * rise, height + rise + 0.6)
        parts.append(box((chimney - 0.4, chimney + 0.4), (0.5, 1.2), top, int(Material.MASONRY)))
        return join(parts)
    rim = 0.12
    parts.append(
        box(
            (-half_x - rim, half_x + rim),
            (-half_y - rim, half_y + rim),
            (height - 0.45, height + 0.25),
            SECOND,
            ROOF,
        )
    )
    if rng.random() < 0.4:
        shrink, more = float(rng.uniform(0.45, 0.8)), float(rng.uniform(3.0, 9.0))
        x, y = half_x * shrink, half_y * shrink
        parts.append(box((-x, x), (-y, y), (height, height + more), FACADE, ROOF))
    if rng.random() < 0.5:  # a canopy or balcony band over the ground floor
        out, z = float(rng.uniform(0.5, 1.1)), float(rng.uniform(2.7, 3.4))
        parts.append(
            box((-half_x * 0.9, half_x * 0.9), (-half_y - out, half_y + out), (z, z + 0.2), SECOND)
        )
    return join(parts)


def tree(rng: np.random.Generator, street: bool = False) -> Mesh:
    """A trunk with two or three lumps of leaves, or a cone; `street`: clear of traffic below."""
    trunk = float(rng.uniform(2.9, 3.6) if street else rng.uniform(1.8, 2.8))
    height = trunk + float(rng.uniform(2.5, 6.0 if street else 8.5))
    radius = 0.05 + 0.018 * height
    parts = [cylinder(radius, (0.0, 0.6 * height), int(Material.BARK), top_radius=0.6 * radius)]
    if not street and rng.random() < 0.25:
        low = float(rng.uniform(0.6, 1.5))
        wide = 0.22 * height
        parts.append(cylinder(wide, (low, height), int(Material.FOLIAGE), 8, 0.05 * wide))
        return join(parts)
    half = (height - trunk) / 2
    wide = half * float(rng.uniform(0.65, 0.95))
    for _ in range(int(rng.integers(2, 4))):
        x, y = rng.uniform(-0.4, 0.4, size=2) * wide
        size = float(rng.uniform(0.6, 0.9))
        z = trunk + half + float(rng.uniform(-0.3, 0.3)) * half
        lump = blob((wide * size, wide * size, half * size), z, rng)
        parts.append(lump.moved(float(x), float(y)))
    return join(parts)


def lamp_post(rng: np.random.Generator) -> Mesh:
    """A post with an arm reaching along +x."""
    height, arm = float(rng.uniform(5.0, 8.5)), float(rng.uniform(0.8, 2.0))
    post = cylinder(0.09, (0.0, height), METAL, 6, 0.05)
    return join([post, box((-0.05, arm), (-0.08, 0.08), (height, height + 0.12), METAL)])


def sign_post(rng: np.random.Generator) -> Mesh:
    """A thin post with a plate that faces along the x axis."""
    height, half = float(rng.uniform(2.0, 2.9)), float(rng.uniform(0.25, 0.45))
    plate = box((-0.02, 0.02), (-half, half), (height - 2 * half, height), SECOND)
    return join([cylinder(0.04, (0.0, height), METAL, 6), plate])


def cabinet(rng: np.random.Generator) -> Mesh:
    """Bins, cabinets, containers: a plain box."""
    x, y, z = rng.uniform(0.3, 0.8), rng.uniform(0.25, 0.5), rng.uniform(0.9, 1.7)
    return box((-float(x), float(x)), (-float(y), float(y)), (0.0, float(z)), PLAIN, SECOND)


def barrier(length: float, height: float, thickness: float, material: int) -> Mesh:
    """A straight wall, fence or hedge along x."""
    half = thickness / 2
    return box((-length / 2, length / 2), (-half, half), (0.0, height), material)
