"""Trucks (box, curtain, flatbed, tipper, delivery van), tractors and trailers, each drawn anew.

A mesh is in the vehicle's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres).
"""

import numpy as np

from mim4d.world.objects.meshes import Material, Mesh, Station, beam, box, join, loft, tapered
from mim4d.world.objects.wheels import arches, headlamps, mirrors, paired, tail, wheels

PAINT, GLASS, TRIM, LIVERY = (
    int(Material.PAINT),
    int(Material.GLASS),
    int(Material.TRIM),
    int(Material.LIVERY),
)
CARGO, CURTAIN, METAL = int(Material.CARGO), int(Material.CURTAIN), int(Material.METAL)
PLANKS, SOIL, HAZARD = int(Material.PLANKS), int(Material.SOIL), int(Material.HAZARD)
CONCRETE, PLATE = int(Material.CONCRETE), int(Material.PLATE)
LOADS = ("box", "curtain", "flatbed", "tipper", "van")
LOAD_SHARES = (0.34, 0.14, 0.17, 0.15, 0.2)
TRAILERS = ("box", "curtain", "tank", "flat")
TRAILER_SHARES = (0.4, 0.28, 0.17, 0.15)


def truck(rng: np.random.Generator) -> Mesh:
    """Any of the five."""
    load = LOADS[int(rng.choice(len(LOADS), p=LOAD_SHARES))]
    if load == "van":
        return _delivery_van(rng)
    length, half = float(rng.uniform(6.0, 9.6)), float(rng.uniform(1.1, 1.24))
    height, cab = float(rng.uniform(2.8, 3.7)), float(rng.uniform(1.65, 2.1))
    front, back = length / 2, -length / 2
    axles = [back + 1.3, front - 1.1]
    if length > 8.0:
        axles.insert(1, back + 2.5)
    bed = (back, front - cab - 0.15)
    body = {"box": _closed_body, "curtain": _curtain_body, "flatbed": _open_bed, "tipper": _tipper}
    return join(
        [
            *_cab((front - cab, front), half, min(height, float(rng.uniform(2.55, 2.9)))),
            *_chassis((back + 0.05, front - cab + 0.2), half),
            *body[load](bed, half, height, rng),
            *wheels(axles, half, 0.48, 0.3),
            *_rear_end(back, half),
        ]
    ).centred()


def _cab(x: tuple[float, float], half: float, top: float) -> list[Mesh]:
    """A forward-control cab: its windows between doors and roof, grille, lamps, mirrors."""
    back, front = x
    sill, glass = 1.3 + 0.1 * (top - 2.6), top - 0.42
    return [
        tapered((back, front - 0.04, half - 0.02), (back, front, half), (0.5, sill), PAINT, PAINT),
        tapered(
            (back, front, half), (back, front - 0.22, half - 0.07), (sill, glass), GLASS, PAINT
        ),
        box((back - 0.004, back + 0.6), (0.03 - half, half - 0.03), (sill, glass), PAINT),
        tapered(
            (back, front - 0.2, half - 0.06),
            (back, front - 0.5, half - 0.14),
            (glass, top),
            PAINT,
            PAINT,
        ),
        box((front - 0.3, front - 0.06), (0.1 - half, half - 0.1), (glass, glass + 0.09), TRIM),
        box((front - 0.1, front + 0.008), (-0.7 * half, 0.7 * half), (0.75, sill - 0.14), TRIM),
        box((front - 0.5, front + 0.03), (-half, half), (0.38, 0.62), TRIM),
        box((front, front + 0.045), (-0.26, 0.26), (0.44, 0.56), PLATE),
        *arches((front - 1.1,), half, 0.48),
        *headlamps(front + 0.04, (0.55 * half, half - 0.05), (0.62, 0.78)),
        *mirrors(front - 0.15, half - 0.03, sill + 0.15, (0.18, 0.45)),
    ]


def _chassis(x: tuple[float, float], half: float) -> list[Mesh]:
    tank = (x[0] + 0.5 * (x[1] - x[0]) - 0.5, x[0] + 0.5 * (x[1] - x[0]) + 0.5)
    guards = paired((x[0] + 2.2, x[1] - 1.6), (half - 0.1, half - 0.06), (0.5, 0.75), METAL)
    return [
        box(x, (-0.45, 0.45), (0.55, 0.95), TRIM),
        *paired(tank, (half - 0.65, half - 0.12), (0.45, 0.9), METAL),
        *(guards if x[1] - x[0] > 4.2 else []),
    ]


def _rear_end(back: float, half: float) -> list[Mesh]:
    bumper = box((back - 0.01, back + 0.1), (0.12 - half, half - 0.12), (0.48, 0.62), HAZARD)
    return [bumper, *tail(back - 0.02, (half - 0.42, half - 0.06), (0.68, 0.84), 0.66)]


