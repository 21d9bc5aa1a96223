"""What the sensors of the rig measure in one scene: pictures and turns of the LiDAR, with truth.

A picture is taken at one instant. During a turn of the LiDAR the car drives on: every firing leaves
from where the sensor is at that moment, and the movers stand where they are in the middle of the
tenth of the turn that the firing belongs to. Points are then expressed in the sensor's axes at the
end of the turn, by the car's own motion (movers are smeared by theirs), as in nuScenes.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8, UInt16

from mim4d.world.kernels.compile import kernel
from mim4d.world.kernels.tracing import Solid, cast_rays, rotate
from mim4d.world.light.develop import develop
from mim4d.world.light.shading import shade
from mim4d.world.light.surfaces import BEAM_ANGLE, Rays, Snapshot, reflectance
from mim4d.world.scene.layout import Layout, View
from mim4d.world.sensing.bodies import Bodies, find_bodies, instances_of_hits
from mim4d.world.sensing.movers import Movers, PlacedMovers
from mim4d.world.sensing.rig import Camera, Lidar, listen, mounted, rotation_about_z
from mim4d.world.sensing.tracks import Tracks

SIGHT_M = 600.0  # surfaces farther away melt into the sky
SLICES = 10  # of a turn of the LiDAR
CONTACT_M = 50.0  # objects as near as this darken the ground around them


@dataclass(frozen=True)
class Picture:
    """What a camera sees, and what is true of every pixel.

    Attributes:
        pixels: 8-bit RGB.
        distance_m: Along the ray through the pixel's centre; a huge number where nothing is hit.
        instances: Number of the object hit; 0 for none.
        pixel_from_world: Projection.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    distance_m: Float32[np.ndarray, "h w"]
    instances: UInt16[np.ndarray, "h w"]
    pixel_from_world: Float[np.ndarray, "3 4"]


@dataclass(frozen=True)
class Turn:
    """What a turn of the LiDAR reports, and what is true of every point.

    Attributes:
        points: x, y, z in the sensor's axes at the end of the turn, intensity (0 to 255), beam.
        instances: Number of the object hit; 0 for none.
        ages_us: How long before the end of the turn the movers were where the point found them.
        points_world: The points in world axes.
    """

    points: Float32[np.ndarray, "p 5"]
    instances: UInt16[np.ndarray, " p"]
    ages_us: Int32[np.ndarray, " p"]
    points_world: Float[np.ndarray, "p 3"]


@dataclass(frozen=True)
class Slice:
    """Neighbouring firings of a turn.

    Attributes:
        firings: First firing, and the one after the last.
        age_us: The middle of their time, before the end of the turn.
    """

    firings: tuple[int, int]
    age_us: int


def turn_slices(lidar: Lidar, turn_us: int) -> list[Slice]:
    """A turn in up to ten parts, in the order of firing."""
    ages = lidar.lead_turns() * turn_us
    edges = np.linspace(0, lidar.azimuths, min(SLICES, lidar.azimuths) + 1).astype(int).tolist()
    return [
        Slice((first, end), round(float(ages[first:end].mean()))) for first, end in pairwise(edges)
    ]


