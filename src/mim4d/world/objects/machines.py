"""Construction vehicles: excavator, wheel loader, roller, each drawn anew.

A mesh is in the vehicle's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres).
"""

import numpy as np

from mim4d.world.objects.meshes import (
    Material,
    Mesh,
    Point,
    Station,
    beam,
    box,
    drum,
    join,
    loft,
    tapered,
)
from mim4d.world.objects.wheels import SIDES, arches, headlamps, wheels

PAINT, GLASS, TRIM = int(Material.PAINT), int(Material.GLASS), int(Material.TRIM)
METAL, SOIL, HAZARD = int(Material.METAL), int(Material.SOIL), int(Material.HAZARD)
LAMP, RUBBER = int(Material.LAMP), int(Material.RUBBER)


def construction_vehicle(rng: np.random.Generator) -> Mesh:
    """Any of the three."""
    sort = int(rng.choice(3, p=[0.45, 0.33, 0.22]))
    return (excavator, wheel_loader, roller)[sort](rng)


def _cab(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[Mesh]:
    """Windows all around between a sill and a roof, with posts at the corners and a beacon."""
    posts = [
        box((px - 0.04, px + 0.04), (py - 0.04, py + 0.04), z, PAINT)
        for px in (x[0] + 0.03, x[1] - 0.03)
        for py in (y[0] + 0.03, y[1] - 0.03)
    ]
    middle_x, middle_y = 0.5 * (x[0] + x[1]), 0.5 * (y[0] + y[1])
    beacon = box(
        (middle_x - 0.08, middle_x + 0.08),
        (middle_y - 0.08, middle_y + 0.08),
        (z[1], z[1] + 0.18),
        LAMP,
    )
    return [
        box(x, y, (z[0], z[0] + 0.35), PAINT),
        box(x, y, (z[0] + 0.35, z[1] - 0.1), GLASS),
        box((x[0] - 0.06, x[1] + 0.08), (y[0] - 0.05, y[1] + 0.05), (z[1] - 0.1, z[1]), PAINT),
        *posts,
        beacon,
    ]


def excavator(rng: np.random.Generator) -> Mesh:
    """Crawler tracks, a house with its cab, and a boom, stick and bucket in front."""
    half, reach = float(rng.uniform(1.2, 1.5)), float(rng.uniform(1.0, 1.25))
    belts = [Station(x, low, high, 0.28, 0.28) for x, low, high in _track(1.75 * reach)]
    tracks = [loft(belts, RUBBER, TRIM, RUBBER).moved(0.0, side * (half - 0.28)) for side in SIDES]
    house = [
        tapered((-1.9, 1.0, half - 0.12), (-1.8, 0.95, half - 0.2), (1.05, 1.75), PAINT, PAINT),
        tapered((-1.95, -0.6, half - 0.12), (-1.8, -0.7, half - 0.25), (1.75, 2.2), PAINT, TRIM),
        box((-2.0, -1.85), (0.3 - half, half - 0.3), (1.1, 1.55), HAZARD),
        box((-0.9, 0.9), (-0.9, 0.9), (0.85, 1.05), TRIM),
    ]
    return join(
        [
            *tracks,
            *house,
            *_cab((-0.35, 1.0), (0.15, half - 0.18), (1.6, float(rng.uniform(2.85, 3.1)))),
            *_arm(reach, rng),
        ]
    ).centred()


def _track(half: float) -> list[Point]:
    """x, lowest and highest point of a crawler belt."""
    return [
        (-half, 0.28, 0.58),
        (-half + 0.28, 0.0, 0.84),
        (half - 0.28, 0.0, 0.84),
        (half, 0.28, 0.58),
    ]


def _arm(reach: float, rng: np.random.Generator) -> list[Mesh]:
    """Boom, stick and bucket, folded to some degree."""
    foot = (0.7, -0.25, 1.55)
    knee = (2.0 * reach + 0.4, -0.25, 3.2 + float(rng.uniform(-0.3, 0.5)))
    elbow = (3.6 * reach, -0.25, 2.75 + float(rng.uniform(-0.4, 0.3)))
    wrist = (elbow[0] - float(rng.uniform(0.1, 1.0)), -0.25, float(rng.uniform(0.7, 1.1)))
    ram = (elbow[0] - 0.9, -0.25, elbow[2] + 0.55)
    bucket = tapered((-0.45, 0.35, 0.4), (-0.3, 0.3, 0.45), (-0.55, 0.15), METAL, SOIL)
    return [
        beam(foot, knee, (0.26, 0.3), PAINT),
        beam(knee, elbow, (0.3, 0.2), PAINT),
        beam((elbow[0] - 0.15, -0.25, elbow[2] + 0.35), wrist, (0.24, 0.16), PAINT),
        beam((1.3, -0.25, 1.75), (knee[0] - 0.3, -0.25, knee[2] - 0.45), (0.09, 0.07), METAL),
        beam((knee[0], -0.25, knee[2] + 0.3), ram, (0.1, 0.07), METAL),
        bucket.moved(wrist[0], wrist[1], wrist[2] - 0.1),
    ]


def wheel_loader(rng: np.random.Generator) -> Mesh:
    """Four large wheels, an engine behind the cab, a shovel on two arms in front."""
    half, radius = float(rng.uniform(1.15, 1.4)), float(rng.uniform(0.66, 0.82))
    axles, lift = (-1.5, 1.4), float(rng.uniform(0.15, 1.0))
    top = float(rng.uniform(3.0, 3.4))
    shovel = [
        Station(2.75, 0.0, 1.15, half, half),
        Station(3.0, -0.02, 1.2, half, half),
        Station(3.75, 0.0, 0.1, half, half),
    ]
    arms = [
        beam((1.1, side * 0.5, 1.75), (2.9, side * 0.5, 0.55 + lift), (0.13, 0.11), PAINT)
        for side in SIDES
    ]
    return join(
        [
            tapered(
                (-2.9, -0.6, half - 0.45), (-2.75, -0.6, half - 0.5), (0.85, 2.0), PAINT, PAINT
            ),
            box((-2.95, -2.85), (0.6 - half, half - 0.6), (0.95, 1.75), TRIM),
            box((-0.6, 1.9), (0.62 - half, half - 0.62), (0.6, 1.35), PAINT),
            *_cab((-0.75, 0.6), (0.55 - half, half - 0.55), (1.45, top)),
            *arms,
            loft(shovel, METAL, METAL, METAL).moved(0.0, 0.0, lift),
            *arches(axles, half - 0.42, radius),
            *wheels(axles, half, radius, 0.5),
            *headlamps(1.95, (0.4, 0.6), (1.35, 1.5)),
        ]
    ).centred()


def roller(rng: np.random.Generator) -> Mesh:
    """A steel drum in front, and wheels or a second drum behind."""
    half, radius = float(rng.uniform(0.95, 1.15)), float(rng.uniform(0.55, 0.72))
    reach = float(rng.uniform(1.4, 1.9))
    steel = [drum((reach, 0.0, radius), radius, half - 0.1, METAL, TRIM, 16)]
    if rng.random() < 0.5:
        steel.append(drum((-reach, 0.0, radius), radius, half - 0.1, METAL, TRIM, 16))
        rear: list[Mesh] = []
    else:
        rear = wheels((-reach,), half, radius + 0.05, 0.45)
    top = float(rng.uniform(2.7, 3.1))
    frames = [
        box(
            (reach - 0.1, reach + 0.1),
            (side * half - 0.05, side * half + 0.05),
            (radius, 1.3),
            PAINT,
        )
        for side in SIDES
    ]
    cover = 2 * radius + 0.1
    return join(
        [
            *steel,
            *rear,
            *frames,
            box(
                (reach - 0.7, reach + 0.7),
                (-half - 0.05, half + 0.05),
                (cover, cover + 0.25),
                PAINT,
            ),
            tapered(
                (-reach - 0.6, 0.2, half - 0.15),
                (-reach - 0.4, 0.2, half - 0.25),
                (cover, cover + 0.55),
                PAINT,
                TRIM,
            ),
            box((-0.3, reach - 0.6), (-0.3, 0.3), (0.7, cover + 0.1), TRIM),
            *_cab((-0.75, 0.55), (0.2 - half, half - 0.2), (cover + 0.05, top)),
            box(
                (-reach - 0.65, -reach - 0.55),
                (0.3 - half, half - 0.3),
                (cover, cover + 0.3),
                HAZARD,
            ),
        ]
    ).centred()
