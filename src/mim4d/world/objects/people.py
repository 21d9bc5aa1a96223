"""People: walking, standing, sitting on two-wheelers; adults, children and construction workers.

A body is built from the places of its joints (`Posture`); knees and elbows follow. A mesh is in the
person's own axes (x forward, y left, z up; origin at the middle of the footprint on the ground;
metres).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mim4d.world.objects.meshes import Material, Mesh, Point, ball, beam, box, hull, join, tapered

SKIN, HAIR, CLOTH = int(Material.SKIN), int(Material.HAIR), int(Material.CLOTH)
TROUSERS, VEST, RUBBER = int(Material.TROUSERS), int(Material.VEST), int(Material.RUBBER)
SECOND, PLAIN = int(Material.SECOND), int(Material.PLAIN)
Sort = Literal["adult", "child", "worker"]
HEIGHTS_M = {"adult": (1.52, 1.95), "child": (1.0, 1.45), "worker": (1.6, 1.92)}


@dataclass(frozen=True)
class Posture:
    """Joints of a body.

    Attributes:
        height: Of the person when upright: sets lengths and girths.
        hip: Middle of the hips.
        neck: Foot of the neck.
        hands: Right, left.
        feet: Right, left: the ankles.
    """

    height: float
    hip: Point
    neck: Point
    hands: tuple[Point, Point]
    feet: tuple[Point, Point]


@dataclass(frozen=True)
class Dress:
    """Materials of a person's parts, and how stout he is; `hat` −1: bare hair."""

    top: int
    legs: int
    hat: int
    girth: float
    skirt: bool = False


def pedestrian(rng: np.random.Generator, sort: Sort, walking: bool) -> Mesh:
    """Somebody on foot, with a bag now and then."""
    height = float(rng.uniform(*HEIGHTS_M[sort]))
    posture = _stride(height, rng) if walking else _stance(height, rng)
    dress = sample_dress(rng, sort)
    return join([*body(posture, dress), *_bags(posture, sort, rng)]).centred()


def sample_dress(rng: np.random.Generator, sort: Sort) -> Dress:
    """Jacket or vest, trousers, skirt or bare legs, hair, hat or helmet."""
    if sort == "worker":
        return Dress(VEST, TROUSERS, PLAIN, float(rng.uniform(1.0, 1.2)))
    legs = SKIN if rng.random() < 0.15 else TROUSERS
    hat = SECOND if rng.random() < 0.2 else -1
    return Dress(CLOTH, legs, hat, float(rng.uniform(0.85, 1.2)), bool(rng.random() < 0.25))


def _stride(height: float, rng: np.random.Generator) -> Posture:
    """Walking: legs apart along x, arms swinging against them."""
    step = height * float(rng.uniform(0.06, 0.14)) * float(rng.choice([-1.0, 1.0]))
    lift = 0.04 * height
    swing = 0.7 * step
    lean = 0.02 * height
    feet = ((step, -0.055 * height, 0.05), (-step, 0.055 * height, 0.05 + lift))
    hands = (
        (lean - swing, -0.15 * height, 0.47 * height + 0.2 * abs(swing)),
        (lean + swing, 0.15 * height, 0.47 * height + 0.2 * abs(swing)),
    )
    drop = height * 0.5 - 0.3 * abs(step)
    return Posture(height, (0.0, 0.0, drop), (lean, 0.0, drop + 0.315 * height), hands, feet)


