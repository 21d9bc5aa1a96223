"""Do the sweeps of a moving car fit together? If they do better with the LiDAR turned, it is.

What stands still must lie at one place, whichever sweep sees it. Two sweeps between which the car
has moved are laid over each other, seen from above, with the mount as it is and turned about the
vertical. What enters are the tables and their files; what leaves are findings. Metres, degrees.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mim4d.check.cameras import rotations
from mim4d.check.files import FileList
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.check.poses import ego_columns
from mim4d.check.spaced_pairs import spaced_pairs
from mim4d.data.point_values import NUMBERS_PER_POINT, implausible_values

TURNS_DEG = (0, -10, 10, -20, 20, -45, 45, -90, 90, -135, 135, 180)
MAX_PAIRS = 8
MIN_PAIRS = 2
MOVED_M = (1.5, 12.0)
MAX_GAP_S = 1.2

_CELL_M = 0.4
_HEIGHT_M = (0.4, 3.0)
_REACH_M = 30.0
_MIN_GAIN, _MIN_RATIO = 0.08, 1.3
_MIN_POINTS = 300

TURNED = Rule(
    "lidar-turned",
    "warning",
    "sweeps of a moving car that fit together",
    "check the LiDAR's rotation (ego from lidar, w x y z), the poses' rotations and their times",
)


@dataclass(frozen=True)
class _Sweep:
    """Points in the ego axes of the sweep's time, and that pose."""

    points_ego: NDArray[np.float64]
    mount_m: NDArray[np.float64]
    rotation: NDArray[np.float64]
    place_m: NDArray[np.float64]


def check_registration(tables: TableSet, files: FileList, findings: Findings) -> None:
    """Compare pairs of sweeps of each LiDAR."""
    before, after = spaced_pairs(tables)
    lidar = tables.is_modality("lidar")
    there = files.sizes > 0
    use = lidar[before] & lidar[after] & there[before] & there[after]
    before, after = before[use], after[use]
    times = tables["sample_data"]["timestamp_us"]
    moved = np.linalg.norm(ego_columns(tables, after)[0] - ego_columns(tables, before)[0], axis=1)
    seconds = (times[after] - times[before]) * 1e-6
    good = (moved > MOVED_M[0]) & (moved < MOVED_M[1]) & (seconds < MAX_GAP_S)
    for channel in sorted({tables.channel(row) for row in before[good].tolist()}):
        number = tables.channels.index(channel)
        own = np.flatnonzero(good & (tables.channel_of_data[before] == number))
        own = own[np.unique(np.linspace(0, len(own) - 1, min(MAX_PAIRS, len(own))).astype(int))]
        scores = [_compare(tables, files, int(before[i]), int(after[i])) for i in own.tolist()]
        _judge(channel, [score for score in scores if score is not None], findings)


def _judge(channel: str, scores: list[NDArray[np.float64]], findings: Findings) -> None:
    if len(scores) < MIN_PAIRS:
        return
    mean = np.mean(scores, axis=0)
    best = int(mean.argmax())
    better = np.mean([score[best] > score[0] for score in scores])
    if (
        mean[best] > mean[0] + _MIN_GAIN
        and mean[best] > _MIN_RATIO * mean[0]
        and better >= (0.75 if len(scores) > 3 else 1.0)
    ):
        found = (
            f"{channel}: turned by {TURNS_DEG[best]:+d} degrees {mean[best]:.0%} of what stands "
            f"upright in {len(scores)} pairs of sweeps fits together, as it is {mean[0]:.0%}"
        )
        findings.add(TURNED, "calibrated_sensor", Place(found), group=channel)


def _compare(
    tables: TableSet, files: FileList, first: int, second: int
) -> NDArray[np.float64] | None:
    """Share of the second sweep's cells that the first fills too, for every turn."""
    sweeps = [_read(tables, files, row) for row in (first, second)]
    if sweeps[0] is None or sweeps[1] is None:
        return None
    return np.array([_overlap(sweeps[0], sweeps[1], np.radians(turn)) for turn in TURNS_DEG])


def _read(tables: TableSet, files: FileList, row: int) -> _Sweep | None:
    try:
        content = (tables.root / files.names[row]).read_bytes()
    except OSError:
        return None
    whole = len(content) - len(content) % (4 * NUMBERS_PER_POINT)
    values = np.frombuffer(content[:whole], "<f4").reshape(-1, NUMBERS_PER_POINT)
    if implausible_values(values) is not None:
        return None
    points = values[np.isfinite(values[:, :3]).all(axis=1), :3].astype(np.float64)
    calibrated = tables["calibrated_sensor"]
    own = int(tables["sample_data"]["calibrated_sensor"][row])
    mount = calibrated["translation_m"][own]
    points = points @ rotations(calibrated["rotation_wxyz"][own : own + 1])[0].T + mount
    upright = (points[:, 2] > _HEIGHT_M[0]) & (points[:, 2] < _HEIGHT_M[1])
    distance = np.hypot(*points[:, :2].T)
    points = points[upright & (distance > 3.0) & (distance < _REACH_M)]
    place, rotation = ego_columns(tables, np.array([row]))
    if len(points) < _MIN_POINTS or not np.isfinite(place).all():
        return None
    return _Sweep(points, mount, rotations(rotation)[0], place[0])


def _overlap(a: _Sweep, b: _Sweep, turn: float) -> float:
    cells = [_cells(sweep, turn) for sweep in (a, b)]
    return float(np.isin(cells[1], cells[0]).mean())


def _cells(sweep: _Sweep, turn: float) -> NDArray[np.int64]:
    """Cells of the global ground plan in which points lie, were the LiDAR turned."""
    c, s = np.cos(turn), np.sin(turn)
    offset = sweep.points_ego - sweep.mount_m
    turned = offset @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]).T + sweep.mount_m
    at = turned @ sweep.rotation.T + sweep.place_m
    cell = np.floor(at[:, :2] / _CELL_M).astype(np.int64)
    return np.unique(cell[:, 0] * 10_000_019 + cell[:, 1])
