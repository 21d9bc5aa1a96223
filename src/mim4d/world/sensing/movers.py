"""The moving objects of a scene as a solid: rays are moved into their axes, not they to the rays.

World axes, metres, radians.
"""

import math
from functools import cached_property
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.spots import COS, OBJECT_COLUMNS, SIN, X, Y
from mim4d.world.kernels.tracing import Solid, unit_normals
from mim4d.world.objects.meshes import Mesh
from mim4d.world.scene.layout import Layout

BUNDLE = 64  # neighbouring rays that are looked at together


class Movers:
    """Meshes and rows of the moving objects, ready to be placed.

    A mesh becomes a solid once, in its own axes, when a ray first comes near it: rays are cheaper
    to move than triangles.

    Args:
        layout: The scene.
    """

    def __init__(self, layout: Layout) -> None:
        meshes = [mover.thing.mesh for mover in layout.movers]
        shared = {id(mesh): _LazySolid(mesh) for mesh in meshes}  # shapes come again
        self.solids = [shared[id(mesh)] for mesh in meshes]
        self.first = np.cumsum([0, *(len(solid.normals) for solid in self.solids)])
        self.normals = np.concatenate([np.zeros((0, 3)), *(s.normals for s in self.solids)])
        materials = [np.zeros(0, np.uint8), *(solid.materials for solid in self.solids)]
        self.materials = np.concatenate(materials)
        self.owner = np.repeat(np.arange(len(meshes)), np.diff(self.first))
        self.objects = (self.owner + len(layout.things)).astype(np.int32)
        extents = np.array([mesh.extent for mesh in meshes]).reshape(-1, 2, 3)
        self.middles = extents.mean(axis=1)
        self.radii = np.linalg.norm(extents[:, 1] - extents[:, 0], axis=-1) / 2
        self._rows = np.zeros((len(meshes), OBJECT_COLUMNS))
        for row, mover in zip(self._rows, layout.movers, strict=True):
            row[:] = mover.thing.row()

    def rows(self, poses: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "k c"]:
        """The movers' rows of the object table."""
        rows = self._rows.copy()
        rows[:, [X, Y]] = poses[:, :2]
        rows[:, COS], rows[:, SIN] = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        return rows


class _LazySolid:
    """A mesh in its own axes and, once asked for, its solid."""

    def __init__(self, mesh: Mesh) -> None:
        normals, keep = unit_normals(mesh.triangles)
        self._triangles = mesh.triangles[keep].astype(np.float32)
        self.normals, self.materials = normals[keep], mesh.materials[keep]

    @cached_property
    def solid(self) -> Solid:
        """What rays meet."""
        none = np.zeros(len(self.materials), np.int32)
        normals = self.normals.astype(np.float32)
        return Solid.of_faces(self._triangles, normals, self.materials, none)


class PlacedMovers(Solid):
    """The movers at their poses, as one solid: what `Solid` offers, in world axes.

    Args:
        movers: The moving objects.
        poses: x, y and yaw of each.
        wanted: Which of them are there.
    """

    def __init__(
        self,
        movers: Movers,
        poses: Float[np.ndarray, "k 3"],
        wanted: Bool[np.ndarray, " k"],
    ) -> None:
        self.materials, self.objects = movers.materials, movers.objects
        self.normals = _turn_kernel(movers.normals, movers.owner, poses)
        self._movers, self._poses, self._wanted = movers, poses, np.flatnonzero(wanted).tolist()

    def nearest(
        self,
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        limits_m: Float32[np.ndarray, " r"],
    ) -> tuple[Float32[np.ndarray, " r"], Int32[np.ndarray, " r"]]:
        """Distance to the first triangle nearer than the limit, and its index (−1: none)."""
        nearest = limits_m.copy()
        triangle = np.full(len(nearest), -1, dtype=np.int32)
        bundles = _bundle_kernel(origins, directions, limits_m)
        for k in self._wanted:
            rays, start, along = self._approach(k, bundles, origins, directions, nearest)
            if not len(rays):
                continue
            solid = self._movers.solids[k].solid
            distance, face = solid.nearest(start, along, nearest[rays])
            hit = face >= 0
            nearest[rays[hit]] = distance[hit]
            triangle[rays[hit]] = face[hit] + self._movers.first[k]
        return nearest, triangle

    def blocks(
        self,
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        far_m: float,
    ) -> Bool[np.ndarray, " r"]:
        """Whether anything lies on the ray within `far_m`."""
        blocked = np.zeros(len(origins), dtype=np.bool_)
        limits = np.full(len(origins), far_m, dtype=np.float32)
        bundles = _bundle_kernel(origins, directions, limits)
        for k in self._wanted:
            rays, start, along = self._approach(k, bundles, origins, directions, limits)
            if len(rays):
                blocked[rays] |= self._movers.solids[k].solid.blocks(start, along, far_m)
        return blocked

    def _approach(
        self,
        k: int,
        bundles: Float[np.ndarray, "b 10"],
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        limits_m: Float32[np.ndarray, " r"],
    ) -> tuple[Int32[np.ndarray, " q"], Float32[np.ndarray, "q 3"], Float32[np.ndarray, "q 3"]]:
        """Rays that come near a mover, and their origins and directions in its axes."""
        sphere = (self._movers.middles[k], self._movers.radii[k])
        return _approach_kernel(self._poses[k], sphere, bundles, origins, directions, limits_m)


