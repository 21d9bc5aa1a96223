"""One scene of a drive: its files placed, its rows written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from mim4d.importing.files_out import place_file, write_distances, write_sweep, write_views
from mim4d.importing.key_frames import Placed, place
from mim4d.importing.recording import BoxAt, CameraTrack, LidarTrack, Recording, TimedFile
from mim4d.importing.rectify import Rectifier
from mim4d.importing.rotations import from_quaternion, pose
from mim4d.importing.summary import ImportSummary
from mim4d.writing.rows import Log, SceneRows, SensorFile, quaternion_wxyz

_AT_ONCE = 64
BOX_TOLERANCE_US = 50_000


@dataclass(frozen=True)
class SceneJob:
    """A part of a drive.

    Attributes:
        name: Of the scene.
        samples_us: Samples of the whole drive.
        first: Number of the scene's first sample.
        end: Number of the first sample after it.
        interval_us: Wished time between samples.
        keyframes_only: Leave out what lies between the samples.
    """

    name: str
    samples_us: Int64[np.ndarray, " k"]
    first: int
    end: int
    interval_us: int
    keyframes_only: bool


@dataclass(frozen=True)
class _Wanted:
    """A file of the scene: the sample it belongs to, counted from the scene's first."""

    file: TimedFile
    sample: int
    is_key: bool


def channels_of(drives: Sequence[Recording]) -> dict[str, str]:
    """Modality of each channel of the rig."""
    found = {channel: "camera" for d in drives for c in d.cameras for channel in c.channels}
    return found | {drive.lidar.name: "lidar" for drive in drives if drive.lidar}


