"""`generate_world`: draw, record and write a synthetic data set in the nuScenes v1.0 format.

    OUT/v1.0-mini/*.json        the 13 tables
    OUT/samples, OUT/sweeps     images (JPEG), LiDAR (.pcd.bin: float32 x, y, z, intensity, ring)
    OUT/can_bus/*.json          the car's own messages
    OUT/maps/                   per town a raster (.png) and expansion/<town>.json, the vector map
    OUT/splits.json             {"train": [scene names], "val": [held-out scene names]}
    OUT/truth/...               for evaluation only, see `truth_files`

Scenes are independent of each other and of the number of workers: same seed, same bytes. Held-out
scenes come from a stream of seeds of their own.
"""

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mim4d.errors import DataError
from mim4d.world.scene.town import Split, placement
from mim4d.world.sensing.check_rig import SMALLEST_IMAGE, check_rig
from mim4d.world.sensing.rig import Rig, usual_rig
from mim4d.world.sensing.schedule import Recording
from mim4d.world.writing.record_scene import SceneCounts, SceneJob, record_scene
from mim4d.world.writing.table_rows import VERSION, Town, fixed_tables, join_tables
from mim4d.world.writing.town_maps import write_town_maps
from mim4d.world.writing.world_folder import (
    built_aside,
    check_target,
    finish_folder,
    make_folders,
    scene_name,
)

# First number of a scene's seed: the training scenes' and the held-out scenes' never meet.
TRAINING_STREAM, HELD_OUT_STREAM = 1, 2
SPLITS: dict[int, Split] = {TRAINING_STREAM: "train", HELD_OUT_STREAM: "val"}
EPOCH_US = {TRAINING_STREAM: 1_500_000_000_000_000, HELD_OUT_STREAM: 1_400_000_000_000_000}


@dataclass(frozen=True)
class WorldSummary:
    """What was written.

    Attributes:
        out: Root of the data set.
        training_scenes: Names of the training scenes.
        held_out_scenes: Names of the held-out scenes.
        num_samples: Key frames in all scenes.
        num_images: Images in all scenes, sweeps included.
        num_turns: Turns of the LiDAR in all scenes, sweeps included.
        num_annotations: Boxes in all samples.
        seconds: Wall-clock time taken.
    """

    out: Path
    training_scenes: tuple[str, ...]
    held_out_scenes: tuple[str, ...]
    num_samples: int
    num_images: int
    num_turns: int
    num_annotations: int
    seconds: float


def generate_world(
    out: Path,
    *,
    scenes: int,
    held_out: int,
    seed: int,
    samples_per_scene: int = 8,
    keyframe_interval_s: float = 0.5,
    image_hw: tuple[int, int] = (256, 448),
    lidar_azimuths: int = 1080,
    shadows: bool = True,
    camera_rate_hz: float | None = None,
    lidar_rate_hz: float | None = None,
    rig: Rig | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WorldSummary:
    """Write a world; nothing appears under `out` until all of it is there.

    Args:
        out: Root of the data set to write.
        scenes: Number of training scenes.
        held_out: Number of held-out scenes.
        seed: Seed of the world, not negative.
        samples_per_scene: Key frames per scene.
        keyframe_interval_s: Time between key frames, seconds (to the nearest turn of the LiDAR).
        image_hw: Rows and columns of the usual rig's images.
        lidar_azimuths: The usual rig's LiDAR firings per turn and beam.
        shadows: Whether the sun casts shadows.
        camera_rate_hz: Images per second and camera; None: key frames only.
        lidar_rate_hz: Turns of the LiDAR per second; None: what the rig says, else key frames
            only, of turns of 50 ms.
        rig: Other sensors; None: six cameras and a LiDAR of 32 beams, as on the nuScenes car.
        overwrite: Replace a world that `out` already holds.
        workers: Processes; None: as many as this process may use cores. 1: this process alone.
        progress: Called with the number of scenes done and of all scenes.

    Raises:
        ValueError: `out` is not empty and not to be (or not safely) overwritten, or a number is
            out of range.
        DataError: The world could not be written; nothing of it is left.
    """
    started = time.monotonic()
    _check(scenes, held_out, seed)
    if not 0.1 <= keyframe_interval_s <= 10.0:
        raise ValueError(f"keyframe_interval_s={keyframe_interval_s}: expected 0.1 to 10 seconds")
    rig = rig or usual_rig(image_hw, lidar_azimuths)
    recording = Recording(
        samples=samples_per_scene,
        interval_us=round(keyframe_interval_s * 1e6),
        shadows=shadows,
        camera_hz=camera_rate_hz,
        lidar_hz=lidar_rate_hz or (rig.lidar.rate_hz if rig.lidar else None),
    )
    check_rig(rig, recording)
    check_target(out, overwrite)
    with built_aside(out) as partial:
        make_folders(partial, rig, _keeps_sweeps(rig, recording))
        streams = [(TRAINING_STREAM, i) for i in range(scenes)]
        streams += [(HELD_OUT_STREAM, i) for i in range(held_out)]
        jobs = [_job(seed, stream, index, recording, rig, partial) for stream, index in streams]
        counts = _record(jobs, _num_workers(workers, len(jobs)), progress)
        names = [job.name for job in jobs]
        splits = {"train": names[:scenes], "val": names[scenes:]}
        _write_tables(jobs, splits, rig, partial)
        finish_folder(partial, splits, _made_with(recording, rig, seed))
        # The last step: a folder without it is no data set.
        (partial / "tables").rename(partial / VERSION)
    return WorldSummary(
        out=out,
        training_scenes=tuple(splits["train"]),
        held_out_scenes=tuple(splits["val"]),
        num_samples=counts.samples,
        num_images=counts.images,
        num_turns=counts.turns,
        num_annotations=counts.annotations,
        seconds=time.monotonic() - started,
    )


def _check(scenes: int, held_out: int, seed: int) -> None:
    if scenes < 0 or held_out < 0 or scenes + held_out < 1:
        raise ValueError(
            f"scenes={scenes}, held_out={held_out}: expected at least one scene in all"
        )
    if seed < 0:
        raise ValueError(f"seed={seed}: expected 0 or more")
    for is_held_out, count in ((False, scenes), (True, held_out)):
        scene_name(is_held_out, max(count - 1, 0))


def _keeps_sweeps(rig: Rig, recording: Recording) -> bool:
    """Whether anything is measured between key frames."""
    rates = [camera.rate_hz for camera in rig.cameras]
    return any(rate is not None for rate in (*rates, recording.camera_hz, recording.lidar_hz))


def _job(
    seed: int, stream: int, index: int, recording: Recording, rig: Rig, folder: Path
) -> SceneJob:
    name = scene_name(stream == HELD_OUT_STREAM, index)
    return SceneJob(
        name=name,
        world=f"mim4d-{seed}",
        entropy=(stream, seed, index),
        first_us=EPOCH_US[stream] + index * 1_000_000_000,
        place=placement(SPLITS[stream], index, recording.duration_s),
        recording=recording,
        rig=rig,
        folder=folder,
        rows=folder / "rows" / name,
    )


def _num_workers(workers: int | None, jobs: int) -> int:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}: expected at least 1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(min(workers or cores or 1, jobs), 1)


