"""Parts that vehicles share: axles, wheel arches, lamps, plates, mirrors. Vehicle axes, metres."""

from collections.abc import Sequence

from mim4d.world.objects.meshes import Material, Mesh, arch, box, wheel

SIDES = (-1.0, 1.0)
RUBBER, TRIM, PLATE = int(Material.RUBBER), int(Material.TRIM), int(Material.PLATE)
HEADLIGHT, TAILLIGHT = int(Material.HEADLIGHT), int(Material.TAILLIGHT)


def wheels(positions: Sequence[float], half: float, radius: float, width: float) -> list[Mesh]:
    """Pairs of wheels whose outer faces lie at y = ±half."""
    middle = half - width / 2 - 0.006
    return [wheel(x, side * middle, radius, width) for x in positions for side in SIDES]


def arches(positions: Sequence[float], flank: float, radius: float) -> list[Mesh]:
    """Dark openings above those wheels, just proud of flanks at y = ±flank."""
    return [
        arch(x, 0.96 * radius, 1.17 * radius, side * (flank + 0.004))
        for x in positions
        for side in SIDES
    ]


def paired(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], material: int
) -> list[Mesh]:
    """The same box on the left (y as given) and on the right."""
    return [box(x, y, z, material), box(x, (-y[1], -y[0]), z, material)]


def headlamps(front: float, y: tuple[float, float], z: tuple[float, float]) -> list[Mesh]:
    """Lamps that end at x = front."""
    return paired((front - 0.14, front), y, z, HEADLIGHT)


def tail(back: float, y: tuple[float, float], z: tuple[float, float], plate_z: float) -> list[Mesh]:
    """Lamps and number plate that begin at x = back."""
    plate = box((back, back + 0.03), (-0.26, 0.26), (plate_z, plate_z + 0.12), PLATE)
    return [*paired((back, back + 0.12), y, z, TAILLIGHT), plate]


def mirrors(x: float, half: float, z: float, size: tuple[float, float]) -> list[Mesh]:
    """Wing mirrors that reach from y = ±half outwards; `size`: how far, and how high."""
    return paired((x - 0.12, x), (half, half + size[0]), (z, z + size[1]), TRIM)
