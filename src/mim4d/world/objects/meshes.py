"""Triangle meshes of simple solids, in an object's own axes: x forward, y left, z up, metres.

The origin is the middle of the footprint on the ground. Each triangle has a material; colours
belong to objects, so that one car model can have any colour. Winding does not matter: rays see both
sides.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import no_type_check

import numpy as np
from jaxtyping import Float, UInt8

from mim4d.world.kernels.compile import kernel

Point = tuple[float, float, float]
Span = tuple[float, float]


class Material(IntEnum):
    """Materials the shading kernels know."""

    PLAIN = 0
    SECOND = 1
    FACADE = 2
    ROOF = 3
    FOLIAGE = 4
    BARK = 5
    PLANKS = 6
    MASONRY = 7
    METAL = 8
    CONCRETE = 9
    SOIL = 10
    PAINT = 11
    LIVERY = 12
    CARGO = 13
    CURTAIN = 14
    GLASS = 15
    RUBBER = 16
    TRIM = 17
    RIM = 18
    PLATE = 19
    HEADLIGHT = 20
    TAILLIGHT = 21
    LAMP = 22
    SKIN = 23
    HAIR = 24
    CLOTH = 25
    TROUSERS = 26
    VEST = 27
    CONE = 28
    STRIPES = 29
    SIGN = 30
    SIGNAL = 31
    POSTER = 32
    HAZARD = 33


@dataclass(frozen=True)
class Mesh:
    """Triangles and their materials."""

    triangles: Float[np.ndarray, "p 3 3"]
    materials: UInt8[np.ndarray, " p"]

    def moved(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> "Mesh":
        """The mesh turned about z, then shifted."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        rotation = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return Mesh(self.triangles @ rotation + np.array([x, y, z]), self.materials)

    def centred(self) -> "Mesh":
        """The mesh shifted so that it stands on the ground, its footprint around the origin."""
        low, high = self.extent
        middle = (low + high) / 2
        return self.moved(-float(middle[0]), -float(middle[1]), -float(low[2]))

    @cached_property
    def extent(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Lowest and highest coordinates."""
        points = self.triangles.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)


def join(meshes: Iterable[Mesh]) -> Mesh:
    """All meshes as one."""
    parts = list(meshes)
    return Mesh(
        np.concatenate([mesh.triangles for mesh in parts]),
        np.concatenate([mesh.materials for mesh in parts]),
    )


def hull(
    rings: Float[np.ndarray, "q c 3"], sides: Sequence[int | Sequence[int]], ends: tuple[int, int]
) -> Mesh:
    """Walls between consecutive rings of corners, closed by fans.

    Args:
        rings: Corners of each ring, all rings alike.
        sides: Material of each band between two rings, or of each of its faces.
        ends: Materials of the first and the last ring's lid.
    """
    count = rings.shape[1]
    of_walls = np.concatenate([np.broadcast_to(np.array(side), count) for side in sides])
    return Mesh(*_hull_kernel(np.ascontiguousarray(rings, np.float64), of_walls, np.array(ends)))


@kernel
@no_type_check
def _hull_kernel(rings, of_walls, ends):
    """Triangles that have an area, and their materials."""
    bands, count = rings.shape[0] - 1, rings.shape[1]
    most = 2 * bands * count + 2 * (count - 2)
    triangles = np.empty((most, 3, 3))
    materials = np.empty(most, np.uint8)
    size = 0
    for band in range(bands):
        for c in range(count):
            after = (c + 1) % count
            for half in range(2):
                for v in range(3):
                    triangles[size, 0, v] = rings[band, c, v]
                    if half == 0:
                        triangles[size, 1, v] = rings[band, after, v]
                        triangles[size, 2, v] = rings[band + 1, after, v]
                    else:
                        triangles[size, 1, v] = rings[band + 1, after, v]
                        triangles[size, 2, v] = rings[band + 1, c, v]
                materials[size] = of_walls[band * count + c]
                size += _area(triangles[size]) > 1e-8
    for lid in range(2):
        for c in range(1, count - 1):
            for v in range(3):
                triangles[size, 0, v] = rings[lid * bands, 0, v]
                triangles[size, 1, v] = rings[lid * bands, c, v]
                triangles[size, 2, v] = rings[lid * bands, c + 1, v]
            materials[size] = ends[lid]
            size += _area(triangles[size]) > 1e-8
    return triangles[:size].copy(), materials[:size].copy()


@kernel
@no_type_check
def _area(corners):
    """Twice the area of a triangle."""
    ax, ay = corners[1, 0] - corners[0, 0], corners[1, 1] - corners[0, 1]
    bx, by = corners[2, 0] - corners[0, 0], corners[2, 1] - corners[0, 1]
    az, bz = corners[1, 2] - corners[0, 2], corners[2, 2] - corners[0, 2]
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return math.sqrt(x * x + y * y + z * z)


def _rectangle(x: Span, y: Span, z: float) -> Float[np.ndarray, "4 3"]:
    return np.array([[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]])


def box(x: Span, y: Span, z: Span, side: int, top: int | None = None) -> Mesh:
    """A box between the given coordinates; `top` is the material of its upper face."""
    rings = np.stack([_rectangle(x, y, z[0]), _rectangle(x, y, z[1])])
    return hull(rings, [side], (side, side if top is None else top))


def tapered(lower: Point, upper: Point, z: Span, side: int, top: int) -> Mesh:
    """A box whose top differs from its bottom: (x from, x to, half width) of either."""
    rings = [
        _rectangle((x0, x1), (-half, half), height)
        for (x0, x1, half), height in zip((lower, upper), z, strict=True)
    ]
    return hull(np.stack(rings), [side], (side, top))


@dataclass(frozen=True)
class Station:
    """Cross-section of a loft: at `x`, from `low` to `high`, half as wide as given there."""

    x: float
    low: float
    high: float
    half_low: float
    half_high: float

    def ring(self) -> Float[np.ndarray, "4 3"]:
        """Its corners: lower right, lower left, upper left, upper right."""
        return np.array(
            [
                [self.x, -self.half_low, self.low],
                [self.x, self.half_low, self.low],
                [self.x, self.half_high, self.high],
                [self.x, -self.half_high, self.high],
            ]
        )


def loft(
    stations: Sequence[Station], side: int | Sequence[int], top: int | Sequence[int], ends: int
) -> Mesh:
    """A body through cross-sections along x; `side` and `top`: materials, one for all or per band.

    The underside is dark trim.
    """
    bands = len(stations) - 1
    sides = [side] * bands if isinstance(side, int) else side
    tops = [top] * bands if isinstance(top, int) else top
    faces = [
        (int(Material.TRIM), flank, above, flank) for flank, above in zip(sides, tops, strict=True)
    ]
    return hull(np.stack([station.ring() for station in stations]), faces, (ends, ends))


def gable(half_x: float, half_y: float, z: Span, overhang: float, roof: int, wall: int) -> Mesh:
    """A pitched roof, its ridge along x, between eaves `z[0]` and ridge `z[1]`."""
    x, y = half_x + overhang, half_y + overhang
    corner = _rectangle((-x, x), (-y, y), z[0])
    ridge = np.array([[-x, 0.0, z[1]], [x, 0.0, z[1]]])
    slopes = [
        (corner[0], corner[1], ridge[1]),
        (corner[0], ridge[1], ridge[0]),
        (corner[2], corner[3], ridge[0]),
        (corner[2], ridge[0], ridge[1]),
    ]
    ends = [(corner[3], corner[0], ridge[0]), (corner[1], corner[2], ridge[1])]
    under = [(corner[0], corner[1], corner[2]), (corner[0], corner[2], corner[3])]
    materials = [roof] * 4 + [wall] * 2 + [roof] * 2
    return Mesh(np.array([*slopes, *ends, *under]), np.array(materials, dtype=np.uint8))


def _circle(corners: int, turn: float = 0.0) -> Float[np.ndarray, "c 2"]:
    angles = turn + np.arange(corners) * (2 * math.pi / corners)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def cylinder(radius: float, z: Span, side: int, corners: int = 7, top_radius: float = -1.0) -> Mesh:
    """An upright cylinder or cone frustum."""
    rings = [
        np.concatenate([_circle(corners) * r, np.full((corners, 1), height)], axis=-1)
        for r, height in zip((radius, radius if top_radius < 0 else top_radius), z, strict=True)
    ]
    return hull(np.stack(rings), [side], (side, side))


def drum(middle: Point, radius: float, half: float, side: int, lid: int, corners: int = 10) -> Mesh:
    """A cylinder whose axis lies along y."""
    circle = _circle(corners)
    rings = [
        np.stack([circle[:, 0] * radius, np.full(corners, y), circle[:, 1] * radius], axis=-1)
        for y in (-half, half)
    ]
    return hull(np.stack(rings) + np.array(middle), [side], (lid, lid))


def wheel(x: float, y: float, radius: float, width: float) -> Mesh:
    """A wheel whose axle is along y, standing on the ground at (x, y), with its rim."""
    middle, rubber, rim = (x, y, radius), int(Material.RUBBER), int(Material.RIM)
    return join(
        [
            drum(middle, radius, width / 2, rubber, rubber, 12),
            drum(middle, 0.64 * radius, width / 2 + 0.006, rim, rim, 8),
        ]
    )


def arch(x: float, z: float, radius: float, side_y: float) -> Mesh:
    """The dark opening above a wheel: a half disc standing at the flank `y = side_y`."""
    angles = np.linspace(-0.12, math.pi + 0.12, 9)
    rim = np.stack(
        [x + radius * np.cos(angles), np.full(9, side_y), z + radius * np.sin(angles)], axis=-1
    )
    fan = np.stack([rim[:1].repeat(7, axis=0), rim[1:-1], rim[2:]], axis=1)
    return Mesh(fan, np.full(7, int(Material.RUBBER), dtype=np.uint8))


def beam(start: Point, end: Point, half: Span, material: int, corners: int = 4) -> Mesh:
    """A straight limb between two points; `half`: its radius at either."""
    a, b = np.array(start), np.array(end)
    axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    across = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    circle = _circle(corners, math.pi / corners) @ np.stack([across, np.cross(axis, across)])
    rings = np.stack([a + circle * half[0], b + circle * half[1]])
    return hull(rings, [material], (material, material))


def ball(middle: Point, radius: Point, bands: Sequence[int], around: int = 6) -> Mesh:
    """An ellipsoid; `bands`: materials from its bottom upwards."""
    polar = np.linspace(-0.5 * math.pi, 0.5 * math.pi, len(bands) + 1)
    across = np.maximum(np.cos(polar), 0.25)[:, None, None]  # blunt ends
    circle = np.broadcast_to(_circle(around, math.pi / around), (len(polar), around, 2))
    up = np.broadcast_to(np.sin(polar)[:, None, None], (len(polar), around, 1))
    rings = np.concatenate([circle * across, up], axis=-1) * np.array(radius) + np.array(middle)
    return hull(rings, list(bands), (bands[0], bands[-1]))


def blob(radius: Point, z: float, rng: np.random.Generator) -> Mesh:
    """A lumpy ellipsoid of leaves around height z."""
    around, up = 8, 5
    rings = []
    for angle in np.linspace(-0.5 * math.pi, 0.5 * math.pi, up + 1)[1:-1]:
        circle = _circle(around, float(rng.uniform(0.0, 0.5))) * math.cos(angle)
        ring = np.concatenate([circle, np.full((around, 1), math.sin(angle))], axis=-1)
        lumps = rng.uniform(0.8, 1.15, size=(around, 1))
        rings.append(ring * lumps * np.array(radius) + np.array([0.0, 0.0, z]))
    leaves = int(Material.FOLIAGE)
    return hull(np.stack(rings), [leaves] * (len(rings) - 1), (leaves, leaves))
