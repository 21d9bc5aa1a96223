"""Triangle meshes of simple solids, in an object's own axes: x forward, y left, z up, metres.

The origin is the middle of the footprint on the ground. Each triangle has a material; colours
belong to objects, so that one car model can have any colour. Winding does not matter: rays see both
sides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8


class Material(IntEnum):
    """Materials the shading kernels know."""

    PLAIN = 0
    FACADE = 1
    ROOF = 2
    PAINT = 3
    GLASS = 4
    RUBBER = 5
    HEADLIGHT = 6
    TAILLIGHT = 7
    FOLIAGE = 8
    BARK = 9
    PLANKS = 10
    MASONRY = 11
    METAL = 12
    SECOND = 13
    CARGO = 14
    SKIN = 15


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

    @cached_property
    def extent(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Lowest and highest coordinates."""
        points = self.triangles.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    return Mesh(
        np.concatenate([mesh.triangles for mesh in meshes]),
        np.concatenate([mesh.materials for mesh in meshes]),
    )


def _hull_of_rings(
    rings: Float[np.ndarray, "q c 3"], sides: Sequence[int], bottom: int, top: int
) -> Mesh:
    """Walls between consecutive rings of corners, closed by fans; `sides`: material per band."""
    triangles, materials = [], []
    count = rings.shape[1]
    for lower, upper, material in zip(rings[:-1], rings[1:], sides, strict=True):
        for i in range(count):
            j = (i + 1) % count
            triangles += [(lower[i], lower[j], upper[j]), (lower[i], upper[j], upper[i])]
            materials += [material, material]
    for ring, material in ((rings[0], bottom), (rings[-1], top)):
        for i in range(1, count - 1):
            triangles.append((ring[0], ring[i], ring[i + 1]))
            materials.append(material)
    return Mesh(np.array(triangles, dtype=np.float64), np.array(materials, dtype=np.uint8))


def _rectangle(x0: float, x1: float, y0: float, y1: float, z: float) -> Float[np.ndarray, "4 3"]:
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def box(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    side: int,
    top: int | None = None,
) -> Mesh:
    """A box between the given coordinates; `top` is the material of its upper face."""
    rings = np.stack([_rectangle(*x, *y, z[0]), _rectangle(*x, *y, z[1])])
    return _hull_of_rings(rings, [side], side, side if top is None else top)


def tapered(
    lower: tuple[float, float, float],
    upper: tuple[float, float, float],
    z: tuple[float, float],
    side: int,
    top: int,
) -> Mesh:
    """A box whose top differs from its bottom: (x from, x to, half width) of either."""
    rings = [
        _rectangle(x0, x1, -half, half, height)
        for (x0, x1, half), height in zip((lower, upper), z, strict=True)
    ]
    return _hull_of_rings(np.stack(rings), [side], side, top)


def gable(
    half_x: float, half_y: float, z: tuple[float, float], overhang: float, roof: int, wall: int
) -> Mesh:
    """A pitched roof, its ridge along x, between eaves `z[0]` and ridge `z[1]`."""
    x, y = half_x + overhang, half_y + overhang
    corner = _rectangle(-x, x, -y, y, z[0])
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


def cylinder(
    radius: float, z: tuple[float, float], side: int, corners: int = 7, top_radius: float = -1.0
) -> Mesh:
    """An upright cylinder or cone frustum."""
    angles = np.arange(corners) * (2 * math.pi / corners)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    rings = [
        np.concatenate([circle * r, np.full((corners, 1), height)], axis=-1)
        for r, height in zip((radius, radius if top_radius < 0 else top_radius), z, strict=True)
    ]
    return _hull_of_rings(np.stack(rings), [side], side, side)


def wheel(x: float, y: float, radius: float, width: float) -> Mesh:
    """A wheel whose axle is along y, standing on the ground at (x, y)."""
    upright = cylinder(radius, (-width / 2, width / 2), Material.RUBBER, corners=9)
    lying = upright.triangles[..., [0, 2, 1]]
    return Mesh(lying + np.array([x, y, radius]), upright.materials)


def blob(radius: tuple[float, float, float], z: float, rng: np.random.Generator) -> Mesh:
    """A lumpy ellipsoid of leaves around height z."""
    around, up = 8, 5
    polar = np.linspace(-0.5 * math.pi, 0.5 * math.pi, up + 1)[1:-1]
    rings = []
    for angle in polar:
        turn = np.arange(around) * (2 * math.pi / around) + float(rng.uniform(0.0, 0.5))
        lumps = rng.uniform(0.8, 1.15, size=(around, 1))
        ring = np.stack(
            [
                np.cos(turn) * np.cos(angle),
                np.sin(turn) * np.cos(angle),
                np.full(around, np.sin(angle)),
            ],
            axis=-1,
        )
        rings.append(ring * lumps * np.array(radius) + np.array([0.0, 0.0, z]))
    leaves = int(Material.FOLIAGE)
    return _hull_of_rings(np.stack(rings), [leaves] * (len(rings) - 1), leaves, leaves)
