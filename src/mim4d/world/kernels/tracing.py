"""Ray casting: one Embree scene for what stands, a small one for what moves, the ground by formula.

The ground plane z = 0 is intersected in closed form, so its distances are exact. Moving things have
another pose at every exposure: rebuilding a scene of some thousand triangles takes a millisecond.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8

from mim4d.world.kernels.compile import kernel

try:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene
except ImportError as error:
    raise ImportError("mim4d.world needs embreex: pip install 'mim4d[world]'") from error

MISS_M = 1e9
NOTHING, STANDING, MOVING, GROUND = range(4)


class Solid:
    """Triangles in world axes with their materials, objects and normals, ready to be traced."""

    def __init__(
        self,
        triangles: Float[np.ndarray, "p 3 3"],
        materials: UInt8[np.ndarray, " p"],
        objects: Int32[np.ndarray, " p"],
    ) -> None:
        normals, keep = unit_normals(triangles)
        self._fill(
            triangles[keep].astype(np.float32),
            normals[keep].astype(np.float32),
            materials[keep],
            objects[keep],
        )

    @classmethod
    def of_faces(
        cls,
        triangles: Float32[np.ndarray, "p 3 3"],
        normals: Float32[np.ndarray, "p 3"],
        materials: UInt8[np.ndarray, " p"],
        objects: Int32[np.ndarray, " p"],
    ) -> "Solid":
        """A solid whose triangles have an area and whose unit normals are known."""
        solid = cls.__new__(cls)
        solid._fill(triangles, normals, materials, objects)
        return solid

    def _fill(
        self,
        triangles: Float32[np.ndarray, "p 3 3"],
        normals: Float32[np.ndarray, "p 3"],
        materials: UInt8[np.ndarray, " p"],
        objects: Int32[np.ndarray, " p"],
    ) -> None:
        self.normals, self.materials, self.objects = normals, materials, objects
        self._empty = not len(triangles)
        self._scene = EmbreeScene()
        if not self._empty:
            TriangleMesh(self._scene, np.ascontiguousarray(triangles))

    def nearest(
        self,
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        limits_m: Float32[np.ndarray, " r"],
    ) -> tuple[Float32[np.ndarray, " r"], Int32[np.ndarray, " r"]]:
        """Distance to the first triangle nearer than the limit, and its index (−1: none)."""
        if self._empty:
            return limits_m, np.full(len(limits_m), -1, dtype=np.int32)
        hits = self._scene.run(origins, directions, dists=limits_m, output=1)
        return hits["tfar"], hits["primID"]

    def blocks(
        self,
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        far_m: float,
    ) -> Bool[np.ndarray, " r"]:
        """Whether anything lies on the ray within `far_m`."""
        if self._empty or not len(origins):
            return np.zeros(len(origins), dtype=np.bool_)
        limits = np.full(len(origins), far_m, dtype=np.float32)
        blocked: Bool[np.ndarray, " r"] = (
            self._scene.run(origins, directions, dists=limits, query="OCCLUDED") >= 0
        )
        return blocked


@dataclass(frozen=True)
class Hits:
    """First hits of rays.

    Attributes:
        distance_m: Along the unit direction; `MISS_M` where nothing is hit.
        kind: `NOTHING`, `STANDING`, `MOVING` or `GROUND`.
        triangle: Index in the solid of that kind, −1 where the ground or nothing is hit.
    """

    distance_m: Float32[np.ndarray, " r"]
    kind: UInt8[np.ndarray, " r"]
    triangle: Int32[np.ndarray, " r"]


def unit_normals(
    triangles: Float[np.ndarray, "p 3 3"],
) -> tuple[Float[np.ndarray, "p 3"], Bool[np.ndarray, " p"]]:
    """Unit normals of triangles, and which triangles have an area (the others': not finite)."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return normals / lengths[:, None], lengths > 1e-9


def cast_rays(
    standing: Solid,
    moving: Solid,
    origin: Float[np.ndarray, "*r 3"],
    directions: Float32[np.ndarray, "r 3"],
    far_m: float,
) -> Hits:
    """First hits, within `far_m`, of rays in world axes.

    Args:
        standing: What stands.
        moving: What moves, where it is.
        origin: Where all rays leave, or where each does; above the ground.
        directions: Unit directions.
        far_m: Nothing farther is hit.
    """
    origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), dtype=np.float32)
    heights = np.broadcast_to(origin, directions.shape)[:, 2].copy()
    ground = _ground_kernel(heights, directions, far_m)
    nearer, still = standing.nearest(origins, directions, ground)
    nearest, moved = moving.nearest(origins, directions, nearer)
    return Hits(*_first_kernel(ground, nearest, still, moved, far_m))


@kernel
@no_type_check
def _first_kernel(ground, nearest, still, moved, far_m):
    """Distance, kind and triangle of what comes first."""
    count = ground.shape[0]
    distance = np.empty(count, np.float32)
    kind = np.empty(count, np.uint8)
    triangle = np.empty(count, np.int32)
    for i in range(count):
        triangle[i] = -1
        if moved[i] >= 0:
            kind[i], triangle[i], distance[i] = 2, moved[i], nearest[i]
        elif still[i] >= 0:
            kind[i], triangle[i], distance[i] = 1, still[i], nearest[i]
        elif ground[i] < far_m:
            kind[i], distance[i] = 3, ground[i]
        else:
            kind[i], distance[i] = 0, 1e9
    return distance, kind, triangle


def rotate(
    rotation: Float[np.ndarray, "3 3"], directions: Float[np.ndarray, "r 3"]
) -> Float32[np.ndarray, "r 3"]:
    """Directions in other axes (a BLAS product of this shape would wake up all its threads)."""
    return _rotate_kernel(np.ascontiguousarray(rotation), directions)


@kernel
@no_type_check
def _rotate_kernel(rotation, directions):
    out = np.empty(directions.shape, np.float32)
    for i in range(directions.shape[0]):
        x, y, z = directions[i, 0], directions[i, 1], directions[i, 2]
        for c in range(3):
            out[i, c] = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z
    return out


@kernel
@no_type_check
def _ground_kernel(heights_m, directions, far_m):
    out = np.empty(directions.shape[0], np.float32)
    for i in range(directions.shape[0]):
        down = -float(directions[i, 2])
        distance = heights_m[i] / down if down > 1e-9 else math.inf
        out[i] = distance if distance < far_m else far_m
    return out