def _stance(height: float, rng: np.random.Generator) -> Posture:
    """Standing: arms hanging, folded, at the ear or with something held."""
    feet = ((0.02, -0.06 * height, 0.05), (-0.02, 0.06 * height, 0.05))
    down = ((0.03, -0.15 * height, 0.44 * height), (0.03, 0.15 * height, 0.44 * height))
    front = (
        (0.16 * height, -0.05 * height, 0.64 * height),
        (0.16 * height, 0.05 * height, 0.6 * height),
    )
    phone = ((0.07 * height, -0.08 * height, 0.88 * height), down[1])
    hands = (down, front, phone)[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    return Posture(height, (0.0, 0.0, 0.5 * height), (0.0, 0.0, 0.815 * height), hands, feet)


def _bent(start: Point, end: Point, length: float, ahead: float) -> Point:
    """The joint between two limbs of half `length` each, bent along x (`ahead` ±1)."""
    a, b = np.array(start), np.array(end)
    middle, axis = (a + b) / 2, b - a
    spare = max(length**2 - float(axis @ axis), 0.0)
    out = np.array([1.0, 0.0, 0.0]) - axis * axis[0] / max(float(axis @ axis), 1e-9)
    out /= max(float(np.linalg.norm(out)), 1e-9)
    x, y, z = middle + out * ahead * 0.5 * math.sqrt(spare)
    return (float(x), float(y), float(z))


def body(posture: Posture, dress: Dress) -> list[Mesh]:
    """Legs, torso, arms and head of a person in a posture."""
    height = posture.height
    parts = [_torso(posture, dress), *_head(posture, dress)]
    for side, hand, foot in zip((-1.0, 1.0), posture.hands, posture.feet, strict=True):
        hip = (posture.hip[0], side * 0.05 * height, posture.hip[2])
        parts += _leg(hip, foot, height, dress)
        shoulder = (
            posture.neck[0],
            side * 0.105 * height * dress.girth**0.5,
            posture.neck[2] - 0.02 * height,
        )
        elbow = _bent(shoulder, hand, 0.34 * height, -1.0)
        sleeve = CLOTH if dress.top == VEST else dress.top
        parts += [
            beam(shoulder, elbow, (0.032 * height, 0.026 * height), sleeve),
            beam(elbow, hand, (0.026 * height, 0.02 * height), sleeve),
            ball(hand, (0.026 * height, 0.02 * height, 0.03 * height), (SKIN, SKIN), 4),
        ]
    return parts


def _leg(hip: Point, foot: Point, height: float, dress: Dress) -> list[Mesh]:
    knee = _bent(hip, foot, 0.49 * height, 1.0)
    upper = TROUSERS if dress.legs == SKIN and dress.skirt else dress.legs
    shoe = (foot[0] - 0.035 * height, foot[0] + 0.1 * height)
    return [
        beam(hip, knee, (0.055 * height * dress.girth, 0.038 * height), upper, 5),
        beam(knee, foot, (0.038 * height, 0.026 * height), dress.legs, 5),
        box(
            shoe,
            (foot[1] - 0.026 * height, foot[1] + 0.026 * height),
            (foot[2] - 0.05, foot[2] + 0.02 * height),
            RUBBER,
        ),
    ]


def _torso(posture: Posture, dress: Dress) -> Mesh:
    """Rings of eight corners from the hips, or a skirt's hem, to the neck."""
    height, (hx, _, hz), (nx, _, nz) = posture.height, posture.hip, posture.neck
    levels = [(0.0, 0.105, 0.075), (0.35, 0.088, 0.065), (0.78, 0.118, 0.072), (0.97, 0.1, 0.055)]
    levels.append((1.04, 0.035, 0.035))
    if dress.skirt:
        levels.insert(0, (-0.75, 0.12, 0.1))
    angles = np.arange(8) * (math.pi / 4) + math.pi / 8
    rings = []
    for share, wide, deep in levels:
        x, z = hx + share * (nx - hx), hz + share * (nz - hz)
        ring = np.stack(
            [
                x + deep * height * dress.girth * np.cos(angles),
                wide * height * dress.girth**0.5 * np.sin(angles),
                np.full(8, z),
            ],
            axis=-1,
        )
        rings.append(ring)
    bands = [dress.top] * (len(rings) - 1)
    if dress.skirt:
        bands[0] = TROUSERS
    return hull(np.stack(rings), bands, (TROUSERS, SKIN))


def _head(posture: Posture, dress: Dress) -> list[Mesh]:
    height = posture.height
    x, y, z = posture.neck
    middle = (x + 0.015 * height, y, z + 0.105 * height)
    covered = HAIR if dress.hat < 0 else dress.hat
    head = ball(
        middle, (0.058 * height, 0.046 * height, 0.08 * height), (SKIN, SKIN, SKIN, covered)
    )
    back = ball(
        (middle[0] - 0.018 * height, y, middle[2] + 0.012 * height),
        (0.05 * height, 0.05 * height, 0.074 * height),
        (HAIR, HAIR, covered),
    )
    neck = beam((x, y, z - 0.02 * height), middle, (0.03 * height, 0.03 * height), SKIN)
    if dress.hat != PLAIN:
        return [neck, head, back]
    brim = box(
        (middle[0] - 0.07 * height, middle[0] + 0.085 * height),
        (-0.06 * height, 0.06 * height),
        (middle[2] + 0.035 * height, middle[2] + 0.045 * height),
        PLAIN,
    )
    return [neck, head, back, brim]


def _bags(posture: Posture, sort: Sort, rng: np.random.Generator) -> list[Mesh]:
    """A backpack, or a bag in the left hand."""
    height, draw = posture.height, rng.random()
    if sort == "worker" or draw > 0.45:
        return []
    if draw < 0.22:
        x, z = posture.neck[0] - 0.07 * height, posture.neck[2]
        low, high = (x - 0.1 * height, x, 0.08 * height), (x - 0.06 * height, x, 0.07 * height)
        return [tapered(low, high, (z - 0.26 * height, z - 0.02 * height), SECOND, SECOND)]
    x, y, z = posture.hands[1]
    return [box((x - 0.11, x + 0.11), (y - 0.03, y + 0.05), (z - 0.3, z - 0.02), SECOND)]