class Stage:
    """A scene made ready for the sensors.

    Args:
        layout: The scene.
        tracks: Motion at every time that a sensor will ask for.
    """

    def __init__(self, layout: Layout, tracks: Tracks) -> None:
        self.layout = layout
        self.tracks = tracks
        self.bodies: Bodies = find_bodies(layout)
        self._standing = layout.standing_solid()
        self._movers = Movers(layout)
        self._rows = np.stack([thing.row() for thing in layout.things])

    def world_from_ego(self, time_us: int) -> Float[np.ndarray, "4 4"]:
        """Pose of the car."""
        x, y, yaw = self.tracks.ego[self.tracks.index(time_us)].tolist()
        return mounted(x, y, 0.0, rotation_about_z(yaw))

    def mover_poses(self, time_us: int) -> Float[np.ndarray, "k 3"]:
        """x, y and yaw of the movers."""
        return self.tracks.poses[:, self.tracks.index(time_us)]

    def take_picture(
        self,
        camera: Camera,
        rays: Float[np.ndarray, "h w 3"],
        time_us: int,
        seed: int,
        shadows: bool,
    ) -> Picture:
        """Expose a camera.

        Args:
            camera: Its mounting and intrinsics.
            rays: Its directions, camera axes.
            time_us: When; one of the times tracked.
            seed: Of the sensor's noise.
            shadows: Trace a ray to the sun from every sunlit surface.
        """
        height, width = rays.shape[:2]
        world_from_camera = self.world_from_ego(time_us) @ camera.ego_from_camera
        origin = world_from_camera[:3, 3].copy()  # contiguous: one compiled kernel serves all
        poses = self.mover_poses(time_us)
        concerned = self._concern(world_from_camera, camera.half_angle(), poses)
        moving = PlacedMovers(self._movers, poses, concerned)
        bundle = Rays(
            origin,
            rotate(world_from_camera[:3, :3], rays.reshape(-1, 3)),
            1.0 / float(camera.intrinsics[0, 0]),
        )
        hits = cast_rays(self._standing, moving, origin, bundle.directions, SIGHT_M)
        footprints = self._footprints(origin, poses)
        linear = shade(bundle, hits, self._snapshot(moving, poses, footprints), shadows)
        instances = instances_of_hits(hits, self._standing, moving, self.bodies.instance_of_row)
        return Picture(
            develop(linear.reshape(height, width, 3), self.layout.light, seed),
            hits.distance_m.reshape(height, width),
            instances.reshape(height, width),
            camera.intrinsics @ np.linalg.inv(world_from_camera)[:3],
        )

    def turn_lidar(
        self,
        lidar: Lidar,
        rays: Float[np.ndarray, "r 3"],
        time_us: int,
        turn_us: int,
        rng: np.random.Generator,
    ) -> Turn:
        """Let the LiDAR turn once.

        Args:
            lidar: Its mounting, reach and noise.
            rays: `lidar.directions()`.
            time_us: End of the turn; it and the middle of each slice are times tracked.
            turn_us: Duration of the turn.
            rng: Source of noise and drop-out.
        """
        origins, directions = self._fire(lidar, rays, time_us, turn_us)
        slices = turn_slices(lidar, turn_us)
        parts = [self._trace_slice(lidar, part, time_us, origins, directions) for part in slices]
        distance, bright, instances = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        echoes = listen(lidar, distance, bright, rng)
        world = origins[echoes.rays] + directions[echoes.rays] * echoes.distance_m[:, None]
        world_from_lidar = self.world_from_ego(time_us) @ lidar.ego_from_lidar
        own = rotate(world_from_lidar[:3, :3].T, world - world_from_lidar[:3, 3])
        points = np.empty((len(own), 5), np.float32)
        points[:, :3], points[:, 3] = own, echoes.intensity
        points[:, 4] = echoes.rays % lidar.beams
        firings = [part.firings[1] - part.firings[0] for part in slices]
        ages = np.repeat([part.age_us for part in slices], [n * lidar.beams for n in firings])
        return Turn(points, instances[echoes.rays], ages[echoes.rays].astype(np.int32), world)

    def _fire(
        self, lidar: Lidar, rays: Float[np.ndarray, "r 3"], time_us: int, turn_us: int
    ) -> tuple[Float[np.ndarray, "r 3"], Float32[np.ndarray, "r 3"]]:
        """Origins and directions of a turn's rays in world axes, each at its own time."""
        times_s = (time_us - lidar.lead_turns() * turn_us) * 1e-6
        poses = self.layout.ego.poses(times_s)
        return _fire_kernel(poses, np.ascontiguousarray(lidar.ego_from_lidar), rays, lidar.beams)

    def _trace_slice(
        self,
        lidar: Lidar,
        part: Slice,
        time_us: int,
        origins: Float[np.ndarray, "r 3"],
        directions: Float32[np.ndarray, "r 3"],
    ) -> tuple[Float32[np.ndarray, " q"], Float[np.ndarray, " q"], UInt16[np.ndarray, " q"]]:
        """Distance, reflectance and instance along the rays of a slice."""
        own = slice(part.firings[0] * lidar.beams, part.firings[1] * lidar.beams)
        origins, directions = origins[own], directions[own]
        poses = self.mover_poses(time_us - part.age_us)
        near = np.hypot(*(poses[:, :2] - origins[0, :2]).T) < lidar.reach_m + 15.0
        moving = PlacedMovers(self._movers, poses, near)
        hits = cast_rays(self._standing, moving, origins, directions, lidar.reach_m + 1.0)
        snapshot = self._snapshot(moving, poses, np.zeros((0, 6)))
        bright = reflectance(Rays(origins, directions, BEAM_ANGLE), hits, snapshot)
        instances = instances_of_hits(hits, self._standing, moving, self.bodies.instance_of_row)
        return hits.distance_m, bright, instances

    def _concern(
        self,
        world_from_camera: Float[np.ndarray, "4 4"],
        half_angle: float,
        poses: Float[np.ndarray, "k 3"],
    ) -> Bool[np.ndarray, " k"]:
        """Movers that may show, or their shadows."""
        (x, y), axis = world_from_camera[:2, 3].tolist(), world_from_camera[:2, 2]
        view = View(x, y, math.atan2(axis[1], axis[0]), half_angle)
        return np.array([view.concerns(*at) for at in poses[:, :2].tolist()], dtype=np.bool_)

    def _snapshot(
        self,
        moving: Solid,
        poses: Float[np.ndarray, "k 3"],
        footprints: Float[np.ndarray, "q 6"],
    ) -> Snapshot:
        """The world with the movers at their poses."""
        objects = np.concatenate([self._rows, self._movers.rows(poses)])
        layout = self.layout
        return Snapshot(self._standing, moving, objects, footprints, layout.ground, layout.light)

    def _footprints(
        self, origin: Float[np.ndarray, "3"], mover_poses: Float[np.ndarray, "k 3"]
    ) -> Float[np.ndarray, "q 6"]:
        """Objects nearby, as the ground's shading wants them."""
        frames = self.bodies.frames(self.bodies.poses(mover_poses))
        near = np.hypot(frames[:, 0] - origin[0], frames[:, 1] - origin[1]) < CONTACT_M
        return frames[near][:, [0, 1, 3, 4, 5, 6]]