class SceneWriter:
    """Writes the scenes of one drive.

    Args:
        drive: The drive.
        root: Root of the data set that is being filled.
        pool: Runs what takes time.
        made: What makes the images of each camera; nothing where they are used as they are.
        copy: Copy files instead of linking them.
    """

    def __init__(
        self,
        drive: Recording,
        root: Path,
        pool: Executor,
        made: Mapping[str, list[Rectifier]],
        *,
        copy: bool,
    ) -> None:
        self.drive, self._root, self._pool, self._copy = drive, root, pool, copy
        self._rectifiers = made
        self._placed: dict[str, Placed] = {}
        self._first_us = min(
            file.time_us
            for track in [c.images for c in drive.cameras]
            + [drive.lidar.sweeps if drive.lidar else ()]
            for file in track[:1]
        )
        for channel in channels_of([drive]):
            for folder in ("samples", "sweeps"):
                (root / folder / channel).mkdir(parents=True, exist_ok=True)

    def write(self, job: SceneJob, folder: Path, counts: ImportSummary) -> Iterator[None]:
        """Write files, then rows; yields after every file."""
        drive = self.drive
        vehicle = f"{drive.vehicle}-{drive.name}"
        rows = SceneRows(Log(job.name, "import", self._first_us, drive.location, vehicle))
        for number in range(job.first, job.end):
            rows.add_sample_at(number - job.first, int(job.samples_us[number]))
        if drive.lidar is not None:
            rows.add_calibration(drive.lidar.name, drive.lidar.car_from_lidar, [])
            yield from self._write_sweeps(drive.lidar, job, rows, counts)
        for camera in drive.cameras:
            yield from self._write_camera(camera, job, rows, counts)
        counts.boxes += self._add_boxes(job, rows)
        counts.samples += job.end - job.first
        rows.finish(f"{drive.name}, from {job.samples_us[job.first] * 1e-6:.6f} s")
        rows.write(folder)

    def _wanted(self, name: str, files: tuple[TimedFile, ...], job: SceneJob) -> list[_Wanted]:
        if name not in self._placed:
            times = [file.time_us for file in files]
            self._placed[name] = place(times, job.samples_us, job.interval_us)
        placed = self._placed[name]
        keep = (placed.sample >= job.first) & (placed.sample < job.end)
        if job.keyframes_only:
            keep &= placed.is_key
        return [
            _Wanted(files[i], int(placed.sample[i]) - job.first, bool(placed.is_key[i]))
            for i in np.flatnonzero(keep).tolist()
        ]

    def _poses(self, wanted: Sequence[_Wanted]) -> list[tuple[list[float], list[float]]]:
        times = np.array([w.file.time_us for w in wanted], dtype=np.int64)
        positions, rotations = self.drive.poses.at(times)
        return list(zip(positions.tolist(), rotations.tolist(), strict=True))

    def _run(self, tasks: Iterator[Callable[[], None]]) -> Iterator[None]:
        """Run tasks, a bounded number at once."""
        while some := list(islice(tasks, _AT_ONCE)):
            for future in as_completed([self._pool.submit(task) for task in some]):
                future.result()
                yield

    def _write_sweeps(
        self, lidar: LidarTrack, job: SceneJob, rows: SceneRows, counts: ImportSummary
    ) -> Iterator[None]:
        wanted = self._wanted(lidar.name, lidar.sweeps, job)
        targets = []
        for w, at in zip(wanted, self._poses(wanted), strict=True):
            file = SensorFile(lidar.name, w.file.time_us, w.sample, w.is_key, "pcd.bin", (0, 0))
            targets.append(self._root / rows.add_sensor_file(file, *at))

        def task(source: Path, target: Path) -> Callable[[], None]:
            return lambda: write_sweep(source, lidar, target, copy=self._copy)

        counts.sweeps += len(wanted)
        yield from self._run(
            task(w.file.path, target) for w, target in zip(wanted, targets, strict=True)
        )

    def _write_camera(
        self, camera: CameraTrack, job: SceneJob, rows: SceneRows, counts: ImportSummary
    ) -> Iterator[None]:
        wanted = self._wanted(camera.name, camera.images, job)
        poses = self._poses(wanted) if wanted else []
        targets = [
            self._add_images(camera, v, wanted, poses, rows) for v in range(len(camera.channels))
        ]
        made = self._rectifiers[camera.name]
        if made:
            counts.made += len(made) * len(wanted)
        else:
            counts.linked += len(wanted)
        by_image = zip(wanted, zip(*targets, strict=True), strict=True)
        yield from self._run(
            self._image_task(camera, w.file.path, list(own)) for w, own in by_image
        )

    def _add_images(
        self,
        camera: CameraTrack,
        number: int,
        wanted: Sequence[_Wanted],
        poses: Sequence[tuple[list[float], list[float]]],
        rows: SceneRows,
    ) -> list[Path]:
        """Rows of one view's images; returns their paths."""
        channel, mount, (width, height) = (
            camera.channels[number],
            camera.car_from_camera,
            camera.size_wh,
        )
        (fx, fy), (cx, cy) = camera.lens.focal_px, camera.lens.centre_px
        intrinsics = [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
        if camera.views:
            view = camera.views[number]
            turn = pose((0.0, 0.0, 0.0), view.camera_from_view)
            mount, intrinsics, (width, height) = mount @ turn, view.intrinsics, view.size_wh
        rows.add_calibration(channel, mount, intrinsics)
        paths = []
        for w, at in zip(wanted, poses, strict=True):
            ending = "jpg" if camera.views else w.file.path.suffix[1:].lower()
            size = (height, width)
            file = SensorFile(channel, w.file.time_us, w.sample, w.is_key, ending, size)
            paths.append(rows.add_sensor_file(file, *at))
        return paths

    def _image_task(
        self, camera: CameraTrack, source: Path, targets: Sequence[Path]
    ) -> Callable[[], None]:
        made, root = self._rectifiers[camera.name], self._root
        truth = [root / "truth" / "distance" / target.with_suffix(".png") for target in targets]

        def task() -> None:
            distances = None
            if camera.distances is not None:
                distances = camera.distances / camera.name / f"{source.stem}.png"
                for path in truth:
                    path.parent.mkdir(parents=True, exist_ok=True)
            if made:
                write_views(source, made, [root / target for target in targets])
                if distances is not None:
                    write_distances(distances, made, truth)
                return
            place_file(source, root / targets[0], copy=self._copy)
            if distances is not None:
                place_file(distances, truth[0], copy=self._copy)

        return task

    def _add_boxes(self, job: SceneJob, rows: SceneRows) -> int:
        """Boxes of the samples: those annotated nearest to each in time."""
        if not self.drive.boxes:
            return 0
        by_time: dict[int, list[BoxAt]] = {}
        for box in self.drive.boxes:
            by_time.setdefault(box.time_us, []).append(box)
        times = np.array(sorted(by_time), dtype=np.int64)
        added = 0
        for number in range(job.first, job.end):
            nearest = int(times[np.argmin(np.abs(times - job.samples_us[number]))])
            if abs(nearest - job.samples_us[number]) > BOX_TOLERANCE_US:
                continue
            position, rotation = self.drive.poses.at(np.array([nearest], dtype=np.int64))
            global_from_car = pose(position[0].tolist(), from_quaternion(rotation[0].tolist()))
            for box in by_time[nearest]:
                _add_box(rows, number - job.first, box, global_from_car)
                added += 1
        return added


def _add_box(
    rows: SceneRows, sample: int, box: BoxAt, global_from_car: Float[np.ndarray, "4 4"]
) -> None:
    placed = global_from_car @ pose(box.centre_m, box.rotation)
    length, width, height = box.size_lwh_m
    rows.add_box(
        sample,
        box.track,
        box.category,
        centre_m=placed[:3, 3].tolist(),
        size_wlh_m=(width, length, height),
        rotation_wxyz=quaternion_wxyz(placed[:3, :3]),
        num_lidar_points=box.num_points,
    )
