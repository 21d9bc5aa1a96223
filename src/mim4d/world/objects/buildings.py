"""Buildings with their roofs, balconies, bays and canopies; walls, fences and hedges.

A mesh is in the building's own axes (z up; origin at the middle of the footprint on the ground;
metres).
"""

from dataclasses import dataclass

import numpy as np

from mim4d.world.objects.facades import CURTAIN_WALL, SHEET
from mim4d.world.objects.meshes import Material, Mesh, box, cylinder, gable, join, tapered

PLAIN, SECOND, FACADE = int(Material.PLAIN), int(Material.SECOND), int(Material.FACADE)
ROOF, MASONRY, METAL = int(Material.ROOF), int(Material.MASONRY), int(Material.METAL)
GLASS, CONCRETE, TRIM = int(Material.GLASS), int(Material.CONCRETE), int(Material.TRIM)
MOST_BALCONIES = 14


@dataclass(frozen=True)
class Block:
    """A building's main block: half sizes, height of the eaves, and the grid of its windows."""

    half_x: float
    half_y: float
    height: float
    pitch: float
    storey: float
    style: int


def building(rng: np.random.Generator, block: Block, pitched: bool) -> Mesh:
    """A block with a gabled, hipped or flat roof, and what is built on and out of it."""
    x, y = block.half_x, block.half_y
    parts = [box((-x, x), (-y, y), (0.0, block.height), FACADE, ROOF)]
    parts += _pitched_roof(rng, block) if pitched else _flat_roof(rng, block)
    if block.style not in (CURTAIN_WALL, SHEET):
        if rng.random() < 0.45 and block.height > 2 * block.storey:
            parts += _balconies(rng, block)
        elif rng.random() < 0.4:
            parts += _bay(rng, block)
    if rng.random() < 0.45:
        parts += _awnings(rng, block)
    return join(parts)


def _pitched_roof(rng: np.random.Generator, block: Block) -> list[Mesh]:
    """A gable or a hip over the eaves, with chimneys and dormers."""
    x, y, eaves = block.half_x, block.half_y, block.height
    rise, over = float(rng.uniform(0.5, 0.95)) * y, 0.35
    hip = rng.random() < 0.35
    if hip:
        ridge = max(x - 0.8 * y, 0.2)
        low = (-x - over, x + over, y + over)
        parts = [tapered(low, (-ridge, ridge, 0.12), (eaves, eaves + rise), ROOF, ROOF)]
    else:
        parts = [gable(x, y, (eaves, eaves + rise), over, ROOF, PLAIN)]
    for _ in range(int(rng.integers(1, 3))):
        at, side = float(rng.uniform(-0.6, 0.6)) * x, float(rng.choice([-1.0, 1.0]))
        top = (eaves + 0.3 * rise, eaves + rise + 0.6)
        parts.append(
            box((at - 0.35, at + 0.35), (side * 0.7 - 0.3, side * 0.7 + 0.3), top, MASONRY)
        )
    if not hip and rise > 2.2 and rng.random() < 0.6:
        for at in np.arange(-x + 1.6, x - 1.4, 2.0 * block.pitch):
            for side in (-1.0, 1.0):
                depth = sorted((side * 0.42 * y, side * 0.82 * y))
                foot = (eaves + 0.1 * rise, eaves + 0.62 * rise)
                span = (float(at) - 0.6, float(at) + 0.6)
                parts.append(box(span, (depth[0], depth[1]), foot, PLAIN, ROOF))
                pane = sorted((side * 0.8 * y, side * (0.82 * y + 0.02)))
                inner = (foot[0] + 0.35, foot[1] - 0.12)
                parts.append(
                    box((span[0] + 0.15, span[1] - 0.15), (pane[0], pane[1]), inner, GLASS)
                )
    return parts


def _flat_roof(rng: np.random.Generator, block: Block) -> list[Mesh]:
    """A parapet, lift houses, ventilation, masts, sometimes storeys set back."""
    x, y, top = block.half_x, block.half_y, block.height
    rim = 0.12
    parts = [box((-x - rim, x + rim), (-y - rim, y + rim), (top - 0.4, top + 0.25), SECOND, ROOF)]
    if rng.random() < 0.35:
        shrink = float(rng.uniform(0.5, 0.85))
        more = block.storey * float(rng.integers(1, 4))
        sx, sy = x * shrink, y * shrink
        parts.append(box((-sx, sx), (-sy, sy), (top, top + more), FACADE, ROOF))
        parts.append(
            box(
                (-sx - rim, sx + rim),
                (-sy - rim, sy + rim),
                (top + more - 0.3, top + more + 0.2),
                SECOND,
                ROOF,
            )
        )
        top += more
        x, y = sx, sy
    for _ in range(int(rng.integers(1, 5))):
        px, py = float(rng.uniform(-0.7, 0.7)) * x, float(rng.uniform(-0.7, 0.7)) * y
        hx, hy, hz = (float(rng.uniform(0.4, 1.4)) for _ in range(3))
        material = (METAL, CONCRETE, PLAIN)[int(rng.integers(3))]
        parts.append(
            box((px - hx, px + hx), (py - hy, py + hy), (top, top + 0.5 + 1.4 * hz), material)
        )
    if rng.random() < 0.3:
        parts.append(cylinder(0.06, (top, top + float(rng.uniform(2.5, 6.0))), METAL, 5, 0.03))
    return parts


