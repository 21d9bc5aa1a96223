"""Passenger cars: saloon, hatchback, estate, sports utility, van and pick-up, each drawn anew.

A mesh is in the car's own axes (x forward, y left, z up; origin at the middle of the footprint on
the ground; metres).
"""

from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.meshes import Material, Mesh, Station, box, join, loft
from mim4d.world.objects.wheels import arches, headlamps, mirrors, paired, tail, wheels

PAINT, GLASS, TRIM = int(Material.PAINT), int(Material.GLASS), int(Material.TRIM)
PLATE = int(Material.PLATE)
BODIES = ("saloon", "hatch", "estate", "suv", "van", "pickup")
BODY_SHARES = (0.27, 0.27, 0.13, 0.18, 0.08, 0.07)
# Length from and to, height, length of the hood as a share, overhang of the trunk as a share.
PROPORTIONS = {
    "saloon": (4.4, 5.0, 1.45, 0.27, 0.17),
    "hatch": (3.7, 4.3, 1.5, 0.24, 0.02),
    "estate": (4.4, 4.9, 1.5, 0.26, 0.015),
    "suv": (4.2, 4.95, 1.74, 0.25, 0.02),
    "van": (4.4, 5.1, 1.95, 0.15, 0.01),
    "pickup": (4.9, 5.5, 1.8, 0.23, 0.36),
}


@dataclass(frozen=True)
class _Form:
    """Measures of one car: ends, half width, heights of belt, roof and hood's front, glass line."""

    body: str
    front: float
    back: float
    half: float
    belt: float
    roof: float
    nose: float
    hood: float
    trunk: float
    radius: float


def _sample_form(rng: np.random.Generator) -> _Form:
    body = BODIES[int(rng.choice(len(BODIES), p=BODY_SHARES))]
    shortest, longest, height, hood, trunk = PROPORTIONS[body]
    length = float(rng.uniform(shortest, longest))
    roof = height + float(rng.uniform(-0.06, 0.08))
    tall = body in ("suv", "van", "pickup")
    belt = roof * float(rng.uniform(0.585, 0.63)) - (0.12 if body == "van" else 0.0)
    front, back = length / 2, -length / 2
    return _Form(
        body=body,
        front=front,
        back=back,
        half=float(rng.uniform(0.84, 0.91)) + (0.05 if tall else 0.0),
        belt=belt,
        roof=roof,
        nose=belt - float(rng.uniform(0.1, 0.22)),
        hood=front - length * (hood + float(rng.uniform(-0.015, 0.015))),
        trunk=back + length * trunk,
        radius=(0.36 if tall else 0.32) + float(rng.uniform(-0.01, 0.02)),
    )


def car(rng: np.random.Generator) -> Mesh:
    """Any of the six bodies."""
    form = _sample_form(rng)
    length = form.front - form.back
    axles = (form.back + 0.19 * length, form.front - 0.185 * length)
    slope = {"saloon": 0.55, "hatch": 0.42, "estate": 0.22, "pickup": 0.1}.get(form.body, 0.16)
    return join(
        [
            _lower_body(form),
            *_cabin(form, form.trunk + slope, form.hood - (0.35 if form.body == "van" else 0.6)),
            *(_bed(form) if form.body == "pickup" else []),
            *arches(axles, form.half, form.radius),
            *wheels(axles, form.half + 0.012, form.radius, 0.22),
            *_ends(form),
            *mirrors(form.hood - 0.3, form.half - 0.08, form.belt + 0.02, (0.15, 0.14)),
        ]
    ).centred()


def _lower_body(form: _Form) -> Mesh:
    """From the sills to the belt line, the hood and the trunk."""
    low, half = 0.2 + 0.25 * (form.radius - 0.32), form.half
    rear = form.belt - (0.03 if form.body == "saloon" else 0.0)
    deck = 0.62 if form.body == "pickup" else rear
    stations = [
        Station(form.back, low + 0.16, rear - 0.2, half - 0.12, half - 0.12),
        Station(form.back + 0.16, low + 0.04, deck, half - 0.04, half - 0.06),
        Station(form.trunk, low, deck, half, half - 0.05),
        Station(form.trunk + 0.02, low, form.belt, half, half - 0.05),
        Station(form.hood, low, form.belt, half, half - 0.05),
        Station(form.front - 0.4, low + 0.02, form.nose + 0.06, half - 0.02, half - 0.1),
        Station(form.front - 0.06, low + 0.06, form.nose - 0.05, half - 0.1, half - 0.2),
        Station(form.front, low + 0.12, form.nose - 0.2, half - 0.16, half - 0.22),
    ]
    return loft(stations, PAINT, PAINT, PAINT)


