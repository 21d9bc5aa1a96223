"""A drive before it is written: sensors, files with their times, poses, boxes, a map.

Frames: `car` (x forward, y left, z up, origin on the road below the rear axle), `camera` (x right,
y down, z along the optical axis), `global`. Metres, radians, whole microseconds. Pixels are counted
from the first pixel's corner.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64

from mim4d.geometry.lenses.lens import Lens
from mim4d.importing.rectify import View, view_names
from mim4d.writing.map_rows import MapRows

Points = Float32[np.ndarray, "p 5"]
"""x, y, z in the sensor's axes, intensity, ring."""


@dataclass(frozen=True)
class TimedFile:
    """A file that a sensor gave at a time."""

    time_us: int
    path: Path


@dataclass(frozen=True)
class CameraTrack:
    """A camera and its images.

    Attributes:
        name: Channel.
        lens: Of the images as they are stored.
        size_wh: Columns and rows of the images.
        car_from_camera: Mount.
        views: Pinhole cameras that its images become; none where they are pinhole images already.
        images: Oldest first.
        hidden: A picture that is not zero where the camera sees its own car; None without.
        distances: Folder of exact distances by image, of a synthetic drive; None without.
    """

    name: str
    lens: Lens
    size_wh: tuple[int, int]
    car_from_camera: Float[np.ndarray, "4 4"]
    views: tuple[View, ...]
    images: tuple[TimedFile, ...]
    hidden: Path | None = None
    distances: Path | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that it is written as: one for each view."""
        return view_names(self.name, len(self.views))


@dataclass(frozen=True)
class LidarTrack:
    """A LiDAR and its sweeps.

    Attributes:
        name: Channel.
        car_from_lidar: Mount.
        sweeps: Oldest first; points are in the sensor's axes at the time of the file.
        read: Reads the points of a file.
        as_stored: Whether files can be used as they are (float32 x, y, z, intensity, ring).
    """

    name: str
    car_from_lidar: Float[np.ndarray, "4 4"]
    sweeps: tuple[TimedFile, ...]
    read: Callable[[Path], Points]
    as_stored: bool = False


@dataclass(frozen=True)
class PoseTrack:
    """Poses of the car along the time.

    Attributes:
        times_us: Increasing.
        positions_m: In `global`.
        rotations_wxyz: Unit quaternions, `global` from `car`.
        source: File they come from, for messages.
    """

    times_us: Int64[np.ndarray, " q"]
    positions_m: Float[np.ndarray, "q 3"]
    rotations_wxyz: Float[np.ndarray, "q 4"]
    source: str

    def at(
        self, times_us: Int64[np.ndarray, " p"]
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, "p 4"]]:
        """Positions and quaternions: straight lines and even turns between neighbours."""
        after = np.clip(np.searchsorted(self.times_us, times_us), 1, max(len(self.times_us) - 1, 1))
        after = np.minimum(after, len(self.times_us) - 1)
        before = np.maximum(after - 1, 0)
        span = np.maximum(self.times_us[after] - self.times_us[before], 1)
        share = np.clip((times_us - self.times_us[before]) / span, 0.0, 1.0)[:, None]
        positions = (1 - share) * self.positions_m[before] + share * self.positions_m[after]
        turned = _slerp(self.rotations_wxyz[before], self.rotations_wxyz[after], share)
        return positions, turned


@dataclass(frozen=True)
class BoxAt:
    """An annotated object at a time, in `car` at that time.

    Attributes:
        time_us: When.
        track: What tells objects apart.
        category: Its class.
        centre_m: x, y, z.
        size_lwh_m: Length, width, height.
        rotation: `car` from the box.
        num_points: LiDAR points inside; -1 where it is not known.
    """

    time_us: int
    track: str
    category: str
    centre_m: tuple[float, float, float]
    size_lwh_m: tuple[float, float, float]
    rotation: Float[np.ndarray, "3 3"]
    num_points: int = -1


@dataclass(frozen=True)
class Recording:
    """One drive.

    Attributes:
        name: Of the drive.
        location: Where it was.
        vehicle: Name of the car.
        cameras: At least one.
        lidar: None for a rig without.
        poses: Of the car.
        boxes: Annotated objects; may be empty.
        roads: A vector map; None without.
    """

    name: str
    location: str
    vehicle: str
    cameras: tuple[CameraTrack, ...]
    lidar: LidarTrack | None
    poses: PoseTrack
    boxes: tuple[BoxAt, ...] = ()
    roads: MapRows | None = field(default=None, compare=False)

    @property
    def num_files(self) -> int:
        """Images and sweeps to be read."""
        sweeps = len(self.lidar.sweeps) if self.lidar else 0
        return sweeps + sum(len(camera.images) for camera in self.cameras)


def distinct_rigs(drives: Sequence[Recording]) -> list[Recording]:
    """The first drive of every rig."""
    rigs: dict[object, Recording] = {}
    for drive in drives:
        rigs.setdefault(tuple((c.name, c.lens, c.size_wh) for c in drive.cameras), drive)
    return list(rigs.values())


def _slerp(
    first: Float[np.ndarray, "p 4"],
    second: Float[np.ndarray, "p 4"],
    share: Float[np.ndarray, "p 1"],
) -> Float[np.ndarray, "p 4"]:
    cosine = np.sum(first * second, axis=1, keepdims=True)
    second = np.where(cosine < 0, -second, second)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    near = angle < 1e-6
    safe = np.where(near, 1.0, np.sin(np.where(near, 1.0, angle)))
    weight_a = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    weight_b = np.where(near, share, np.sin(share * angle) / safe)
    turned: Float[np.ndarray, "p 4"] = weight_a * first + weight_b * second
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)
