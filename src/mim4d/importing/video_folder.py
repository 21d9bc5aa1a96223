"""Drives with one video per camera, decoded once into images.

SOURCE/cameras.yaml
SOURCE/poses.csv                 or SOURCE/DRIVE/poses.csv
SOURCE/CAM_FRONT.mp4             one video of each camera
SOURCE/CAM_FRONT.csv             a column time_us (or time_s, ...): when each frame was exposed
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from mim4d.errors import DataError, MissingFileError
from mim4d.importing.csv_columns import read_table
from mim4d.importing.files_out import save_image
from mim4d.importing.folder_names import POSES, RIG
from mim4d.importing.pose_files import read_poses
from mim4d.importing.recording import CameraTrack, Recording, TimedFile
from mim4d.importing.rig_file import CameraSpec, RigFile, read_rig_file
from mim4d.importing.rig_folder import camera_with, drive_folders
from mim4d.importing.times import seconds

ENDINGS = (".mp4", ".mkv", ".avi", ".mov")
TIMES_HOLD = "a line `time_us` (or time_s, time_ms, time_ns), then the time of every frame"
Progress = Callable[[int, int], None]


@contextmanager
def decoded_drives(
    source: Path, out: Path, width: int | None, progress: Progress | None = None
) -> Iterator[list[Recording]]:
    """All drives of a folder, their frames lying beside `out` as long as the block runs.

    After an interruption the frames stay there, and are not written again.

    Args:
        source: The folder.
        out: Where the data set will be.
        width: Columns of the images; None: those of the video.
        progress: Called with the number of frames done and of all frames.

    Raises:
        DataError: A file is missing, or a video has not as many frames as times.
        ImportError: PyAV is not installed.
    """
    _import_av()
    rig = read_rig_file(source / RIG)
    frames = out.resolve().with_name(f".{out.name}.frames-{width or 'full'}")
    try:
        drives = [_Drive(folder, rig, frames, width) for folder in drive_folders(source, POSES)]
        total = sum(drive.num_frames for drive in drives)
        done = 0
        for drive in drives:
            for _ in drive.decode():
                done += 1
                if progress is not None:
                    progress(done, total)
        yield [drive.recording() for drive in drives]
    except Exception:
        shutil.rmtree(frames, ignore_errors=True)
        raise
    shutil.rmtree(frames, ignore_errors=True)


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'mim4d[video]'") from error
    return av


class _Drive:
    """One drive, and where its frames go."""

    def __init__(self, folder: Path, rig: RigFile, frames: Path, width: int | None) -> None:
        self._folder, self._rig = folder, rig
        self._frames = frames / folder.resolve().name
        self._cameras = [_resized(camera, width) for camera in rig.cameras]
        _refuse_unknown(folder, rig)
        self._videos = {camera.name: _video(folder, camera.name) for camera in rig.cameras}
        self._times = {c.name: _times(folder / f"{c.name}.csv") for c in rig.cameras}

    @property
    def num_frames(self) -> int:
        return sum(map(len, self._times.values()))

    def _images(self, name: str) -> tuple[TimedFile, ...]:
        folder = self._frames / name
        return tuple(TimedFile(time, folder / f"{time}.jpg") for time in self._times[name])

    def decode(self) -> Iterator[None]:
        """Write the frames that are not there yet; yields after each."""
        for camera, spec in zip(self._cameras, self._rig.cameras, strict=True):
            images = self._images(camera.name)
            (self._frames / camera.name).mkdir(parents=True, exist_ok=True)
            yield from _decode(self._videos[camera.name], images, spec.size_wh, camera.size_wh)

    def _hidden(self, spec: CameraSpec, camera: CameraSpec) -> Path | None:
        """The picture of the car itself, resized like the frames."""
        if spec.hidden is None or camera.size_wh == spec.size_wh:
            return spec.hidden
        path = self._frames / f"{spec.name}-own-car.png"
        with Image.open(spec.hidden) as image:
            if image.size != spec.size_wh:
                raise DataError(
                    f"{spec.hidden}: has {image.size[0]}x{image.size[1]} pixels, the video of "
                    f"{spec.name} has {spec.size_wh[0]}x{spec.size_wh[1]}"
                )
            covered = image.convert("L").point(lambda level: 255 if level else 0)
            covered.resize(camera.size_wh, Image.Resampling.NEAREST).save(path)
        return path

    def recording(self) -> Recording:
        """The drive, with the frames as its images."""
        rig = self._rig
        cameras: list[CameraTrack] = [
            camera_with(replace(camera, hidden=self._hidden(spec, camera)), self._images(spec.name))
            for spec, camera in zip(rig.cameras, self._cameras, strict=True)
        ]
        name = self._folder.resolve().name
        poses = read_poses(self._folder / POSES, rig.car_from_body)
        return Recording(name, rig.location, rig.vehicle, tuple(cameras), None, poses)


def _resized(camera: CameraSpec, width: int | None) -> CameraSpec:
    if width is None:
        return camera
    columns, rows = camera.size_wh
    return camera.resized((width, round(rows * width / columns)))


def _refuse_unknown(folder: Path, rig: RigFile) -> None:
    names = [camera.name for camera in rig.cameras]
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and path.stem not in names:
            raise DataError(
                f"{path}: {rig.path} has no camera {path.stem!r} (it has {', '.join(names)}): add "
                "it there, or move the video away"
            )


def _video(folder: Path, name: str) -> Path:
    for ending in ENDINGS:
        if (path := folder / f"{name}{ending}").is_file():
            return path
    raise MissingFileError(f"{folder / name}.mp4 not found: expected a video of each camera")


def _times(path: Path) -> list[int]:
    times = read_table(path, TIMES_HOLD).times_us()
    for number, (before, after) in enumerate(pairwise(times)):
        if after <= before:
            raise DataError(
                f"{path}, line {number + 3}: time {seconds(after)} is not after that of the frame "
                "before; correct the table"
            )
    return times


def _decode(
    video: Path,
    images: tuple[TimedFile, ...],
    expected_wh: tuple[int, int],
    size_wh: tuple[int, int],
) -> Iterator[None]:
    av = _import_av()
    count = 0
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise DataError(f"{video}: has no stream of images; it is cut short: restore it")
            for count, frame in enumerate(container.decode(video=0), start=1):
                if count > len(images):
                    continue
                if (frame.width, frame.height) != expected_wh:
                    raise DataError(
                        f"{video}: has {frame.width}x{frame.height} pixels, cameras.yaml says "
                        f"{expected_wh[0]}x{expected_wh[1]}; correct `size_px`, and give the size "
                        "of the calibration as `calibrated_at_px` of the lens"
                    )
                if not images[count - 1].path.exists():
                    small = frame.reformat(*size_wh, format="rgb24", interpolation="AREA")
                    save_image(small.to_ndarray(), images[count - 1].path)
                yield
    except av.error.FFmpegError as error:
        raise DataError(
            f"{video}: cannot be decoded after {count} frames ({error}); it is cut short or "
            "damaged: restore it"
        ) from error
    if count != len(images):
        raise DataError(
            f"{video}: has {count} frames, {video.stem}.csv has {len(images)} times; the video is "
            "cut short, or the table belongs to another"
        )
