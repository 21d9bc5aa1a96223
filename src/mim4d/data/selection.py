"""What of a data set to use: cameras, LiDAR, scenes, frames.

What enters are names and numbers as a user gives them; each is checked against the tables, and an
error lists what there is to choose from.
"""

import logging
from collections.abc import Sequence

import numpy as np

from mim4d.data.splits import SceneChoice, known_scenes
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.timeline import FrameSpacing
from mim4d.errors import DataError

FRONT_CAMERA = "CAM_FRONT"
_LOGGER = logging.getLogger(__name__)


def frame_spacing(frames: int, key: int, frame_interval_s: float | None) -> FrameSpacing:
    """The frames of a clip; a negative `key` counts from the end."""
    if frames < 1:
        raise ValueError(f"frames is {frames}; a clip needs at least one")
    if not -frames <= key < frames:
        raise ValueError(f"key is {key}; expected {-frames} to {frames - 1} for {frames} frames")
    if frame_interval_s is not None and not 0 < frame_interval_s < float("inf"):
        raise ValueError(
            f"frame_interval_s is {frame_interval_s}; expected a positive time or None"
        )
    interval_us = None if frame_interval_s is None else frame_interval_s * 1e6
    return FrameSpacing(frames, key % frames, interval_us)


def choose_cameras(tables: NuscenesTables, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The cameras wanted; None: all, the front camera first and the others sorted."""
    found = tables.channels("camera")
    if not found:
        found = tables.mounted("camera")
        if not found:
            names = {name.decode() for name in tables.column("sensor", "modality").tolist()}
            raise DataError(
                f"{tables.root / tables.version}: no sensor that measured anything has the "
                f"modality 'camera' in sensor.json (there: {', '.join(sorted(names)) or 'none'})"
            )
        _LOGGER.warning("%s: no camera has images", tables.root / tables.version)
    if wanted is None:
        wanted = sorted(found, key=lambda name: (name != FRONT_CAMERA, name))
    unknown = [name for name in wanted if name not in found]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise DataError(
            f"{tables.root / tables.version}: cameras {', '.join(wanted) or 'none'} asked for; "
            f"expected different ones out of: {', '.join(found) or 'none'}"
        )
    return tuple(wanted)


def choose_lidar(tables: NuscenesTables, wanted: str | None) -> str | None:
    """The LiDAR wanted, if the data set has it."""
    found = tables.channels("lidar")
    if wanted is not None and wanted not in found:
        raise DataError(
            f"{tables.root / tables.version}: has no LiDAR {wanted} (it has: "
            f"{', '.join(found) or 'none'}). Name one of these with --clip.lidar (view: --lidar), "
            "or pass None. To pre-train without LiDAR, take the preset demo_no_lidar"
        )
    return wanted


def choose_scenes(tables: NuscenesTables, wanted: Sequence[str] | SceneChoice | None) -> list[int]:
    """Rows of the scenes wanted, by name or by choice; None: all."""
    rows = {name: row for row, name in enumerate(tables.scene_names)}
    if isinstance(wanted, SceneChoice):
        split = wanted.resolve(tables.root, tables.version, list(rows))
        # Scenes that were named, and splits of the data set's own, need no remark.
        expected = split.origin == "splits.json" or (wanted.names and wanted.fraction == 1)
        _LOGGER.log(logging.DEBUG if expected else logging.INFO, split.note)
        wanted = split.scenes
    names = list(rows) if wanted is None else list(wanted)
    names = known_scenes(tables.root, names, list(rows))
    return [rows[name] for name in names]


def refuse_distortion(tables: NuscenesTables, cameras: tuple[str, ...]) -> None:
    """Raise if one of the cameras has lens distortion: nothing here would undo it."""
    for row in np.flatnonzero(tables.column("calibrated_sensor", "distortion") != b"").tolist():
        sensor = tables.column("calibrated_sensor", "sensor")[row]
        channel = tables.column("sensor", "channel")[sensor].decode()
        distortion = tables.column("calibrated_sensor", "distortion")[row].decode()
        if channel in cameras:
            token = tables.column("calibrated_sensor", "token")[row].decode()
            raise DataError(
                f"{tables.root}, calibrated_sensor token {token} ({channel}): "
                f"its lens is {distortion[:120]}, expected a pinhole camera; images must be "
                "undistorted before they are read: undistort them and remove the field (or set it "
                "to zeros), or leave the camera out"
            )


def no_clip(tables: NuscenesTables, scenes: list[int], spacing: FrameSpacing) -> DataError:
    """The error to raise when no clip fits into any of the scenes."""
    times_us = tables.column("sample", "timestamp_us")
    groups = {scene: times_us[tables.samples_of_scene(scene)] for scene in scenes}
    longest = max(groups, key=lambda scene: len(groups[scene]))
    times = groups[longest]
    duration_s = (times[-1] - times[0]) * 1e-6 if len(times) else 0.0
    every = "consecutive keyframes"
    if spacing.interval_us is not None:
        every = f"frames {spacing.interval_us * 1e-6:g} s apart"
    where = tables.root / tables.version
    return DataError(
        f"{where}: no scene has room for a clip of {spacing.frames} {every}: "
        f"the longest, {tables.scene(longest).name}, has {len(times)} keyframes in "
        f"{duration_s:.1f} s. Ask for fewer frames, another interval, or keep incomplete clips"
    )
