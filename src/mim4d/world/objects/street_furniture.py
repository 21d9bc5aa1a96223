"""Cones, barriers, signs, lamps and other things that stand in streets, each drawn anew.

A mesh is in the object's own axes (x forward, y left, z up; origin at the middle of the footprint
on the ground; metres). Signs, lamps, posters and barriers face along x.
"""

import numpy as np

from mim4d.world.objects.meshes import (
    Material,
    Mesh,
    ball,
    beam,
    box,
    cylinder,
    drum,
    join,
    tapered,
)

PLAIN, SECOND, METAL = int(Material.PLAIN), int(Material.SECOND), int(Material.METAL)
CONCRETE, STRIPES, CONE = int(Material.CONCRETE), int(Material.STRIPES), int(Material.CONE)
RUBBER, TRIM, PLANKS = int(Material.RUBBER), int(Material.TRIM), int(Material.PLANKS)
GLASS, POSTER, SIGN = int(Material.GLASS), int(Material.POSTER), int(Material.SIGN)
SIGNAL, LAMP, SOIL = int(Material.SIGNAL), int(Material.LAMP), int(Material.SOIL)
BARRIERS = ("plastic", "concrete", "fence", "boards")
SIDES = (-1.0, 1.0)


def traffic_cone(rng: np.random.Generator) -> Mesh:
    """A cone on a square foot; sometimes a tall slender one or a drum."""
    height, foot = float(rng.uniform(0.68, 0.95)), float(rng.uniform(0.17, 0.22))
    if rng.random() < 0.2:
        radius = float(rng.uniform(0.2, 0.26))
        base = cylinder(radius + 0.06, (0.0, 0.08), RUBBER, 10)
        return join([base, cylinder(radius, (0.08, height + 0.2), CONE, 10, 0.82 * radius)])
    return join(
        [
            box((-foot, foot), (-foot, foot), (0.0, 0.04), RUBBER),
            cylinder(0.78 * foot, (0.04, height), CONE, 9, 0.03),
            cylinder(0.03, (height, height + 0.02), TRIM, 6),
        ]
    )


def road_barrier(rng: np.random.Generator) -> Mesh:
    """An element about two metres long; it faces along x, its length runs along y."""
    sort = BARRIERS[int(rng.choice(len(BARRIERS), p=[0.36, 0.24, 0.24, 0.16]))]
    half, height = float(rng.uniform(0.85, 1.3)), float(rng.uniform(0.8, 1.12))
    shape = {"plastic": _plastic, "concrete": _concrete, "fence": _fence, "boards": _boards}[sort]
    return join(shape(half, height)).centred()


def _plastic(half: float, height: float) -> list[Mesh]:
    """A water-filled block, narrow above, with two holes for forks."""
    holes = [box((-0.27, 0.27), (y - 0.12, y + 0.12), (0.0, 0.1), TRIM) for y in (-0.4, 0.4)]
    return [
        box((-0.26, 0.26), (-half, half), (0.0, 0.2), STRIPES),
        tapered((-0.26, 0.26, half), (-0.12, 0.12, half), (0.2, 0.45), STRIPES, STRIPES),
        tapered((-0.12, 0.12, half), (-0.09, 0.09, half - 0.04), (0.45, height), STRIPES, STRIPES),
        *holes,
    ]


def _concrete(half: float, height: float) -> list[Mesh]:
    """A profiled wall element with a reflector."""
    return [
        box((-0.3, 0.3), (-half, half), (0.0, 0.08), CONCRETE),
        tapered((-0.3, 0.3, half), (-0.14, 0.14, half), (0.08, 0.34), CONCRETE, CONCRETE),
        tapered((-0.14, 0.14, half), (-0.08, 0.08, half), (0.34, height), CONCRETE, CONCRETE),
        *(
            box((-0.2, 0.2), (y - 0.05, y + 0.05), (0.3, 0.36), SECOND)
            for y in (-half / 2, half / 2)
        ),
    ]


def _fence(half: float, height: float) -> list[Mesh]:
    """A crowd barrier: a frame of tubes, bars, and feet across."""
    top, tube = height, 0.022
    rails = [beam((0.0, -half, z), (0.0, half, z), (tube, tube), METAL) for z in (0.2, top - tube)]
    posts = [beam((0.0, y, 0.05), (0.0, y, top), (tube, tube), METAL) for y in (-half, half)]
    bars = [
        box((-0.008, 0.008), (float(y) - 0.008, float(y) + 0.008), (0.2, top - tube), METAL)
        for y in np.arange(-half + 0.14, half, 0.14)
    ]
    feet = [
        box((-0.28, 0.28), (y - 0.03, y + 0.03), (0.0, 0.05), METAL)
        for y in (0.2 - half, half - 0.2)
    ]
    plate = box((-0.012, 0.012), (-0.3, 0.3), (0.5, 0.8), STRIPES)
    return [*rails, *posts, *bars, *feet, plate]


