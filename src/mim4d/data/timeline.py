"""Which measurements make up a clip: nearest in time, within half an interval, none used twice.

A clip has `t` frames around a key sample, oldest first. A frame's time and pose are those of its
LiDAR sweep, else of its front camera's image. Times are integer microseconds of the log; rows are
those of table `sample_data`, -1 where nothing fits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.data.tables.tables import NuscenesTables, Rows

GAP_INTERVALS = 1.7
"""Consecutive keyframes so many usual intervals apart have a hole between them."""
JUMP_SPEED = 80.0
"""m/s (288 km/h): poses of consecutive keyframes that differ by more belong to two drives."""


@dataclass(frozen=True)
class FrameSpacing:
    """How a clip's frames lie in time.

    Attributes:
        frames: Number of frames.
        key: Index of the key frame, from 0.
        interval_us: Time between frames; None: frames are consecutive keyframes, and keyframes only
            are used.
    """

    frames: int
    key: int
    interval_us: float | None

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Index of each frame relative to the key frame."""
        return np.arange(self.frames) - self.key


@dataclass(frozen=True)
class ClipIndex:
    """The frames of `c` clips.

    Attributes:
        scene: Row of the scene, `c`.
        sample: Row of the key sample, `c`.
        anchors: The measurement that gives each frame its time and pose, `c t`; -1: no such frame.
        times_us: Time of each frame, `c t`; the intended one where there is no frame.
        interval_us: Time between frames, `c`; infinite for a scene of one keyframe.
    """

    scene: Rows
    sample: Rows
    anchors: Rows
    times_us: NDArray[np.int64]
    interval_us: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.scene)

    def select(self, keep: NDArray[np.bool_]) -> "ClipIndex":
        """The clips where `keep` is True."""
        return ClipIndex(
            self.scene[keep],
            self.sample[keep],
            self.anchors[keep],
            self.times_us[keep],
            self.interval_us[keep],
        )


def index_clips(
    tables: NuscenesTables, scenes: list[int], spacing: FrameSpacing, channels: list[str]
) -> ClipIndex:
    """One clip for every sample of the scenes that has an anchor of its own.

    Args:
        tables: The data set.
        scenes: Rows of the scenes.
        spacing: The frames of a clip.
        channels: Channels that may give a frame its time and pose, the preferred one first.
    """
    parts = [_index_scene(tables, scene, spacing, channels) for scene in scenes]
    return ClipIndex(
        scene=np.concatenate([part.scene for part in parts]),
        sample=np.concatenate([part.sample for part in parts]),
        anchors=np.concatenate([part.anchors for part in parts]),
        times_us=np.concatenate([part.times_us for part in parts]),
        interval_us=np.concatenate([part.interval_us for part in parts]),
    )


def _index_scene(
    tables: NuscenesTables, scene: int, spacing: FrameSpacing, channels: list[str]
) -> ClipIndex:
    samples = tables.samples_of_scene(scene)
    keys = _key_anchors(tables, scene, samples, channels)
    samples, keys = samples[keys >= 0], keys[keys >= 0]
    times = tables.column("sample_data", "timestamp_us")
    key_times = np.asarray(times[keys])
    if spacing.interval_us is None:
        interval = float(np.median(np.diff(key_times))) if len(keys) > 1 else np.inf
        position = np.arange(len(keys))[:, None] + spacing.offsets
        inside = (position >= 0) & (position < len(keys))
        position = np.clip(position, 0, max(len(keys) - 1, 0))
        drive = _unbroken_drives(tables, keys, key_times)
        inside &= drive[position] == drive[:, None]
        anchors = np.where(inside, keys[position], -1)
    else:
        interval = spacing.interval_us
        anchors = _anchors_at_interval(tables, scene, key_times, spacing, channels)
        anchors[:, spacing.key] = keys
        drive = _unbroken_drives(tables, keys, key_times, jumps_only=True)
        nearest = np.searchsorted(key_times, times[np.maximum(anchors, 0)], side="right") - 1
        anchors[drive[np.clip(nearest, 0, None)] != drive[:, None]] = -1
    step = 0.0 if np.isinf(interval) else interval
    intended = key_times[:, None] + np.rint(spacing.offsets * step).astype(np.int64)
    frame_times = np.where(anchors >= 0, times[np.maximum(anchors, 0)], intended)
    return ClipIndex(
        scene=np.full(len(keys), scene),
        sample=samples,
        anchors=anchors,
        times_us=frame_times,
        interval_us=np.full(len(keys), interval, np.float64),
    )


