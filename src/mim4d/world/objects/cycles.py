"""Bicycles, motorcycles and scooters, with and without somebody on them, each drawn anew.

A mesh is in the vehicle's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres).
"""

import math

import numpy as np

from mim4d.world.objects.meshes import (
    Material,
    Mesh,
    Point,
    Station,
    ball,
    beam,
    box,
    drum,
    hull,
    join,
    loft,
)
from mim4d.world.objects.people import Posture, body, sample_dress

PAINT, METAL, RUBBER = int(Material.PAINT), int(Material.METAL), int(Material.RUBBER)
RIM, TRIM, GLASS = int(Material.RIM), int(Material.TRIM), int(Material.GLASS)
HEADLIGHT, TAILLIGHT = int(Material.HEADLIGHT), int(Material.TAILLIGHT)
PLANKS, SECOND, PLATE = int(Material.PLANKS), int(Material.SECOND), int(Material.PLATE)


def _hoop(x: float, radius: float, tyre: float, spokes: int) -> list[Mesh]:
    """A spoked wheel one can look through."""
    angles = np.arange(15) * (2 * math.pi / 14)
    flat = np.stack([np.cos(angles), np.zeros(15), np.sin(angles)], axis=-1)
    middle = np.array([x, 0.0, radius])
    across = np.array([0.0, tyre / 2, 0.0])
    inner, outer = flat * (radius - tyre), flat * radius
    rings = np.stack([inner - across, inner + across, outer + across, outer - across], axis=1)
    rods = [
        beam(
            (x, 0.0, radius),
            (x + radius * math.cos(a), 0.0, radius * (1.0 + math.sin(a))),
            (0.006, 0.006),
            METAL,
            3,
        )
        for a in np.arange(spokes) * (2 * math.pi / spokes) + 0.3
    ]
    return [hull(rings + middle, [RUBBER] * 14, (RUBBER, RUBBER)), *rods]


def _tubes(points: list[tuple[Point, Point]], radius: float, material: int) -> list[Mesh]:
    return [beam(start, end, (radius, radius), material) for start, end in points]


def bicycle(rng: np.random.Generator, rider: bool) -> Mesh:
    """A diamond frame; mudguards, basket and lamps on some; somebody pedalling."""
    radius, at = float(rng.uniform(0.32, 0.36)), float(rng.uniform(0.5, 0.56))
    seat = (-0.24, 0.0, float(rng.uniform(0.88, 1.0)))
    low, head = (-0.05, 0.0, 0.29), (at - 0.18, 0.0, 0.86)
    bar = (at - 0.2, 0.0, float(rng.uniform(0.98, 1.1)))
    rear, front = (-at, 0.0, radius), (at, 0.0, radius)
    neck = (seat[0] + 0.06, 0.0, seat[2] - 0.14)
    frame = [(low, neck), (neck, head), (low, head), (low, rear), (neck, rear), (head, front)]
    parts = [
        *_hoop(at, radius, 0.045, 5),
        *_hoop(-at, radius, 0.045, 5),
        *_tubes(frame, 0.02, PAINT),
        *_tubes([(neck, seat), (head, bar)], 0.016, METAL),
        *_tubes([((bar[0] - 0.04, -0.29, bar[2]), (bar[0] - 0.04, 0.29, bar[2]))], 0.016, METAL),
        box((seat[0] - 0.15, seat[0] + 0.12), (-0.07, 0.07), (seat[2], seat[2] + 0.06), TRIM),
        drum((low[0], -0.05, low[2]), 0.1, 0.012, METAL, METAL, 8),
        box((-at - 0.05, -at + 0.3), (-0.07, 0.07), (2 * radius + 0.06, 2 * radius + 0.09), TRIM),
        box((-at - 0.08, -at - 0.05), (-0.03, 0.03), (0.72, 0.8), TAILLIGHT),
    ]
    if rng.random() < 0.35:
        parts.append(box((at - 0.12, at + 0.2), (-0.18, 0.18), (0.8, 1.02), PLANKS))
    if rider:
        parts += _rider(seat, bar, low, rng)
    return join(parts).centred()


def _rider(seat: Point, bar: Point, pedal: Point, rng: np.random.Generator) -> list[Mesh]:
    """Somebody on a saddle, hands on the bar, feet on pedals 0.17 m from `pedal`."""
    height = float(rng.uniform(1.58, 1.9))
    turn = float(rng.uniform(0.0, math.pi))
    feet = (
        (pedal[0] + 0.17 * math.cos(turn), -0.11, pedal[2] + 0.06 + 0.17 * math.sin(turn)),
        (pedal[0] - 0.17 * math.cos(turn), 0.11, pedal[2] + 0.06 - 0.17 * math.sin(turn)),
    )
    hands = ((bar[0] - 0.03, -0.25, bar[2] + 0.03), (bar[0] - 0.03, 0.25, bar[2] + 0.03))
    hip = (seat[0] + 0.02, 0.0, seat[2] + 0.1)
    lean = math.asin(float(rng.uniform(0.25, 0.62)))
    neck = (
        hip[0] + 0.315 * height * math.sin(lean),
        0.0,
        hip[2] + 0.315 * height * math.cos(lean),
    )
    return body(Posture(height, hip, neck, hands, feet), sample_dress(rng, "adult"))