def _boards(half: float, height: float) -> list[Mesh]:
    """Striped boards on two frames, with a warning lamp."""
    boards = [
        box((-0.02, 0.02), (-half, half), (z, z + 0.2), STRIPES) for z in (0.35, height - 0.2)
    ]
    legs = [
        beam(
            (x, side * (half - 0.25), 0.0),
            (0.0, side * (half - 0.25), height),
            (0.025, 0.025),
            METAL,
        )
        for x in (-0.25, 0.25)
        for side in SIDES
    ]
    lamp = cylinder(0.08, (height, height + 0.16), LAMP, 6).moved(0.0, half - 0.25)
    return [*boards, *legs, lamp]


def lamp_post(rng: np.random.Generator) -> Mesh:
    """A post with an arm reaching along +x, or an old one with a lantern on top."""
    height, arm = float(rng.uniform(5.0, 8.5)), float(rng.uniform(0.8, 2.0))
    if rng.random() < 0.25:
        height = float(rng.uniform(3.4, 4.4))
        lantern = tapered(
            (-0.13, 0.13, 0.13), (-0.2, 0.2, 0.2), (height, height + 0.5), LAMP, METAL
        )
        cap = cylinder(0.26, (height + 0.5, height + 0.7), METAL, 6, 0.04)
        return join([_pole(height, 0.06), cylinder(0.12, (0.0, 0.8), METAL, 8, 0.08), lantern, cap])
    reach = beam((0.0, 0.0, height - 0.5), (arm, 0.0, height), (0.045, 0.035), METAL)
    head = box((arm - 0.1, arm + 0.6), (-0.13, 0.13), (height - 0.02, height + 0.09), METAL)
    lamp = box((arm, arm + 0.55), (-0.1, 0.1), (height - 0.06, height - 0.02), LAMP)
    return join([_pole(height - 0.4, 0.09), reach, head, lamp])


def _pole(height: float, radius: float) -> Mesh:
    return cylinder(radius, (0.0, height), METAL, 7, 0.6 * radius)


def sign_post(rng: np.random.Generator) -> Mesh:
    """A thin post with a round, square or three-cornered plate, sometimes two."""
    height = float(rng.uniform(2.4, 3.0))
    plates = [_plate(rng, height - 0.35)]
    if rng.random() < 0.35:
        plates.append(box((0.03, 0.05), (-0.3, 0.3), (height - 1.05, height - 0.75), SIGN))
    return join([cylinder(0.035, (0.0, height), METAL, 6), *plates])


def _plate(rng: np.random.Generator, z: float) -> Mesh:
    half, corners = float(rng.uniform(0.28, 0.38)), int(rng.choice([3, 4, 8, 12]))
    if corners == 4:
        return box((0.03, 0.05), (-half, half), (z - half, z + half), SIGN)
    disc = cylinder(half, (0.03, 0.05), SIGN, corners).triangles
    # The disc's own x points up after the turn, so that a corner of a triangle does, too.
    return Mesh(
        np.stack([disc[..., 2], disc[..., 1], disc[..., 0] + z], axis=-1),
        np.full(len(disc), SIGN, dtype=np.uint8),
    )


def traffic_light(rng: np.random.Generator) -> Mesh:
    """A post with a head of three lamps and a button for walkers."""
    height = 3.1
    head = box((-0.05, 0.16), (-0.17, 0.17), (2.1, 3.0), SIGNAL)
    hood = box((0.0, 0.24), (-0.17, 0.17), (3.0, 3.04), TRIM)
    board = box((-0.07, -0.05), (-0.3, 0.3), (2.0, 3.1), TRIM)
    button = box((0.06, 0.14), (-0.06, 0.06), (0.95, 1.2), SECOND)
    return join(
        [
            cylinder(0.07, (0.0, height + float(rng.uniform(0.0, 0.5))), METAL, 7),
            head,
            hood,
            board,
            button,
        ]
    )


def cabinet(rng: np.random.Generator) -> Mesh:
    """A switch box, a litter bin, a wheeled bin, a post box."""
    sort = int(rng.integers(4))
    if sort == 0:
        x, y, z = (float(rng.uniform(*span)) for span in ((0.2, 0.35), (0.3, 0.7), (0.9, 1.5)))
        foot = box((-x, x), (-y, y), (0.0, 0.12), CONCRETE)
        chest = box((0.02 - x, x), (-y, y), (0.12, z), PLAIN)
        return join([foot, chest, box((-x, x + 0.04), (-y, y), (z, z + 0.05), METAL)])
    if sort == 1:
        post = cylinder(0.03, (0.0, 1.1), METAL, 6)
        return join([post, cylinder(0.17, (0.45, 1.0), SECOND, 8, 0.2).moved(0.2, 0.0)])
    if sort == 2:
        tub = tapered((-0.24, 0.24, 0.2), (-0.3, 0.3, 0.26), (0.05, 0.95), SECOND, SECOND)
        cover = box((-0.32, 0.32), (-0.27, 0.27), (0.95, 1.02), TRIM)
        return join([tub, cover, drum((-0.24, 0.0, 0.1), 0.1, 0.26, RUBBER, RUBBER, 8)])
    chest = box((-0.22, 0.22), (-0.26, 0.26), (0.35, 1.35), SECOND)
    slot = box((0.22, 0.23), (-0.16, 0.16), (1.1, 1.16), TRIM)
    return join([cylinder(0.06, (0.0, 0.35), METAL, 6), chest, slot])


