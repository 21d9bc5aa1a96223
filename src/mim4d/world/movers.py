"""The moving objects of a scene, placed anew at every measurement, and the clock of their motion.

Poses, velocities and yaw rates of all movers and of the ego car are computed once for all times at
which anything is measured. World axes, metres, seconds, radians; times in whole microseconds.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64

from mim4d.world.kernels import kernel
from mim4d.world.layout import Layout
from mim4d.world.meshes import Mesh
from mim4d.world.motion import Motion
from mim4d.world.spots import COS, OBJECT_COLUMNS, SIN, X, Y
from mim4d.world.tracing import Solid, unit_normals

HALF_STEP_S = 5e-4  # of the differences that give velocities


@dataclass(frozen=True)
class Tracks:
    """Motion at a list of times.

    Attributes:
        times_us: Increasing.
        poses: x, y and yaw of each mover.
        velocities: Of its origin, x and y, metres per second.
        yaw_rates: Radians per second.
        ego: x, y and yaw of the ego car.
    """

    times_us: Int64[np.ndarray, " q"]
    poses: Float[np.ndarray, "k q 3"]
    velocities: Float[np.ndarray, "k q 2"]
    yaw_rates: Float[np.ndarray, "k q"]
    ego: Float[np.ndarray, "q 3"]

    def select(self, times_us: Int64[np.ndarray, " p"]) -> "Tracks":
        """The same at fewer times, all of which must be tracked."""
        q = np.searchsorted(self.times_us, times_us)
        return Tracks(
            self.times_us[q],
            self.poses[:, q],
            self.velocities[:, q],
            self.yaw_rates[:, q],
            self.ego[q],
        )

    def index(self, time_us: int) -> int:
        """Where a time stands in the list.

        Raises:
            KeyError: It is none of them.
        """
        q = int(np.searchsorted(self.times_us, time_us))
        if q == len(self.times_us) or self.times_us[q] != time_us:
            raise KeyError(f"time {time_us} µs is none of those tracked")
        return q


def track(layout: Layout, times_us: Int64[np.ndarray, " q"]) -> Tracks:
    """Motion of a scene at increasing times."""
    times_s = times_us * 1e-6
    shape = (len(layout.movers), len(times_us))
    poses, rates = np.zeros((*shape, 3)), np.zeros((*shape, 3))
    for k, mover in enumerate(layout.movers):
        poses[k] = mover.motion.poses(times_s)
        rates[k] = pose_rates(mover.motion, times_s)
    return Tracks(times_us, poses, rates[..., :2], rates[..., 2], layout.ego.poses(times_s))


def pose_rates(
    motion: Motion, times_s: Float[np.ndarray, " q"], half_step_s: float = HALF_STEP_S
) -> Float[np.ndarray, "q 3"]:
    """Velocity x, y and yaw rate at each time, by central differences."""
    step = motion.poses(times_s + half_step_s) - motion.poses(times_s - half_step_s)
    step[:, 2] = np.remainder(step[:, 2] + np.pi, 2 * np.pi) - np.pi
    rates: Float[np.ndarray, "q 3"] = step / (2 * half_step_s)
    return rates


class Movers:
    """Meshes and rows of the moving objects, ready to be placed.

    A mesh becomes a solid once, in its own axes, when a ray first comes near it: rays are cheaper
    to move than triangles.

    Args:
        layout: The scene.
    """

    def __init__(self, layout: Layout) -> None:
        meshes = [mover.thing.mesh for mover in layout.movers]
        self.solids = [_LazySolid(mesh) for mesh in meshes]
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
        for k in self._wanted:
            rays, start, along = self._approach(k, origins, directions, nearest)
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
        for k in self._wanted:
            rays, start, along = self._approach(k, origins, directions, limits)
            if len(rays):
                blocked[rays] |= self._movers.solids[k].solid.blocks(start, along, far_m)
        return blocked

    def _approach(
        self,
        k: int,
        origins: Float32[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
        limits_m: Float32[np.ndarray, " r"],
    ) -> tuple[Int32[np.ndarray, " q"], Float32[np.ndarray, "q 3"], Float32[np.ndarray, "q 3"]]:
        """Rays that come near a mover, and their origins and directions in its axes."""
        movers = self._movers
        return _approach_kernel(
            self._poses[k], movers.middles[k], movers.radii[k], origins, directions, limits_m
        )


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
def _approach_kernel(pose, middle, radius, origins, directions, limits):
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    x = np.float32(pose[0] + cos * middle[0] - sin * middle[1])
    y = np.float32(pose[1] + sin * middle[0] + cos * middle[1])
    z, squared = np.float32(middle[2]), np.float32(radius * radius)
    rays = np.empty(origins.shape[0], np.int32)
    count = 0
    for i in range(origins.shape[0]):
        dx, dy, dz = x - origins[i, 0], y - origins[i, 1], z - origins[i, 2]
        along = dx * directions[i, 0] + dy * directions[i, 1] + dz * directions[i, 2]
        apart = dx * dx + dy * dy + dz * dz
        near = (apart < squared) | ((along > 0) & (apart - along * along < squared))
        near &= along - radius < limits[i]
        rays[count] = i
        count += near
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