def _balconies(rng: np.random.Generator, block: Block) -> list[Mesh]:
    """Balconies before some columns of windows on both long sides."""
    columns = max(round(2 * block.half_x / block.pitch), 1)
    levels = int(block.height / block.storey)
    out, solid = float(rng.uniform(0.8, 1.2)), rng.random() < 0.5
    chosen = [k for k in range(columns) if (k + int(rng.integers(2))) % 2 == 0] or [0]
    parts: list[Mesh] = []
    for level in range(1, levels):
        for k in chosen:
            for side in (-1.0, 1.0):
                if len(parts) < 2 * MOST_BALCONIES:
                    middle = (k + 0.5) * block.pitch - block.half_x
                    parts += _balcony(block, middle, side, level * block.storey, out, solid)
    return parts


def _balcony(block: Block, x: float, side: float, z: float, out: float, solid: bool) -> list[Mesh]:
    half = 0.42 * block.pitch
    near, far = block.half_y, block.half_y + out
    floor = sorted((side * near, side * far))
    front = sorted((side * (far - 0.06), side * far))
    rail = (z + 0.1, z + 1.05) if solid else (z + 0.55, z + 1.05)
    return [
        box((x - half, x + half), (floor[0], floor[1]), (z - 0.05, z + 0.1), CONCRETE),
        box((x - half, x + half), (front[0], front[1]), rail, SECOND if solid else METAL),
    ]


def _bay(rng: np.random.Generator, block: Block) -> list[Mesh]:
    """A part that stands out, with a roof of its own."""
    wide = 0.5 * block.pitch * int(rng.integers(1, 3))
    out, top = float(rng.uniform(0.6, 1.3)), block.height * float(rng.uniform(0.55, 0.95))
    y = block.half_y + out
    at = (-block.half_x + wide + 0.5) * float(rng.choice([-1.0, 0.0, 1.0]))
    return [
        box((at - wide, at + wide), (-y, y), (0.0, top), FACADE, ROOF),
        box(
            (at - wide - 0.1, at + wide + 0.1), (-y - 0.1, y + 0.1), (top, top + 0.15), SECOND, ROOF
        ),
    ]


def _awnings(rng: np.random.Generator, block: Block) -> list[Mesh]:
    """A canopy along the ground floor, or an awning over every other column."""
    z = 0.8 * block.storey
    if rng.random() < 0.4:
        y = block.half_y + float(rng.uniform(0.5, 1.0))
        return [box((-block.half_x * 0.9, block.half_x * 0.9), (-y, y), (z, z + 0.16), SECOND)]
    parts: list[Mesh] = []
    for at in np.arange(-block.half_x + block.pitch, block.half_x - 0.5, 2 * block.pitch):
        half, out = 0.45 * block.pitch, float(rng.uniform(0.7, 1.0))
        lower = (float(at) - half, float(at) + half, block.half_y + out)
        upper = (float(at) - half, float(at) + half, block.half_y)
        parts.append(tapered(lower, upper, (z - 0.35, z + 0.1), SECOND, SECOND))
    return parts


def enclosure(length: float, height: float, thickness: float, material: int) -> Mesh:
    """A straight wall, fence or hedge along x; walls and fences have posts and a coping."""
    half, end = thickness / 2, length / 2
    body = box((-end, end), (-half, half), (0.0, height), material)
    if material == MASONRY:
        coping = box((-end, end), (-half - 0.05, half + 0.05), (height, height + 0.08), CONCRETE)
        return join([body, coping])
    if material != int(Material.PLANKS):
        return body
    posts = [
        box((x - 0.06, x + 0.06), (-half - 0.03, half + 0.03), (0.0, height + 0.1), SECOND)
        for x in (-end + 0.06, 0.0, end - 0.06)
    ]
    return join([body, *posts])