def _cabin(form: _Form, roof_back: float, roof_front: float) -> list[Mesh]:
    """Windows with their pillars, and the roof over them."""
    wide, narrow, top = form.half - 0.07, form.half - 0.23, form.roof - 0.04
    middle = 0.52 * roof_front + 0.48 * roof_back
    pillars = [(middle - 0.05, middle + 0.05)]
    if form.body in ("estate", "suv", "van"):
        pillars.insert(0, (roof_back + 0.62, roof_back + 0.74))
    stations = [
        Station(form.trunk, form.belt - 0.02, form.belt, wide, wide),
        Station(roof_back, form.belt - 0.02, top, wide, narrow),
    ]
    sides, tops = [PAINT], [GLASS]
    for start, end in pillars:
        stations += [Station(x, form.belt - 0.02, top, wide, narrow) for x in (start, end)]
        sides, tops = [*sides, GLASS, PAINT], [*tops, PAINT, PAINT]
    stations += [
        Station(roof_front, form.belt - 0.02, top, wide, narrow),
        Station(form.hood, form.belt - 0.02, form.belt, wide, wide),
    ]
    glass = loft(stations, [*sides, GLASS, GLASS], [*tops, PAINT, GLASS], PAINT)
    roof = [
        Station(roof_back - 0.06, top - 0.03, top, narrow + 0.02, narrow - 0.02),
        Station(roof_back + 0.1, top - 0.02, form.roof, narrow + 0.02, narrow - 0.06),
        Station(roof_front - 0.25, top - 0.02, form.roof, narrow + 0.02, narrow - 0.06),
        Station(roof_front + 0.06, top - 0.05, top - 0.01, narrow + 0.02, narrow - 0.02),
    ]
    rails: list[Mesh] = []
    if form.body in ("estate", "suv"):
        rail_y = (narrow - 0.08, narrow - 0.04)
        rails = paired((roof_back, roof_front - 0.3), rail_y, (form.roof, form.roof + 0.04), TRIM)
    return [glass, loft(roof, PAINT, PAINT, PAINT), *rails]


def _bed(form: _Form) -> list[Mesh]:
    """The open bed of a pick-up."""
    x, rim = (form.back + 0.05, form.trunk + 0.05), (0.6, form.belt)
    flanks = paired(x, (form.half - 0.13, form.half - 0.05), rim, PAINT)
    tailgate = box((form.back, form.back + 0.08), (0.08 - form.half, form.half - 0.08), rim, PAINT)
    return [*flanks, tailgate]


def _ends(form: _Form) -> list[Mesh]:
    """Lamps, grille, bumpers, plates."""
    half, front, back = form.half, form.front, form.back
    lamp_z = form.nose - 0.3
    rear_y, rear_z = (half - 0.34, half - 0.09), (form.belt - 0.36, form.belt - 0.17)
    if form.body in ("van", "suv", "estate"):
        rear_y, rear_z = (half - 0.2, half - 0.08), (form.belt - 0.4, form.belt + 0.02)
    return [
        *headlamps(front + 0.005, (0.42 * half, half - 0.19), (lamp_z, lamp_z + 0.12)),
        box((front - 0.1, front + 0.01), (-0.38 * half, 0.38 * half), (lamp_z, lamp_z + 0.1), TRIM),
        box((front - 0.3, front + 0.012), (0.17 - half, half - 0.17), (0.26, 0.36), TRIM),
        box((front, front + 0.02), (-0.26, 0.26), (0.38, 0.49), PLATE),
        *tail(back - 0.01, rear_y, rear_z, form.belt - 0.42),
        box((back - 0.015, back + 0.2), (0.12 - half, half - 0.12), (0.34, 0.46), TRIM),
    ]