def bollard(rng: np.random.Generator) -> Mesh:
    """A short post with a ring or a knob."""
    height = float(rng.uniform(0.75, 1.05))
    ring = cylinder(0.085, (0.75 * height, 0.88 * height), SECOND, 8)
    return join([cylinder(0.075, (0.0, height), METAL, 8, 0.065), ring])


def bench(rng: np.random.Generator) -> Mesh:
    """A seat along y; one sits facing along x."""
    half = float(rng.uniform(0.7, 1.0))
    seat = [box((x, x + 0.13), (-half, half), (0.42, 0.46), PLANKS) for x in (-0.22, -0.06, 0.1)]
    back = [box((-0.27, -0.23), (-half, half), (z, z + 0.13), PLANKS) for z in (0.52, 0.7)]
    feet = [
        piece
        for y in (0.2 - half, half - 0.2)
        for piece in (
            box((-0.22, 0.23), (y - 0.03, y + 0.03), (0.0, 0.42), METAL),
            box((-0.28, -0.24), (y - 0.03, y + 0.03), (0.3, 0.83), METAL),
        )
    ]
    return join([*seat, *back, *feet]).centred()


def bus_shelter(rng: np.random.Generator) -> Mesh:
    """A roof over a seat, glass behind, a poster at one end; open along x."""
    half = float(rng.uniform(1.5, 2.2))
    posts = [
        box((x - 0.04, x + 0.04), (y - 0.04, y + 0.04), (0.0, 2.35), METAL)
        for x in (-0.65, 0.5)
        for y in (-half, half)
    ]
    return join(
        [
            *posts,
            box((-0.67, -0.64), (-half, half), (0.2, 2.15), GLASS),
            box((-0.6, 0.45), (half - 0.02, half + 0.02), (0.2, 2.15), GLASS),
            box((-0.6, 0.45), (-half - 0.06, 0.06 - half), (0.3, 2.2), POSTER),
            box((-0.8, 0.8), (-half - 0.1, half + 0.1), (2.35, 2.45), METAL),
            box((0.78, 0.82), (-half, half), (2.3, 2.48), SECOND),
            box((-0.55, -0.2), (0.4 - half, half - 0.4), (0.44, 0.5), PLANKS),
            *(box((-0.42, -0.34), (y - 0.03, y + 0.03), (0.0, 0.44), METAL) for y in (-0.6, 0.6)),
        ]
    ).centred()


def billboard(rng: np.random.Generator) -> Mesh:
    """A poster in a frame on two legs, or an advertising pillar."""
    if rng.random() < 0.35:
        radius, height = float(rng.uniform(0.5, 0.65)), float(rng.uniform(2.6, 3.2))
        foot = cylinder(radius + 0.05, (0.0, 0.35), CONCRETE, 12)
        dome = cylinder(radius + 0.12, (height, height + 0.12), METAL, 12)
        knob = ball((0.0, 0.0, height + 0.2), (0.3, 0.3, 0.2), (METAL, METAL), 8)
        return join([foot, cylinder(radius, (0.35, height), POSTER, 12), dome, knob])
    half, low = float(rng.uniform(0.9, 1.9)), float(rng.uniform(0.5, 1.3))
    top = low + half * float(rng.uniform(1.0, 1.4))
    frame = [
        box((-0.1, 0.1), (y - 0.06, y + 0.06), (low - 0.05, top + 0.05), METAL)
        for y in (-half, half)
    ]
    frame += [box((-0.1, 0.1), (-half, half), (z - 0.05, z + 0.05), METAL) for z in (low, top)]
    legs = [
        box((-0.05, 0.05), (y - 0.06, y + 0.06), (0.0, low), METAL) for y in (-half / 2, half / 2)
    ]
    return join([box((-0.06, 0.06), (-half, half), (low, top), POSTER), *frame, *legs])


def planter(rng: np.random.Generator) -> Mesh:
    """A tub with a bush."""
    half, height = float(rng.uniform(0.35, 0.6)), float(rng.uniform(0.45, 0.7))
    tub = tapered(
        (-half, half, half), (-half - 0.06, half + 0.06, half + 0.06), (0.0, height), CONCRETE, SOIL
    )
    leaves = int(Material.FOLIAGE)
    bush = ball((0.0, 0.0, height + 0.3), (0.95 * half, 0.95 * half, 0.42), (leaves,) * 4, 8)
    return join([tub, bush])