@kernel
@no_type_check
def _bundle_kernel(origins, directions, limits):
    """Cones around neighbouring rays, so that most are ruled out together.

    Per bundle: middle of the origins, their spread, axis, cos and sin of the half angle, limit.
    """
    count = origins.shape[0]
    bundles = np.zeros(((count + BUNDLE - 1) // BUNDLE, 10))
    for b in range(bundles.shape[0]):
        first, end = b * BUNDLE, min((b + 1) * BUNDLE, count)
        for i in range(first, end):
            for c in range(3):
                bundles[b, c] += origins[i, c] / (end - first)
                bundles[b, 4 + c] += directions[i, c]
            bundles[b, 9] = max(bundles[b, 9], limits[i])
        length = math.sqrt(bundles[b, 4] ** 2 + bundles[b, 5] ** 2 + bundles[b, 6] ** 2)
        for c in range(3):
            bundles[b, 4 + c] /= max(length, 1e-12)
        narrowest, spread = 1.0, 0.0
        for i in range(first, end):
            cosine, apart = 0.0, 0.0
            for c in range(3):
                cosine += directions[i, c] * bundles[b, 4 + c]
                apart += (origins[i, c] - bundles[b, c]) ** 2
            narrowest, spread = min(narrowest, cosine), max(spread, apart)
        narrowest = max(narrowest - 1e-6, -1.0)
        bundles[b, 3] = math.sqrt(spread)
        bundles[b, 7], bundles[b, 8] = narrowest, math.sqrt(1.0 - narrowest * narrowest)
    return bundles


@kernel
@no_type_check
def _beside(bundles, b, x, y, z, radius):
    """Whether a sphere is met by no ray of a bundle; half angles beyond 90° rule nothing out."""
    dx, dy, dz = x - bundles[b, 0], y - bundles[b, 1], z - bundles[b, 2]
    reach = radius + bundles[b, 3]
    along = dx * bundles[b, 4] + dy * bundles[b, 5] + dz * bundles[b, 6]
    apart = dx * dx + dy * dy + dz * dz
    if apart <= reach * reach or bundles[b, 7] <= 0.0:
        return False
    # The sphere's middle lies that far outside of the cone's surface.
    outside = math.sqrt(max(apart - along * along, 0.0)) * bundles[b, 7] - along * bundles[b, 8]
    return outside > reach or along < -reach or math.sqrt(apart) - reach > bundles[b, 9]


@kernel
@no_type_check
def _turn_kernel(normals, owner, poses):
    """Normals in world axes."""
    turned = np.empty(normals.shape, np.float32)
    for i in range(normals.shape[0]):
        cos, sin = np.cos(poses[owner[i], 2]), np.sin(poses[owner[i], 2])
        turned[i, 0] = cos * normals[i, 0] - sin * normals[i, 1]
        turned[i, 1] = sin * normals[i, 0] + cos * normals[i, 1]
        turned[i, 2] = normals[i, 2]
    return turned


@kernel
@no_type_check
def _approach_kernel(pose, sphere, bundles, origins, directions, limits):
    middle, radius = sphere
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    x = pose[0] + cos * middle[0] - sin * middle[1]
    y = pose[1] + sin * middle[0] + cos * middle[1]
    z, squared = middle[2], radius * radius
    rays = np.empty(origins.shape[0], np.int32)
    count = 0
    for b in range(bundles.shape[0]):
        if _beside(bundles, b, x, y, z, radius):
            continue
        for i in range(b * BUNDLE, min((b + 1) * BUNDLE, origins.shape[0])):
            dx, dy, dz = x - origins[i, 0], y - origins[i, 1], z - origins[i, 2]
            along = dx * directions[i, 0] + dy * directions[i, 1] + dz * directions[i, 2]
            apart = dx * dx + dy * dy + dz * dz
            near = (apart < squared) | ((along > 0) & (apart - along * along < squared))
            rays[count] = i
            count += near & (along - radius < limits[i])
    own_origins = np.empty((count, 3), np.float32)
    own_directions = np.empty((count, 3), np.float32)
    for j in range(count):
        i = rays[j]
        dx, dy = origins[i, 0] - pose[0], origins[i, 1] - pose[1]
        own_origins[j, 0], own_origins[j, 1] = cos * dx + sin * dy, cos * dy - sin * dx
        own_origins[j, 2] = origins[i, 2]
        dx, dy = directions[i, 0], directions[i, 1]
        own_directions[j, 0], own_directions[j, 1] = cos * dx + sin * dy, cos * dy - sin * dx
        own_directions[j, 2] = directions[i, 2]
    return rays[:count], own_origins, own_directions
