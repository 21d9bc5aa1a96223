"""One scene, recorded: every measurement's file and truth, boxes of every sample, the tables' rows.

World axes are the scene's own (`layout`); `global` is world shifted by the layout's offset. Times
are whole microseconds from the scene's first sample, and poses are taken at exactly those times.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64
from PIL import Image

from mim4d.world.scene.layout import Layout, sample_layout
from mim4d.world.scene.town import Placement
from mim4d.world.sensing.annotate import annotate, within_reach
from mim4d.world.sensing.rig import Camera, Lidar, Rig
from mim4d.world.sensing.schedule import (
    Measurement,
    Recording,
    camera_measurements,
    jittered,
    lidar_measurements,
)
from mim4d.world.sensing.sensors import Stage, Turn, turn_slices
from mim4d.world.sensing.tracks import track
from mim4d.world.sensing.visibility import silhouettes
from mim4d.world.writing.can_bus import write_can_bus
from mim4d.world.writing.table_rows import Log, SceneTables
from mim4d.world.writing.town_maps import write_scene_parts
from mim4d.world.writing.truth_files import save_distance, save_instances, save_motion, save_points

JPEG_QUALITY = 90


@dataclass(frozen=True)
class SceneJob:
    """What a worker needs to record one scene.

    Attributes:
        name: Scene name.
        world: What tells this world's tokens from others'.
        entropy: Seed of the scene.
        first_us: Timestamp of the first sample.
        place: Where it lies.
        recording: What is measured when.
        rig: What measures.
        folder: Root of the data set being written.
        rows: Folder for this scene's rows.
    """

    name: str
    world: str
    entropy: tuple[int, ...]
    first_us: int
    place: Placement
    recording: Recording
    rig: Rig
    folder: Path
    rows: Path

    @property
    def log(self) -> Log:
        """The drive it is cut from."""
        return Log(self.name, self.world, self.first_us, self.place.location)


@dataclass(frozen=True)
class SceneCounts:
    """What was recorded of a scene: key frames, images and sweeps of the LiDAR, boxes."""

    samples: int
    images: int
    turns: int
    annotations: int

    def __add__(self, other: "SceneCounts") -> "SceneCounts":
        return SceneCounts(
            self.samples + other.samples,
            self.images + other.images,
            self.turns + other.turns,
            self.annotations + other.annotations,
        )


def record_scene(job: SceneJob) -> SceneCounts:
    """Record a scene."""
    seeds = np.random.SeedSequence(job.entropy)
    layout = sample_layout(seeds, job.recording.duration_s, job.place)
    recorder = _Recorder(job, layout)
    for index in range(job.recording.samples):
        recorder.record_sample(index)
    recorder.finish()
    files = recorder.tables.rows["sample_data"]
    turns = sum(row["fileformat"] == "pcd" for row in files)
    boxes = len(recorder.tables.rows["sample_annotation"])
    return SceneCounts(job.recording.samples, len(files) - turns, turns, boxes)


class _Recorder:
    """The rig driving through one layout."""

    def __init__(self, job: SceneJob, layout: Layout) -> None:
        self.job, self.recording, self.layout = job, job.recording, layout
        self.cameras = {camera.channel: camera for camera in job.rig.cameras}
        self.rays = {name: camera.directions() for name, camera in self.cameras.items()}
        self.lidar = job.rig.lidar
        self.measurements = self._plan()
        self.stage = Stage(layout, track(layout, self._moments()))
        self.tables = SceneTables(job.log)
        if self.lidar is not None:
            self.tables.add_calibration(self.lidar.channel, self.lidar.ego_from_lidar, [])
            self.lidar_rays = self.lidar.directions()
        for camera in self.cameras.values():
            intrinsics = camera.intrinsics.tolist()
            self.tables.add_calibration(camera.channel, camera.ego_from_camera, intrinsics)

    def _plan(self) -> list[list[Measurement]]:
        """Measurements of each sample, oldest first, the sweep of its key frame last."""
        all_ = [] if self.lidar is None else lidar_measurements(self.recording, self.lidar.channel)
        for camera in self.cameras.values():
            lead = None if self.lidar is None else camera.lead_turns
            images = camera_measurements(self.recording, camera.channel, lead, camera.rate_hz)
            if camera.jitter_ms:
                images = jittered(images, camera.jitter_ms, self._noise_seed(camera, -1))
            all_ += images
        plan: list[list[Measurement]] = [[] for _ in range(self.recording.samples)]
        for measured in sorted(all_, key=lambda m: (self._is_turn(m) and m.is_key, m.time_us)):
            plan[measured.sample].append(measured)
        return plan

    def _is_turn(self, measured: Measurement) -> bool:
        """Whether it is a sweep of the LiDAR."""
        return measured.channel not in self.cameras

    def _turn_ends(self) -> list[int]:
        return [m.time_us for sample in self.measurements for m in sample if self._is_turn(m)]

    def _times(self) -> list[int]:
        """When files are stamped, and when turns of the LiDAR begin."""
        times = [measured.time_us for sample in self.measurements for measured in sample]
        return times + [time - self.recording.turn_us for time in self._turn_ends()]

    def _moments(self) -> Int64[np.ndarray, " q"]:
        """All times at which anything must be placed."""
        moments = self._times() + [self._key_us(i) for i in range(self.recording.samples)]
        if self.lidar is not None:
            slices = turn_slices(self.lidar, self.recording.turn_us)
            moments += [time - part.age_us for time in self._turn_ends() for part in slices]
        return np.unique(np.array(moments, dtype=np.int64))

    def _key_us(self, index: int) -> int:
        """Time of a sample."""
        return self.recording.turn_end_us(self.recording.key_turns()[index])

    def record_sample(self, index: int) -> None:
        """Record what belongs to a sample, and its boxes."""
        key_us = self._key_us(index)
        self.tables.add_sample(index, key_us)
        stage = self.stage
        poses = stage.bodies.poses(stage.mover_poses(key_us))
        near = within_reach(stage.bodies, poses, stage.tracks.ego[stage.tracks.index(key_us)])
        pixels = np.zeros((len(poses), 2), dtype=np.int64)
        points_world = np.zeros((0, 3))  # of the key frame's sweep, which comes last
        for measured in self.measurements[index]:
            if self.lidar is not None and self._is_turn(measured):
                points_world = self._record_turn(self.lidar, measured).points_world
            else:
                shown = self._record_image(measured, near)
                pixels += shown if measured.is_key else 0
        speeds = np.linalg.norm(stage.tracks.velocities[:, stage.tracks.index(key_us)], axis=-1)
        boxes = annotate(stage.bodies, poses, speeds, near, points_world, pixels)
        for box in boxes:
            self.tables.add_annotation(index, box, self.layout.global_offset)

    def _record_turn(self, lidar: Lidar, measured: Measurement) -> Turn:
        # Every measurement has noise of its own, whichever others are kept.
        rng = np.random.default_rng((self.layout.seed, measured.time_us))
        turn = self.stage.turn_lidar(
            lidar, self.lidar_rays, measured.time_us, self.recording.turn_us, rng
        )
        file = self._add_file(measured, "pcd.bin", (0, 0))
        turn.points.tofile(self.job.folder / file)
        save_points(self.job.folder, file, turn.instances, turn.ages_us)
        return turn

    def _record_image(
        self, measured: Measurement, near: Bool[np.ndarray, " k"]
    ) -> Int64[np.ndarray, "k 2"]:
        """Record an image; returns the pixels of each near body's silhouette, see `silhouettes`."""
        camera = self.cameras[measured.channel]
        picture = self.stage.take_picture(
            camera,
            self.rays[measured.channel],
            measured.time_us,
            self._noise_seed(camera, measured.time_us),
            self.recording.shadows,
        )
        file = self._add_file(measured, "jpg", camera.size_hw)
        Image.fromarray(picture.pixels).save(self.job.folder / file, quality=JPEG_QUALITY)
        save_distance(self.job.folder, file, picture.distance_m)
        save_instances(self.job.folder, file, picture.instances)
        if not measured.is_key:
            return np.zeros((len(near), 2), dtype=np.int64)
        poses = self.stage.bodies.poses(self.stage.mover_poses(measured.time_us))
        return silhouettes(
            self.stage.bodies, poses, near, picture.pixel_from_world, picture.instances
        )

    def _noise_seed(self, camera: Camera, time_us: int) -> int:
        seeds = (self.layout.seed, list(self.cameras).index(camera.channel), time_us + 1_000_000)
        return int(np.random.SeedSequence(seeds).generate_state(1)[0])

    def _add_file(self, measured: Measurement, ending: str, size: tuple[int, int]) -> Path:
        """Add a file's rows; returns its path relative to the data set."""
        tracks, (x, y) = self.stage.tracks, self.layout.global_offset.tolist()
        ego = tracks.ego[tracks.index(measured.time_us)].tolist()
        return self.tables.add_file(measured, ending, (x + ego[0], y + ego[1], ego[2]), size)

    def finish(self) -> None:
        """Write what belongs to the scene as a whole."""
        job, layout, tables = self.job, self.layout, self.tables
        tables.finish(f"{len(layout.movers)} moving, {len(layout.things)} standing objects")
        tables.write(job.rows)
        write_scene_parts(layout, job.place, (job.world, job.name), job.rows)
        bodies, offset = self.stage.bodies, layout.global_offset
        numbers = range(1, len(bodies.things) + 1)
        save_motion(
            job.folder / "truth" / "motion" / f"{job.name}.npz",
            bodies,
            self.stage.tracks.select(np.unique(self._times())),
            job.first_us,
            offset,
            [tables.token("instance", k) if k in tables.instances else "" for k in numbers],
        )
        write_can_bus(
            job.folder / "can_bus",
            job.name,
            layout.ego,
            self.recording.duration_s,
            job.first_us,
            offset,
        )
