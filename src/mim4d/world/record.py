"""One scene, recorded: images, sweeps, boxes and truth of every sample, and the tables' rows.

World axes are the scene's own (`layout`); `global` is world shifted by the layout's offset. Times
are whole microseconds, and poses are taken at exactly those times.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from mim4d.world.annotate import Box, annotate, visibility_level
from mim4d.world.develop import develop
from mim4d.world.layout import Layout, View, sample_layout
from mim4d.world.rig import (
    make_cameras,
    make_lidar,
    mounted,
    rotation_about_z,
    scan,
)
from mim4d.world.shading import shade
from mim4d.world.surfaces import BEAM_ANGLE, Rays, Snapshot, reflectance
from mim4d.world.tables import SceneTables
from mim4d.world.tracing import cast_rays, rotate

SIGHT_M = 600.0  # surfaces farther away melt into the sky
TRUTH_REACH_M = 255.0
TRUTH_STEPS_PER_M = 256


@dataclass(frozen=True)
class SceneJob:
    """What a worker needs to record one scene.

    Attributes:
        name: Scene name.
        world: What tells this world's tokens from others'.
        entropy: Seed of the scene.
        first_us: Timestamp of the first sample.
        samples: Number of samples.
        interval_us: Time between samples.
        height: Of the images, pixels.
        width: The same.
        azimuths: LiDAR firings per turn and beam.
        shadows: Whether the sun casts shadows.
        folder: Root of the data set being written.
        rows: Folder for this scene's rows.
    """

    name: str
    world: str
    entropy: tuple[int, ...]
    first_us: int
    samples: int
    interval_us: int
    height: int
    width: int
    azimuths: int
    shadows: bool
    folder: Path
    rows: Path


def record_scene(job: SceneJob) -> tuple[int, int]:
    """Record a scene; returns the numbers of its images and of its annotations."""
    duration_s = (job.samples - 1) * job.interval_us * 1e-6
    layout = sample_layout(np.random.SeedSequence(job.entropy), duration_s)
    recorder = _Recorder(job, layout)
    for index in range(job.samples):
        recorder.record_sample(index)
    recorder.tables.finish(f"{len(layout.movers)} moving, {len(layout.things)} standing objects")
    recorder.tables.write(job.rows)
    images = job.samples * len(recorder.cameras)
    return images, len(recorder.tables.rows["sample_annotation"])


class _Recorder:
    """The rig driving through one layout."""

    def __init__(self, job: SceneJob, layout: Layout) -> None:
        self.job = job
        self.layout = layout
        self.standing = layout.standing_solid()
        self.rows = np.stack([thing.row() for thing in layout.things])
        self.cameras = make_cameras(job.height, job.width)
        self.rays = [
            camera.directions(job.height, job.width).reshape(-1, 3) for camera in self.cameras
        ]
        self.lidar = make_lidar(job.azimuths)
        self.lidar_rays = self.lidar.directions()
        self.tables = SceneTables(job.name, job.world)
        self.tables.add_calibration("LIDAR_TOP", self.lidar.ego_from_lidar, [])
        for camera in self.cameras:
            intrinsics = camera.intrinsics.tolist()
            self.tables.add_calibration(camera.channel, camera.ego_from_camera, intrinsics)

    def record_sample(self, index: int) -> None:
        """Record the sweep and the images around one key frame."""
        time_us = index * self.job.interval_us
        sample = self.tables.add(
            "sample",
            index,
            timestamp=self.job.first_us + time_us,
            scene_token=self.tables.token("scene"),
        )
        self._record_sweep(sample, index, time_us)
        for k in range(len(self.cameras)):
            self._record_image(sample, index, k, time_us)

    def _record_sweep(self, sample: str, index: int, time_us: int) -> None:
        poses = self.layout.mover_poses(time_us * 1e-6)
        moving = self.layout.moving_solid(poses)
        world_from_lidar = self._world_from_ego(time_us) @ self.lidar.ego_from_lidar
        origin = world_from_lidar[:3, 3]
        directions = rotate(world_from_lidar[:3, :3], self.lidar_rays)
        hits = cast_rays(self.standing, moving, origin, directions, SIGHT_M)
        objects = np.concatenate([self.rows, self.layout.mover_rows(poses)])
        none = np.zeros((0, 6))
        snapshot = Snapshot(
            self.standing, moving, objects, none, self.layout.ground, self.layout.light
        )
        seen = reflectance(Rays(origin, directions, BEAM_ANGLE), hits, snapshot)
        rng = np.random.default_rng((self.layout.seed, index))
        points = scan(self.lidar, self.lidar_rays, hits.distance_m, seen, rng)
        path = self._add_file(sample, index, "LIDAR_TOP", "pcd.bin", time_us, (0, 0))
        points.tofile(path)
        world_points = points[:, :3].astype(np.float64) @ world_from_lidar[:3, :3].T + origin
        for box in annotate(
            self.layout, time_us * 1e-6, origin, directions, hits.distance_m, world_points
        ):
            self._add_annotation(sample, index, box)

    def _record_image(self, sample: str, index: int, k: int, time_us: int) -> None:
        camera, job = self.cameras[k], self.job
        exposure_us = time_us - round(camera.lead_s * 1e6)
        world_from_camera = self._world_from_ego(exposure_us) @ camera.ego_from_camera
        origin, axis = world_from_camera[:3, 3], world_from_camera[:3, 2]
        yaw = math.atan2(axis[1], axis[0])
        view = View(float(origin[0]), float(origin[1]), yaw, camera.half_angle(job.width))
        poses = self.layout.mover_poses(exposure_us * 1e-6)
        moving = self.layout.moving_solid(poses, view)
        directions = rotate(world_from_camera[:3, :3], self.rays[k])
        hits = cast_rays(self.standing, moving, origin, directions, SIGHT_M)
        snapshot = Snapshot(
            self.standing,
            moving,
            np.concatenate([self.rows, self.layout.mover_rows(poses)]),
            self._footprints(origin, poses),
            self.layout.ground,
            self.layout.light,
        )
        rays = Rays(origin, directions, 1.0 / float(camera.intrinsics[0, 0]))
        linear = shade(rays, hits, snapshot, job.shadows)
        size = (job.height, job.width)
        picture = develop(
            linear.reshape(*size, 3), self.layout.light, self.layout.seed + 8 * index + k
        )
        path = self._add_file(sample, index, camera.channel, "jpg", exposure_us, size)
        Image.fromarray(picture).save(path, quality=90)
        truth = job.folder / "truth" / "distance" / path.relative_to(job.folder).with_suffix(".png")
        _save_distance(truth, hits.distance_m.reshape(size))

    def _world_from_ego(self, time_us: int) -> Float[np.ndarray, "4 4"]:
        x, y, yaw = map(float, self.layout.ego.poses(np.array([time_us * 1e-6]))[0])
        return mounted(x, y, 0.0, rotation_about_z(yaw))

    def _add_file(
        self,
        sample: str,
        index: int,
        channel: str,
        ending: str,
        time_us: int,
        size: tuple[int, int],
    ) -> Path:
        """Add a file's rows; returns where to write it."""
        pose = self._world_from_ego(time_us)
        pose[:2, 3] += self.layout.global_offset
        time = self.job.first_us + time_us
        return self.job.folder / self.tables.add_file(
            sample, index, channel, ending, time, pose, size
        )

    def _add_annotation(self, sample: str, index: int, box: Box) -> None:
        x, y = box.centre[:2] + self.layout.global_offset
        self.tables.add_annotation(
            sample,
            index,
            instance=box.instance,
            category=box.category,
            attribute=box.attribute,
            visibility=visibility_level(box.visible),
            centre=[float(x), float(y), float(box.centre[2])],
            size_wlh=list(box.size_wlh),
            rotation=rotation_about_z(box.yaw),
            num_points=box.num_points,
        )

    def _footprints(
        self, origin: Float[np.ndarray, "3"], poses: Float[np.ndarray, "k 3"]
    ) -> Float[np.ndarray, "q 6"]:
        """Vehicles within 50 m, as the ground's shading wants them."""
        placed = [(thing, (thing.x, thing.y, thing.yaw)) for thing in self.layout.things]
        placed += [(m.thing, pose) for m, pose in zip(self.layout.movers, poses, strict=True)]
        rows = []
        for thing, (x, y, yaw) in placed:
            if not thing.category:
                continue
            if math.hypot(x - origin[0], y - origin[1]) < 50.0:
                _, high = thing.mesh.extent
                rows.append((x, y, math.cos(yaw), math.sin(yaw), high[0], high[1]))
        return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _save_distance(path: Path, distance_m: Float32[np.ndarray, "h w"]) -> None:
    """Write distances as 16-bit PNG in 1/256 m; 0 where nothing is hit within 255 m."""
    steps = np.where(distance_m <= TRUTH_REACH_M, np.rint(distance_m * TRUTH_STEPS_PER_M), 0.0)
    Image.fromarray(steps.astype(np.uint16)).save(path, compress_level=1)
