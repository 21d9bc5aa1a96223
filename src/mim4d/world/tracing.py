"""Ray casting: one Embree scene for what stands, a small one for what moves, the ground by formula.

The ground plane z = 0 is intersected in closed form, so its distances are exact. Moving things have
another pose at every exposure: rebuilding a scene of some thousand triangles takes a millisecond.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8

from mim4d.world.kernels import kernel

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
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
        keep = lengths[:, 0] > 1e-9
        self.materials = materials[keep]
        self.objects = objects[keep]
        self.normals = (normals[keep] / lengths[keep]).astype(np.float32)
        self._scene = EmbreeScene()
        self._empty = not keep.any()
        if not self._empty:
            TriangleMesh(self._scene, np.ascontiguousarray(triangles[keep], dtype=np.float32))

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


def cast_rays(
    standing: Solid,
    moving: Solid,
    origin: Float[np.ndarray, "3"],
    directions: Float32[np.ndarray, "r 3"],
    far_m: float,
) -> Hits:
    """First hits, within `far_m`, of rays that leave `origin` (world axes, above the ground)."""
    origins = np.tile(origin.astype(np.float32), (len(directions), 1))
    ground = _ground_distance(float(origin[2]), directions, far_m)
    nearer, still = standing.nearest(origins, directions, np.minimum(ground, far_m))
    nearest, moved = moving.nearest(origins, directions, nearer)
    kind = np.where(ground < far_m, np.uint8(GROUND), np.uint8(NOTHING))
    kind[still >= 0] = STANDING
    kind[moved >= 0] = MOVING
    triangle = np.where(moved >= 0, moved, still)
    distance = np.where(kind == GROUND, ground, nearest)
    distance[kind == NOTHING] = MISS_M
    return Hits(distance, kind, triangle)


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


def _ground_distance(
    height_m: float, directions: Float32[np.ndarray, "r 3"], far_m: float
) -> Float32[np.ndarray, " r"]:
    return _ground_kernel(height_m, directions, far_m)


@kernel
@no_type_check
def _ground_kernel(height_m, directions, far_m):
    out = np.empty(directions.shape[0], np.float32)
    for i in range(directions.shape[0]):
        down = -float(directions[i, 2])
        distance = height_m / down if down > 1e-9 else math.inf
        out[i] = distance if distance < far_m else far_m
    return out