def _closed_body(
    x: tuple[float, float], half: float, height: float, rng: np.random.Generator
) -> list[Mesh]:
    cooler = box(
        (x[1], x[1] + 0.4), (-0.6 * half, 0.6 * half), (height - 0.95, height - 0.2), CARGO
    )
    return [
        box(x, (-half, half), (0.97, height), CARGO),
        box((x[0] - 0.006, x[0] + 0.02), (-0.02, 0.02), (1.05, height - 0.1), TRIM),
        *([cooler] if rng.random() < 0.4 and height > 3.0 else []),
    ]


def _curtain_body(
    x: tuple[float, float], half: float, height: float, rng: np.random.Generator
) -> list[Mesh]:
    doors = (x[0], x[0] + 0.08)
    return [
        box(x, (0.02 - half, half - 0.02), (1.0, height - 0.08), CURTAIN),
        box(doors, (-half, half), (0.97, height), CARGO),
        box((x[1] - 0.08, x[1]), (-half, half), (0.97, height), METAL),
        *paired(x, (half - 0.06, half), (height - 0.14, height), METAL),
        *paired(x, (half - 0.06, half), (0.9, 1.06), METAL),
    ]


def _open_bed(
    x: tuple[float, float], half: float, height: float, rng: np.random.Generator
) -> list[Mesh]:
    """A floor between low boards, and what lies on it."""
    rim = 1.05 + float(rng.uniform(0.2, 0.55))
    parts = [
        box(x, (-half, half), (0.95, 1.08), TRIM, PLANKS),
        *paired(x, (half - 0.05, half), (1.08, rim), PAINT),
        *(box((at, at + 0.05), (-half, half), (1.08, rim), PAINT) for at in (x[0], x[1] - 0.05)),
        box((x[1] - 0.04, x[1]), (-half, half), (1.08, min(height, 2.4)), METAL),
    ]
    station = x[0] + 0.3
    while station < x[1] - 1.4:
        long, wide = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.5, 0.9)) * half
        material = (PLANKS, CONCRETE, CARGO, SOIL)[int(rng.integers(4))]
        top = 1.08 + float(rng.uniform(0.3, 1.1))
        parts.append(box((station, station + long), (-wide, wide), (1.08, top), material))
        station += long + float(rng.uniform(0.1, 0.9))
    return parts


def _tipper(
    x: tuple[float, float], half: float, height: float, rng: np.random.Generator
) -> list[Mesh]:
    """A bin that widens upwards, its ribs, and a heap of soil or sand in it."""
    top = min(height, float(rng.uniform(2.2, 2.9)))
    low = (x[0] + 0.3, x[1] - 0.1, half - 0.2)
    ribs = [
        piece
        for at in np.arange(x[0] + 0.6, x[1] - 0.4, 0.95)
        for piece in paired(
            (float(at), float(at) + 0.1), (half - 0.16, half - 0.02), (1.05, top), PAINT
        )
    ]
    heap = tapered(
        (x[0] + 0.15, x[1] - 0.15, half - 0.1),
        (x[0] + 1.0, x[1] - 1.0, 0.2),
        (top - 0.1, top + float(rng.uniform(-0.05, 0.5))),
        SOIL,
        SOIL,
    )
    return [
        tapered(low, (x[0], x[1], half - 0.04), (1.0, top), PAINT, PAINT),
        box((x[1] - 0.1, x[1] + 0.15), (-half, half), (top - 0.1, top + 0.12), PAINT),
        *ribs,
        heap,
    ]


def _delivery_van(rng: np.random.Generator) -> Mesh:
    """A tall van with a short sloping hood and one body."""
    length, half = float(rng.uniform(5.4, 7.2)), float(rng.uniform(0.97, 1.06))
    top, front, back = float(rng.uniform(2.35, 2.85)), length / 2, -length / 2
    belt, hood = 1.25, front - 0.75
    axles = (back + 0.22 * length, front - 0.95)
    lower = [
        Station(back, 0.35, belt, half - 0.05, half - 0.03),
        Station(back + 0.1, 0.3, belt, half, half),
        Station(hood, 0.3, belt, half, half - 0.03),
        Station(front - 0.1, 0.32, 0.95, half - 0.04, half - 0.12),
        Station(front, 0.4, 0.78, half - 0.12, half - 0.18),
    ]
    upper = [
        Station(back, belt, top - 0.06, half - 0.03, half - 0.12),
        Station(back + 0.1, belt, top, half, half - 0.12),
        Station(hood - 1.45, belt, top, half, half - 0.13),
        Station(hood - 0.75, belt, top - 0.06, half - 0.01, half - 0.17),
        Station(hood, belt, belt + 0.01, half - 0.03, half - 0.04),
    ]
    windows = [
        box((back - 0.006, back), (y - 0.33, y + 0.33), (belt + 0.15, top - 0.55), GLASS)
        for y in (-0.42, 0.42)
    ]
    return join(
        [
            loft(lower, LIVERY, PAINT, LIVERY),
            loft(upper, [LIVERY, LIVERY, GLASS, GLASS], [PAINT, PAINT, PAINT, GLASS], LIVERY),
            *(windows if rng.random() < 0.6 else []),
            *arches(axles, half, 0.35),
            *wheels(axles, half + 0.012, 0.35, 0.24),
            *headlamps(front, (0.5 * half, half - 0.16), (0.7, 0.86)),
            box((front - 0.1, front + 0.015), (0.14 - half, half - 0.14), (0.34, 0.5), TRIM),
            *tail(back - 0.01, (half - 0.18, half - 0.04), (0.75, 1.2), 0.55),
            *mirrors(hood - 0.5, half - 0.04, belt + 0.03, (0.17, 0.3)),
        ]
    ).centred()


