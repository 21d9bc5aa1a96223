"""What must hold of a drive before anything of it is written."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from PIL import Image

from mim4d.errors import DataError
from mim4d.importing.pose_files import LONGEST_GAP_US
from mim4d.importing.recording import CameraTrack, PoseTrack, Recording, TimedFile
from mim4d.importing.rotations import from_quaternion
from mim4d.importing.times import seconds

FASTEST_MPS = 80.0
DRIVING_MPS = 2.0
_ENOUGH = 5  # steps that must be driven before a heading is judged


def check_recording(drive: Recording) -> None:
    """Check times, poses and sizes.

    Raises:
        DataError: One of them cannot be right; it says what was seen, and a likely cure.
    """
    for name, files in _tracks(drive):
        _check_cover(name, files, drive.poses)
    _check_motion(drive.poses)
    for camera in drive.cameras:
        _check_size(camera)


def without_uncovered(drive: Recording) -> tuple[Recording, int]:
    """The drive without files that no pose covers, and how many these were."""
    cameras = tuple(
        replace(camera, images=_covered(camera.images, drive.poses)) for camera in drive.cameras
    )
    lidar = drive.lidar
    if lidar is not None:
        lidar = replace(lidar, sweeps=_covered(lidar.sweeps, drive.poses))
    kept = replace(drive, cameras=cameras, lidar=lidar)
    for (name, files), (_, before) in zip(_tracks(kept), _tracks(drive), strict=True):
        if before and not files:
            raise _no_cover(name, drive.poses)
    return kept, drive.num_files - kept.num_files


def _tracks(drive: Recording) -> Iterator[tuple[str, tuple[TimedFile, ...]]]:
    for camera in drive.cameras:
        yield camera.name, camera.images
    if drive.lidar is not None:
        yield drive.lidar.name, drive.lidar.sweeps


def _is_covered(files: tuple[TimedFile, ...], poses: PoseTrack) -> np.ndarray:
    times = np.array([file.time_us for file in files], dtype=np.int64)
    known = poses.times_us
    after = np.clip(np.searchsorted(known, times), 0, len(known) - 1)
    before = np.maximum(np.searchsorted(known, times, side="right") - 1, 0)
    inside = (times >= known[0]) & (times <= known[-1])
    covered: np.ndarray = inside & (known[after] - known[before] <= LONGEST_GAP_US)
    return covered


def _covered(files: tuple[TimedFile, ...], poses: PoseTrack) -> tuple[TimedFile, ...]:
    keep = _is_covered(files, poses).tolist()
    return tuple(file for file, kept in zip(files, keep, strict=True) if kept)


def _no_cover(name: str, poses: PoseTrack) -> DataError:
    return DataError(
        f"{name}: not one of its files lies in the time of {poses.source} "
        f"({seconds(int(poses.times_us[0]))} to {seconds(int(poses.times_us[-1]))}); do both count "
        "from the same moment, in the units they say?"
    )


def _check_cover(name: str, files: tuple[TimedFile, ...], poses: PoseTrack) -> None:
    bad = np.flatnonzero(~_is_covered(files, poses))
    if bad.size == 0:
        return
    first = files[int(bad[0])]
    raise DataError(
        f"{poses.source}: covers {seconds(int(poses.times_us[0]))} to "
        f"{seconds(int(poses.times_us[-1]))} with gaps of at most {LONGEST_GAP_US * 1e-6:g} s "
        f"joined, but {bad.size} of {len(files)} files of {name} lie outside, the first "
        f"{first.path.name} at {seconds(first.time_us)}; give poses for all of the time, or leave "
        "those files out with --drop-uncovered"
    )


def _check_motion(poses: PoseTrack) -> None:
    if len(poses.times_us) < 2:
        return
    steps_s = np.diff(poses.times_us) * 1e-6
    steps_m = np.diff(poses.positions_m, axis=0)
    speeds = np.linalg.norm(steps_m, axis=1) / steps_s
    if (usual := float(np.median(speeds))) > FASTEST_MPS:
        metres = usual / 1000 < FASTEST_MPS and usual > 500
        raise DataError(
            f"{poses.source}: the car moves at {usual:.0f} m/s (median), expected at most "
            f"{FASTEST_MPS:g}; {'millimetres instead of metres, or ' if metres else ''}times in "
            "another unit than their column's name says?"
        )
    turns = [from_quaternion(q) for q in poses.rotations_wxyz[:: max(len(speeds) // 200, 1)]]
    tilt = math.degrees(math.acos(float(np.clip(np.median([t[2, 2] for t in turns]), -1, 1))))
    if tilt > 45:
        raise DataError(
            f"{poses.source}: the car's z axis stands {tilt:.0f}° from up (median), expected less "
            f"than 45°{_cure(poses, steps_m, speeds)}"
        )
    off = _off_course(poses.rotations_wxyz[:-1], steps_m, speeds)
    if off is not None and off > 45:
        raise DataError(
            f"{poses.source}: the car's x axis lies {off:.0f}° from where it drives (median), "
            f"expected less than 45°{_cure(poses, steps_m, speeds)}"
        )


def _off_course(
    rotations: Float[np.ndarray, "q 4"],
    steps_m: Float[np.ndarray, "q 3"],
    speeds: Float[np.ndarray, " q"],
) -> float | None:
    """Median angle between the car's x axis and its motion; None if it hardly moves."""
    moving = np.flatnonzero((speeds > DRIVING_MPS) & (np.hypot(*steps_m[:, :2].T) > 0))
    if len(moving) < _ENOUGH:
        return None
    angles = []
    for i in moving[:: max(len(moving) // 200, 1)].tolist():
        ahead = from_quaternion(rotations[i])[:, 0]
        step = steps_m[i] / np.linalg.norm(steps_m[i])
        angles.append(math.degrees(math.acos(float(np.clip(ahead @ step, -1, 1)))))
    return float(np.median(angles))


def _cure(
    poses: PoseTrack, steps_m: Float[np.ndarray, "q 3"], speeds: Float[np.ndarray, " q"]
) -> str:
    """What else the quaternions might be, if that would fit the motion."""
    w, x, y, z = poses.rotations_wxyz[:-1].T
    others = {
        "columns in the order x y z w named as w x y z": np.stack([z, w, x, y], axis=1),
        "car from global (inverted)": np.stack([w, -x, -y, -z], axis=1),
    }
    fits = []
    for name, rotations in others.items():
        off = _off_course(rotations, steps_m, speeds)
        if off is not None and off < 20:
            fits.append(name)
    if fits:
        return f"; likely: {' or '.join(fits)}"
    return (
        "; check the order of the quaternion, that it is global from car, and that headings are "
        "clockwise from north; if poses.csv speaks of another body (a receiver, an IMU), give its "
        "mount under `poses_of` in cameras.yaml"
    )


def _check_size(camera: CameraTrack) -> None:
    """Refuse images of another size than the intrinsics are for: the first, middle and last."""
    last = len(camera.images) - 1
    for image in {camera.images[i] for i in (0, last // 2, last) if last >= 0}:
        path = image.path
        try:
            with Image.open(path) as image:
                found = image.size
        except (OSError, SyntaxError) as error:
            raise DataError(f"{path}: cannot be decoded ({error}); restore it") from error
        if found != camera.size_wh:
            width, height = camera.size_wh
            raise DataError(
                f"{path}: has {found[0]}x{found[1]} pixels, cameras.yaml says {width}x{height} of "
                f"{camera.name}; if the images were resized, give their size as `size_px` and that "
                f"of the calibration as `calibrated_at_px: [{width}, {height}]` of the lens"
            )
    if camera.hidden is not None:
        with Image.open(camera.hidden) as image:
            if image.size != camera.size_wh:
                raise DataError(
                    f"{camera.hidden}: has {image.size[0]}x{image.size[1]} pixels, the images of "
                    f"{camera.name} have {camera.size_wh[0]}x{camera.size_wh[1]}"
                )
