"""Which moments of a drive are samples, and which files are their key frames.

Samples lie about one interval apart, at measurements of the LiDAR, else of the front camera, else
of whichever camera has one. A channel's key frame is its file nearest to the sample, within half an
interval and 0.2 s. What is no key frame is a sweep and belongs to the sample that follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from mim4d.importing.recording import Recording

FRONT = "CAM_FRONT"
FARTHEST_US = 200_000


@dataclass(frozen=True)
class Placed:
    """The files of a channel among the samples.

    Attributes:
        sample: Number of the sample that each belongs to.
        is_key: Whether it is its key frame.
    """

    sample: Int64[np.ndarray, " q"]
    is_key: Bool[np.ndarray, " q"]


def sample_times(drive: Recording, interval_us: int) -> Int64[np.ndarray, " k"]:
    """Times of the samples, increasing."""
    order = sorted(drive.cameras, key=lambda camera: camera.name != FRONT)
    tracks = [drive.lidar.sweeps] if drive.lidar else []
    tracks += [camera.images for camera in order]
    times = [np.array([f.time_us for f in track], dtype=np.int64) for track in tracks if track]
    first = times[0][0]
    wished = np.arange(first, max(track[-1] for track in times) + interval_us // 4, interval_us)
    chosen = np.full(len(wished), -1, dtype=np.int64)
    for track in times:
        nearest = track[_nearest(track, wished)]
        # Half open, so that no measurement serves two samples.
        fits = (nearest - wished >= -interval_us / 2) & (nearest - wished < interval_us / 2)
        chosen = np.where((chosen < 0) & fits, nearest, chosen)
    return np.unique(chosen[chosen >= 0])


def place(times_us: Sequence[int], samples_us: Int64[np.ndarray, " k"], interval_us: int) -> Placed:
    """Find the key frames among a channel's files, and the samples of the others."""
    times = np.array(times_us, dtype=np.int64)
    if len(times) == 0:
        return Placed(times, np.zeros(0, dtype=np.bool_))
    nearest = _nearest(times, samples_us)
    near = np.abs(times[nearest] - samples_us) <= min(interval_us / 2, FARTHEST_US)
    sample = np.minimum(np.searchsorted(samples_us, times), len(samples_us) - 1)
    is_key = np.zeros(len(times), dtype=np.bool_)
    # Of two samples that want one file the nearer gets it.
    distance = np.abs(times[nearest] - samples_us)
    for k in np.argsort(distance, kind="stable").tolist():
        if near[k] and not is_key[nearest[k]]:
            is_key[nearest[k]], sample[nearest[k]] = True, k
    return Placed(sample, is_key)


def _nearest(times: Int64[np.ndarray, " q"], wanted: Int64[np.ndarray, " k"]) -> np.ndarray:
    """Index of the time nearest to each wanted one; the earlier of two."""
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest: np.ndarray = np.where(
        np.abs(wanted - times[before]) <= np.abs(times[after] - wanted), before, after
    )
    return nearest