def _unbroken_drives(
    tables: NuscenesTables, keys: Rows, key_times: NDArray[np.int64], jumps_only: bool = False
) -> NDArray[np.int64]:
    """A number for each keyframe of a scene, equal for those with neither hole nor jump between."""
    if len(keys) < 2:
        return np.zeros(len(keys), np.int64)
    gaps = np.diff(key_times)
    places = tables.global_from_ego(keys)[:, :3, 3].numpy()
    moved_m = np.linalg.norm(np.diff(places, axis=0), axis=1)
    broken = moved_m > JUMP_SPEED * np.maximum(gaps, 1) * 1e-6
    if not jumps_only:
        broken |= gaps > GAP_INTERVALS * np.median(gaps)
    return np.concatenate([[0], np.cumsum(broken)])


def _key_anchors(tables: NuscenesTables, scene: int, samples: Rows, channels: list[str]) -> Rows:
    """The keyframe of each sample in the first of the channels that has one."""
    is_key_frame = tables.column("sample_data", "is_key_frame")
    sample_of = tables.column("sample_data", "sample")
    anchor: dict[int, int] = {}
    for channel in reversed(channels):
        rows = tables.data_of_scene(scene, channel)
        rows = rows[is_key_frame[rows]]
        anchor.update(zip(sample_of[rows].tolist(), rows.tolist(), strict=True))
    return np.array([anchor.get(sample, -1) for sample in samples.tolist()], np.int64)


def _anchors_at_interval(
    tables: NuscenesTables,
    scene: int,
    key_times: NDArray[np.int64],
    spacing: FrameSpacing,
    channels: list[str],
) -> Rows:
    assert spacing.interval_us is not None
    wanted = key_times[:, None] + spacing.offsets * spacing.interval_us
    anchors = np.full(wanted.shape, -1, np.int64)
    for channel in channels:
        rows = tables.data_of_scene(scene, channel)
        times = tables.column("sample_data", "timestamp_us")[rows]
        nearest = nearest_within(times, wanted, spacing.interval_us / 2)
        if len(rows):
            anchors = np.where((anchors < 0) & (nearest >= 0), rows[nearest], anchors)
    return anchors


def nearest_within(
    times: NDArray[Any], wanted: NDArray[Any], tolerance: float
) -> NDArray[np.int64]:
    """Index of the time nearest to each wanted one; -1 if none lies in `[-tolerance, tolerance)`.

    The interval is half open, so that wanted times two tolerances apart never share an answer. Of
    two equally near the earlier is taken. `times` must be sorted.
    """
    if len(times) == 0:
        return np.full(wanted.shape, -1, np.int64)
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    nearest = np.where(wanted - times[before] <= times[after] - wanted, before, after)
    difference = times[nearest] - wanted
    return np.where((difference >= -tolerance) & (difference < tolerance), nearest, -1)


def assign_nearest(
    times: NDArray[Any], wanted: NDArray[Any], tolerance: float
) -> NDArray[np.int64]:
    """Like `nearest_within` for any wanted times, but no time is given away twice.

    The closest pairs are matched first; who comes too late gets the next nearest that is free. A
    difference equal to the tolerance still counts. `wanted` may hold NaN, which gets nothing.
    """
    difference = np.abs(times[None, :] - wanted[:, None])
    frame, candidate = np.nonzero(difference <= tolerance)
    order = np.argsort(difference[frame, candidate], kind="stable")
    assigned = np.full(len(wanted), -1, np.int64)
    taken: set[int] = set()
    for f, c in zip(frame[order].tolist(), candidate[order].tolist(), strict=True):
        if assigned[f] < 0 and c not in taken:
            assigned[f] = c
            taken.add(c)
    return assigned