def _record(
    jobs: list[SceneJob], workers: int, progress: Callable[[int, int], None] | None
) -> SceneCounts:
    """Record all scenes; returns the sums of their counts."""
    total = SceneCounts(0, 0, 0, 0)
    with closing(_run(jobs, workers)) as done:
        for number, counts in enumerate(done, start=1):
            total = total + counts
            if progress is not None:
                progress(number, len(jobs))
    return total


def _run(jobs: list[SceneJob], workers: int) -> Generator[SceneCounts, None, None]:
    """Counts of each scene as it is done, in any order."""
    if workers == 1:
        yield from map(record_scene, jobs)
        return
    compile_kernels()
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_at_interrupt)
    try:
        futures = [pool.submit(record_scene, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise DataError(
            f"one of {workers} worker processes died: for want of memory (ask for fewer), or for "
            'want of `if __name__ == "__main__":` in the script that asks for them'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_at_interrupt() -> None:
    """Let Ctrl-C end a worker at once; by itself it would go on to the next scene."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def compile_kernels() -> None:
    """Record a tiny scene, so that workers find compiled kernels in numba's cache."""
    recording, rig = Recording(1, 500_000, True), usual_rig((SMALLEST_IMAGE, SMALLEST_IMAGE), 8)
    with tempfile.TemporaryDirectory() as name:
        make_folders(Path(name), rig, False)
        record_scene(_job(0, TRAINING_STREAM, 0, recording, rig, Path(name)))


def _write_tables(jobs: list[SceneJob], splits: dict[str, list[str]], rig: Rig, root: Path) -> None:
    """Join the scenes' rows into maps and tables; list the scenes as the official tools want it."""
    parts = [job.rows for job in jobs]
    scenes_of = write_town_maps([job.place for job in jobs], parts, root / "maps")
    towns = [
        Town(location, f"maps/{location}.png", tuple(jobs[i].log.token for i in numbers))
        for location, numbers in scenes_of.items()
    ]
    fixed = fixed_tables(rig.modalities, towns)
    join_tables(parts, fixed, root / "tables")
    shutil.rmtree(root / "rows")
    # Custom splits of the official tools: their own names, as `train` and `val` are taken.
    own = {f"mim4d_{name}": scenes for name, scenes in splits.items()}
    (root / "tables" / "splits.json").write_text(json.dumps(own, indent=1) + "\n")


def _made_with(recording: Recording, rig: Rig, seed: int) -> str:
    rates = [
        f"{rate:g} {what} per second" if rate else f"no {what} between key frames"
        for rate, what in ((recording.camera_hz, "images"), (recording.lidar_hz, "sweeps"))
    ]
    sizes = sorted({camera.size_hw for camera in rig.cameras})
    lidar = f"{rig.lidar.azimuths} LiDAR firings per turn and beam" if rig.lidar else "no LiDAR"
    return (
        f"seed {seed}, {recording.samples} samples per scene, one every "
        f"{recording.interval_us * 1e-6:g} s, {rates[0]}, {rates[1]}, images of "
        f"{', '.join(f'{height} x {width}' for height, width in sizes)} (rows x columns), "
        f"{lidar}, shadows {'on' if recording.shadows else 'off'}"
    )
