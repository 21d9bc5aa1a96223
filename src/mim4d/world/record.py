"""One scene, recorded: every sample's images, sweep, boxes and truth to files, and the tables' rows.

World axes are the scene's own (`layout`); `global` is world shifted by the layout's offset. Times are
whole microseconds, and poses are taken at exactly those times.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from mim4d.world.annotate import Box, annotate, visibility_level
from mim4d.world.develop import develop
from mim4d.world.layout import Layout, sample_layout
from mim4d.world.rig import (
    Camera,
    Lidar,
    make_cameras,
    make_lidar,
    mounted,
    quaternion_wxyz,
    rotation_about_z,
    scan,
)
from mim4d.world.shading import reflectance, shade
from mim4d.world.tables import SceneTables, token
from mim4d.world.tracing import Solid, cast_rays

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
        self.rays = [camera.directions(job.height, job.width) for camera in self.cameras]
        self.lidar = make_lidar(job.azimuths)
        self.lidar_rays = self.lidar.directions()
        self.tables = SceneTables(job.name, job.world)
        self.instances: set[int] = set()
        for sensor in (self.lidar, *self.cameras):
            self._add_calibration(sensor)

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
        moving, rows = self.layout.moving_solid(time_us * 1e-6)
        world_from_lidar = self._world_from_ego(time_us) @ self.lidar.ego_from_lidar
        origin = world_from_lidar[:3, 3]
        directions = (self.lidar_rays @ world_from_lidar[:3, :3].T).astype(np.float32)
        hits = cast_rays(self.standing, moving, origin, directions, SIGHT_M)
        objects = np.concatenate([self.rows, rows])
        seen = reflectance(
            origin, directions, hits, self.standing, moving, objects, self.layout.ground
        )
        rng = np.random.default_rng((self.layout.seed, index))
        points = scan(self.lidar, self.lidar_rays, hits.distance_m, seen, rng)
        path = self._add_data(sample, index, "LIDAR_TOP", "pcd.bin", time_us, (0, 0))
        points.tofile(path)
        world_points = points[:, :3].astype(np.float64) @ world_from_lidar[:3, :3].T + origin
        for box in annotate(
            self.layout, time_us * 1e-6, origin, directions, hits.distance_m, world_points
        ):
            self._add_annotation(sample, index, box)

    def _record_image(self, sample: str, index: int, k: int, time_us: int) -> None:
        camera, job = self.cameras[k], self.job
        exposure_us = time_us - round(camera.lead_s * 1e6)
        moving, rows = self.layout.moving_solid(exposure_us * 1e-6)
        world_from_camera = self._world_from_ego(exposure_us) @ camera.ego_from_camera
        origin = world_from_camera[:3, 3]
        rays = self.rays[k].reshape(-1, 3) @ world_from_camera[:3, :3].T
        directions = rays.astype(np.float32)
        hits = cast_rays(self.standing, moving, origin, directions, SIGHT_M)
        linear = shade(
            origin,
            directions,
            hits,
            self.standing,
            moving,
            np.concatenate([self.rows, rows]),
            self._footprints(origin, exposure_us * 1e-6),
            self.layout.ground,
            self.layout.light,
            1.0 / float(camera.intrinsics[0, 0]),
            job.shadows,
        )
        size = (job.height, job.width)
        picture = develop(
            linear.reshape(*size, 3), self.layout.light, self.layout.seed + 8 * index + k
        )
        path = self._add_data(sample, index, camera.channel, "jpg", exposure_us, size)
        Image.fromarray(picture).save(path, quality=90)
        truth = job.folder / "truth" / "distance" / path.relative_to(job.folder).with_suffix(".png")
        _save_distance(truth, hits.distance_m.reshape(size))

    def _world_from_ego(self, time_us: int) -> Float[np.ndarray, "4 4"]:
        x, y, yaw = map(float, self.layout.ego.poses(np.array([time_us * 1e-6]))[0])
        return mounted(x, y, 0.0, rotation_about_z(yaw))

    def _footprints(
        self, origin: Float[np.ndarray, "3"], time_s: float
    ) -> Float[np.ndarray, "q 6"]:
        """Vehicles within 50 m, as the ground's shading wants them."""
        time = np.array([time_s])
        poses = [(thing, np.array([thing.x, thing.y, thing.yaw])) for thing in self.layout.things]
        poses += [(mover.thing, mover.motion.poses(time)[0]) for mover in self.layout.movers]
        rows = []
        for thing, (x, y, yaw) in poses:
            near = math.hypot(x - origin[0], y - origin[1]) < 50.0
            if near and thing.category.startswith("vehicle"):
                _, high = thing.mesh.extent()
                rows.append((x, y, math.cos(yaw), math.sin(yaw), high[0], high[1]))
        return np.array(rows, dtype=np.float64).reshape(-1, 6)

    def _add_calibration(self, sensor: Camera | Lidar) -> None:
        camera = isinstance(sensor, Camera)
        channel = sensor.channel if isinstance(sensor, Camera) else "LIDAR_TOP"
        pose = sensor.ego_from_camera if isinstance(sensor, Camera) else sensor.ego_from_lidar
        self.tables.add(
            "calibrated_sensor",
            channel,
            sensor_token=token("sensor", channel),
            translation=pose[:3, 3].tolist(),
            rotation=quaternion_wxyz(pose[:3, :3]),
            camera_intrinsic=sensor.intrinsics.tolist() if camera else [],
        )

    def _add_data(
        self,
        sample: str,
        index: int,
        channel: str,
        ending: str,
        time_us: int,
        size: tuple[int, int],
    ) -> Path:
        """Rows of a file and of the ego car's pose at its time; returns where to write it."""
        timestamp = self.job.first_us + time_us
        pose = self._world_from_ego(time_us)
        ego = self.tables.add(
            "ego_pose",
            channel,
            index,
            timestamp=timestamp,
            translation=[*(pose[:2, 3] + self.layout.global_offset).tolist(), 0.0],
            rotation=quaternion_wxyz(pose[:3, :3]),
        )
        name = f"samples/{channel}/{self.job.name}__{channel}__{timestamp}.{ending}"
        self.tables.add(
            "sample_data",
            channel,
            index,
            sample_token=sample,
            ego_pose_token=ego,
            calibrated_sensor_token=self.tables.token("calibrated_sensor", channel),
            timestamp=timestamp,
            fileformat=ending.split(".")[0],
            is_key_frame=True,
            height=size[0],
            width=size[1],
            filename=name,
        )
        return self.job.folder / name

    def _add_annotation(self, sample: str, index: int, box: Box) -> None:
        if box.instance not in self.instances:
            self.instances.add(box.instance)
            self.tables.add(
                "instance", box.instance, category_token=token("category", box.category)
            )
        x, y = box.centre[:2] + self.layout.global_offset
        self.tables.add(
            "sample_annotation",
            box.instance,
            index,
            sample_token=sample,
            instance_token=self.tables.token("instance", box.instance),
            visibility_token=visibility_level(box.visible),
            attribute_tokens=[token("attribute", box.attribute)],
            translation=[float(x), float(y), float(box.centre[2])],
            size=list(box.size_wlh),
            rotation=quaternion_wxyz(rotation_about_z(box.yaw)),
            num_lidar_pts=box.num_points,
            num_radar_pts=0,
        )


def _save_distance(path: Path, distance_m: Float32[np.ndarray, "h w"]) -> None:
    """Write distances as 16-bit PNG in 1/256 m; 0 where nothing is hit within 255 m."""
    steps = np.where(distance_m <= TRUTH_REACH_M, np.rint(distance_m * TRUTH_STEPS_PER_M), 0.0)
    Image.fromarray(steps.astype(np.uint16)).save(path, compress_level=1)
