"""City buses, rigid and bendy, each drawn anew.

A mesh is in the vehicle's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres).
"""

from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.meshes import Material, Mesh, Station, box, join, loft
from mim4d.world.objects.wheels import arches, headlamps, mirrors, paired, tail, wheels

LIVERY, GLASS, TRIM = int(Material.LIVERY), int(Material.GLASS), int(Material.TRIM)
RUBBER, POSTER, PLATE = int(Material.RUBBER), int(Material.POSTER), int(Material.PLATE)
LAMP = int(Material.LAMP)


@dataclass(frozen=True)
class _Section:
    """A stretch of body between two ends, with the bus's half width and heights."""

    back: float
    front: float
    half: float
    sill: float
    height: float


def bus(rng: np.random.Generator) -> Mesh:
    """A rigid bus."""
    length = float(rng.uniform(9.8, 12.6))
    section = _sample_section(-length / 2, length / 2, rng)
    axles = (section.back + 0.25 * length, section.front - 2.6)
    return join(
        [
            *_body(section, axles, rng),
            *_face(section),
            *_doors(section, (section.front - 1.9, section.front - 5.6)),
            *_rear(section),
        ]
    ).centred()


def bendy_bus(rng: np.random.Generator) -> Mesh:
    """Two sections and the joint between them."""
    long, short = float(rng.uniform(9.6, 10.4)), float(rng.uniform(6.6, 7.2))
    front = _sample_section(-long / 2, long / 2, rng)
    end = front.back - 1.0
    rear = _Section(end - short, end, front.half, front.sill, front.height)
    joint = [
        box((end + 0.2 * k, end + 0.2 * k + 0.14), (-y, y), (0.45, front.height - 0.1), RUBBER)
        for k, y in enumerate([front.half - 0.06] * 5)
    ]
    return join(
        [
            *_body(front, (front.back + 2.2, front.front - 2.6), rng),
            *_face(front),
            *_doors(front, (front.front - 1.9, front.front - 5.4)),
            *joint,
            *_body(rear, (rear.back + 2.4,), rng),
            *_doors(rear, (rear.front - 2.0,)),
            *_rear(rear),
            box((end, end + 1.0), (0.2 - front.half, front.half - 0.2), (0.4, 2.8), RUBBER),
        ]
    ).centred()


def _sample_section(back: float, front: float, rng: np.random.Generator) -> _Section:
    half, height = float(rng.uniform(1.24, 1.3)), float(rng.uniform(2.9, 3.35))
    return _Section(back, front, half, float(rng.uniform(1.0, 1.35)), height)


def _body(section: _Section, axles: tuple[float, ...], rng: np.random.Generator) -> list[Mesh]:
    """Flanks, a row of windows between pillars, roof with its boxes, wheels."""
    back, front, half = section.back, section.front, section.half
    top = section.height - 0.55
    stations = [
        Station(back, 0.4, section.sill, half - 0.05, half - 0.02),
        Station(back + 0.12, 0.32, section.sill, half, half),
        Station(front - 0.12, 0.32, section.sill, half, half),
        Station(front, 0.4, section.sill, half - 0.06, half - 0.03),
    ]
    roof = [
        Station(back, top, section.height - 0.1, half - 0.03, half - 0.2),
        Station(back + 0.2, top, section.height, half, half - 0.14),
        Station(front - 0.35, top, section.height, half, half - 0.14),
        Station(front - 0.03, top, section.height - 0.12, half - 0.04, half - 0.2),
    ]
    windows = box(
        (back + 0.03, front - 0.02), (0.02 - half, half - 0.02), (section.sill, top), GLASS
    )
    pitch = float(rng.uniform(1.2, 1.7))
    pillars = [
        piece
        for at in np.arange(back + 0.03, front - 1.0, pitch)
        for piece in paired(
            (float(at), float(at) + 0.13), (half - 0.1, half - 0.008), (section.sill, top), LIVERY
        )
    ]
    boxes = [
        box((x, x + long), (-0.7, 0.7), (section.height - 0.02, section.height + 0.22), TRIM)
        for x, long in ((back + 0.8, 1.8), (0.5 * (back + front), 2.2))
        if rng.random() < 0.7
    ]
    return [
        loft(stations, LIVERY, LIVERY, LIVERY),
        loft(roof, LIVERY, LIVERY, LIVERY),
        windows,
        *pillars,
        *boxes,
        *arches(axles, half, 0.48),
        *wheels(axles, half + 0.012, 0.48, 0.3),
    ]


def _face(section: _Section) -> list[Mesh]:
    """A large windscreen under the sign of the line, lamps, mirrors."""
    front, half, top = section.front, section.half, section.height - 0.55
    return [
        box(
            (front - 0.1, front + 0.012),
            (0.12 - half, half - 0.12),
            (section.sill - 0.2, top),
            GLASS,
        ),
        box((front - 0.2, front + 0.016), (0.3 - half, half - 0.3), (top, top + 0.26), TRIM),
        box((front, front + 0.024), (0.5 - half, half - 0.5), (top + 0.05, top + 0.21), LAMP),
        box((front - 0.2, front + 0.03), (0.08 - half, half - 0.08), (0.36, 0.52), TRIM),
        box((front, front + 0.036), (-0.26, 0.26), (0.4, 0.51), PLATE),
        *headlamps(front + 0.02, (0.55 * half, half - 0.1), (0.58, 0.74)),
        *mirrors(front - 0.05, half - 0.03, top - 0.75, (0.2, 0.5)),
    ]


def _doors(section: _Section, positions: tuple[float, ...]) -> list[Mesh]:
    """Glass doors on the kerb's side (right)."""
    half, top = section.half, section.height - 0.55
    parts = []
    for x in positions:
        for k in range(2):
            leaf = (x + 0.62 * k, x + 0.62 * k + 0.56)
            parts.append(box(leaf, (-half - 0.012, 0.06 - half), (0.4, top), GLASS))
        rim = (x - 0.05, x + 1.23)
        parts.append(box(rim, (-half - 0.006, 0.05 - half), (0.36, top + 0.05), TRIM))
    return parts


def _rear(section: _Section) -> list[Mesh]:
    back, half = section.back, section.half
    window = (section.sill + 0.25, section.height - 0.8)
    return [
        box((back - 0.012, back + 0.1), (0.2 - half, half - 0.2), window, GLASS),
        box((back - 0.01, back + 0.1), (0.5 - half, half - 0.5), (0.55, section.sill - 0.05), TRIM),
        box((back - 0.02, back + 0.1), (0.1 - half, half - 0.1), (0.36, 0.5), TRIM),
        *tail(back - 0.014, (half - 0.26, half - 0.06), (0.65, 1.15), 0.4),
    ]