def motorcycle(rng: np.random.Generator, rider: bool) -> Mesh:
    """A motorcycle or a scooter."""
    scooter = rng.random() < 0.4
    parts = _scooter(rng) if scooter else _motorcycle(rng)
    if rider:
        seat, bar, pedal = (
            ((-0.3, 0.0, 0.76), (0.32, 0.0, 0.98), (0.1, 0.0, 0.3))
            if scooter
            else ((-0.28, 0.0, 0.8), (0.36, 0.0, 1.02), (-0.1, 0.0, 0.3))
        )
        parts += _sitter(seat, bar, pedal, rng)
    return join(parts).centred()


def _sitter(seat: Point, bar: Point, rest: Point, rng: np.random.Generator) -> list[Mesh]:
    """Somebody astride, with a helmet."""
    height = float(rng.uniform(1.6, 1.9))
    hip = (seat[0], 0.0, seat[2] + 0.08)
    neck = (hip[0] + float(rng.uniform(0.12, 0.24)), 0.0, hip[2] + 0.3 * height)
    hands = ((bar[0], -0.32, bar[2] + 0.02), (bar[0], 0.32, bar[2] + 0.02))
    feet = ((rest[0], -0.24, rest[2]), (rest[0], 0.24, rest[2]))
    helmet = ball(
        (neck[0] + 0.03, 0.0, neck[2] + 0.11 * height),
        (0.15, 0.13, 0.16),
        (SECOND, SECOND, GLASS, SECOND, SECOND),
        8,
    )
    return [*body(Posture(height, hip, neck, hands, feet), sample_dress(rng, "adult")), helmet]


def _motorcycle(rng: np.random.Generator) -> list[Mesh]:
    at, radius = float(rng.uniform(0.66, 0.8)), float(rng.uniform(0.29, 0.33))
    tank = [
        Station(-0.05, 0.62, 0.86, 0.1, 0.07),
        Station(0.12, 0.6, 0.97, 0.15, 0.11),
        Station(0.36, 0.66, 0.96, 0.13, 0.08),
    ]
    seat = [
        Station(-0.82, 0.8, 0.87, 0.08, 0.07),
        Station(-0.5, 0.7, 0.85, 0.12, 0.11),
        Station(-0.05, 0.66, 0.8, 0.13, 0.12),
    ]
    fork = [((at, y, radius), (at - 0.3, y, 1.0)) for y in (-0.1, 0.1)]
    screen = box((at - 0.3, at - 0.24), (-0.14, 0.14), (1.02, 1.28), GLASS)
    return [
        *(drum((x, 0.0, radius), radius, 0.07, RUBBER, RUBBER, 12) for x in (-at, at)),
        *(drum((x, 0.0, radius), 0.65 * radius, 0.076, RIM, RIM, 8) for x in (-at, at)),
        box((-0.28, 0.3), (-0.17, 0.17), (0.26, 0.62), METAL),
        loft(tank, PAINT, PAINT, PAINT),
        loft(seat, TRIM, TRIM, TRIM),
        *_tubes([((-at, 0.12, radius), (-0.1, 0.1, 0.42)), *fork], 0.028, METAL),
        *_tubes([((at - 0.33, -0.37, 1.05), (at - 0.33, 0.37, 1.05))], 0.02, TRIM),
        beam((-at - 0.1, -0.19, 0.34), (0.1, -0.19, 0.3), (0.06, 0.035), METAL, 6),
        box((at - 0.22, at - 0.06), (-0.1, 0.1), (0.84, 1.02), HEADLIGHT),
        box((-at - 0.2, -at - 0.08), (-0.08, 0.08), (0.68, 0.78), TAILLIGHT),
        box((-at - 0.24, -at - 0.21), (-0.09, 0.09), (0.5, 0.66), PLATE),
        *([screen] if rng.random() < 0.4 else []),
    ]


def _scooter(rng: np.random.Generator) -> list[Mesh]:
    at, radius = float(rng.uniform(0.62, 0.7)), float(rng.uniform(0.21, 0.25))
    rear = [
        Station(-0.85, 0.5, 0.72, 0.12, 0.08),
        Station(-0.6, 0.35, 0.74, 0.2, 0.14),
        Station(-0.1, 0.3, 0.7, 0.17, 0.12),
    ]
    shield = [
        Station(0.36, 0.3, 0.42, 0.16, 0.2),
        Station(0.44, 0.28, 0.98, 0.18, 0.15),
        Station(0.52, 0.4, 0.94, 0.1, 0.1),
    ]
    trunk = box((-1.0, -0.66), (-0.2, 0.2), (0.86, 1.16), SECOND)
    return [
        *(drum((x, 0.0, radius), radius, 0.06, RUBBER, RUBBER, 12) for x in (-at, at)),
        *(drum((x, 0.0, radius), 0.6 * radius, 0.066, RIM, RIM, 8) for x in (-at, at)),
        loft(rear, PAINT, PAINT, PAINT),
        loft(shield, PAINT, PAINT, PAINT),
        box((-0.15, 0.42), (-0.17, 0.17), (0.24, 0.3), TRIM),
        box((-0.78, -0.12), (-0.13, 0.13), (0.72, 0.8), TRIM),
        *_tubes([((at, 0.0, radius), (0.42, 0.0, 0.95))], 0.03, METAL),
        *_tubes([((0.36, -0.34, 1.0), (0.36, 0.34, 1.0))], 0.022, TRIM),
        box((0.46, 0.57), (-0.09, 0.09), (0.82, 0.94), HEADLIGHT),
        box((-0.9, -0.84), (-0.08, 0.08), (0.56, 0.66), TAILLIGHT),
        *([trunk] if rng.random() < 0.45 else []),
    ]