def tractor(rng: np.random.Generator) -> Mesh:
    """The short truck that draws a trailer."""
    half, length = float(rng.uniform(1.15, 1.25)), float(rng.uniform(5.6, 6.4))
    front, back, top = length / 2, -length / 2, float(rng.uniform(3.0, 3.7))
    cab = float(rng.uniform(1.9, 2.3))
    axles = [back + 0.9, front - 1.2]
    if rng.random() < 0.4:
        axles.insert(1, back + 2.1)
    return join(
        [
            *_cab((front - cab, front), half, top),
            *_chassis((back, front - cab + 0.2), half),
            box((back + 0.5, back + 1.4), (-0.5, 0.5), (0.95, 1.08), TRIM),
            *wheels(axles, half, 0.5, 0.34),
            *tail(back - 0.02, (0.5, 0.85), (0.7, 0.86), 0.7),
        ]
    ).centred()


def trailer(rng: np.random.Generator) -> Mesh:
    """A box, curtain, tank or flat trailer; its front along x."""
    sort = TRAILERS[int(rng.choice(len(TRAILERS), p=TRAILER_SHARES))]
    length, half = float(rng.uniform(9.0, 13.6)), float(rng.uniform(1.2, 1.3))
    height = float(rng.uniform(3.5, 4.05))
    front, back = length / 2, -length / 2
    x = (back, front)
    body = {"box": _closed_body, "curtain": _curtain_body, "tank": _tank, "flat": _open_bed}
    axles = [back + 1.2 + 1.3 * k for k in range(int(rng.integers(2, 4)))]
    return join(
        [
            *(part.moved(0.0, 0.0, 0.15) for part in body[sort](x, half, height - 0.15, rng)),
            box((back + 0.1, front - 0.6), (-0.5, 0.5), (0.85, 1.1), TRIM),
            *paired((front - 2.9, front - 2.75), (0.55, 0.7), (0.0, 1.0), METAL),
            *paired((back + 4.6, front - 3.4), (half - 0.08, half - 0.04), (0.5, 0.95), METAL),
            *wheels(axles, half, 0.5, 0.34),
            *_rear_end(back, half),
        ]
    ).centred()


def _tank(
    x: tuple[float, float], half: float, height: float, rng: np.random.Generator
) -> list[Mesh]:
    """A drum along the trailer with its domed ends, bands, walkway and fenders."""
    radius = 0.5 * (height - 1.05) - 0.1
    z = 1.0 + radius
    ends = [(x[0] + 0.1, x[0] + 0.5, 0.6, 1.0), (x[1] - 0.5, x[1] - 0.1, 1.0, 0.6)]
    domes = [
        beam((a, 0.0, z), (b, 0.0, z), (radius * ra, radius * rb), METAL, 12)
        for a, b, ra, rb in ends
    ]
    bands = [
        beam((at, 0.0, z), (at + 0.12, 0.0, z), (1.02 * radius,) * 2, LIVERY, 12)
        for at in np.linspace(x[0] + 1.5, x[1] - 1.8, 4).tolist()
    ]
    fender = (half - 0.42, half)
    return [
        beam((x[0] + 0.5, 0.0, z), (x[1] - 0.5, 0.0, z), (radius, radius), CARGO, 12),
        *domes,
        *bands,
        box((x[0] + 1.0, x[1] - 1.0), (-0.25, 0.25), (z + radius - 0.02, z + radius + 0.06), METAL),
        *paired((x[0] + 0.5, x[0] + 4.6), fender, (0.92, 0.98), TRIM),
        box((x[0], x[0] + 0.3), (-half, half), (0.85, 1.0), METAL),
    ]