@kernel
@no_type_check
def _fire_kernel(poses, ego_from_lidar, rays, beams):
    """Origins and directions in world axes; `poses` are the car's at each firing."""
    origins = np.empty(rays.shape)
    directions = np.empty(rays.shape, np.float32)
    for i in range(rays.shape[0]):
        x, y, yaw = poses[i // beams]
        cos, sin = np.cos(yaw), np.sin(yaw)
        own = ego_from_lidar[:3, :3]
        dx = own[0, 0] * rays[i, 0] + own[0, 1] * rays[i, 1] + own[0, 2] * rays[i, 2]
        dy = own[1, 0] * rays[i, 0] + own[1, 1] * rays[i, 1] + own[1, 2] * rays[i, 2]
        dz = own[2, 0] * rays[i, 0] + own[2, 1] * rays[i, 1] + own[2, 2] * rays[i, 2]
        directions[i, 0], directions[i, 1] = cos * dx - sin * dy, sin * dx + cos * dy
        directions[i, 2] = dz
        origins[i, 0] = x + cos * ego_from_lidar[0, 3] - sin * ego_from_lidar[1, 3]
        origins[i, 1] = y + sin * ego_from_lidar[0, 3] + cos * ego_from_lidar[1, 3]
        origins[i, 2] = ego_from_lidar[2, 3]
    return origins, directions
