"""Files of `truth/`, which only evaluation reads: what is exactly true of every measurement.

    truth/distance/<image>.png   16 bit: metres along the ray × 256; 0 = nothing hit within 255 m
    truth/instance/<image>.png   16 bit: instance number; 0 = no annotated object
    truth/lidar/<sweep>.npy      int32, a row per point: instance number, age in microseconds
    truth/motion/<scene>.npz     the rigid motion of every instance, in `global`

`<image>` and `<sweep>` are the measurement's path without its ending. `mim4d.data.truth` reads them
and says what follows from them: scene flow of pixels and points.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt16
from PIL import Image

from mim4d.world.sensing.bodies import Bodies
from mim4d.world.sensing.tracks import Tracks

REACH_M = 255.0
STEPS_PER_M = 256


def sidecar(root: Path, kind: str, file: Path, ending: str) -> Path:
    """Where the truth of one kind about a measurement's file (relative to `root`) belongs."""
    return root / "truth" / kind / file.parent / (file.name.split(".")[0] + ending)


def save_distance(root: Path, image: Path, distance_m: Float32[np.ndarray, "h w"]) -> None:
    """Write the distances of an image's pixels."""
    steps = np.where(distance_m <= REACH_M, np.rint(distance_m * STEPS_PER_M), np.float32(0.0))
    _save_png(sidecar(root, "distance", image, ".png"), steps.astype(np.uint16))


def save_instances(root: Path, image: Path, instances: UInt16[np.ndarray, "h w"]) -> None:
    """Write the instance numbers of an image's pixels."""
    _save_png(sidecar(root, "instance", image, ".png"), instances)


def save_points(
    root: Path, sweep: Path, instances: UInt16[np.ndarray, " p"], ages_us: Int32[np.ndarray, " p"]
) -> None:
    """Write the instance numbers and ages of a sweep's points, in their order."""
    rows = np.stack([instances.astype(np.int32), ages_us], axis=-1)
    np.save(sidecar(root, "lidar", sweep, ".npy"), rows)


def save_motion(
    path: Path,
    bodies: Bodies,
    tracks: Tracks,
    first_us: int,
    offset_m: Float[np.ndarray, "2"],
    tokens: Sequence[str],
) -> None:
    """Write the motion of a scene's instances.

    Args:
        path: File to write.
        bodies: The annotated objects.
        tracks: Their motion, world axes.
        first_us: Timestamp of time 0.
        offset_m: Position of the world's origin in `global`.
        tokens: Of each instance; empty if it is never annotated.
    """
    shift = np.array([*offset_m, 0.0])
    np.savez_compressed(
        path,
        times_us=tracks.times_us + first_us,
        tokens=np.array(tokens, dtype="U32"),
        categories=np.array([thing.category for thing in bodies.things], dtype="U64"),
        box_centres_m=bodies.centres_m,
        box_sizes_lwh_m=2.0 * bodies.halves_m,
        standing_poses=bodies.standing_poses + shift,
        moving_poses=tracks.poses + shift,
        moving_velocities=tracks.velocities,
        moving_yaw_rates=tracks.yaw_rates,
    )


def _save_png(path: Path, values: UInt16[np.ndarray, "h w"]) -> None:
    Image.fromarray(values).save(path, compress_level=1)
