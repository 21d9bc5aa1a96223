"""`generate_world`: draw, record and write a synthetic data set in the nuScenes v1.0 format.

    OUT/v1.0-mini/*.json        the 13 tables            OUT/maps/blank.png  (no map layer yet)
    OUT/samples/<channel>/      images (JPEG), sweeps (.pcd.bin: float32 x, y, z, intensity, ring)
    OUT/splits.json             {"train": [scene names], "val": [held-out scene names]}
    OUT/truth/distance/<path of the image>.png   for evaluation only: 16-bit, distance along the ray
                                through the pixel's centre from the camera's centre, in 1/256 m;
                                0 = nothing hit within 255 m

Scenes are independent of each other and of the number of workers: same seed, same bytes. Held-out
scenes come from a stream of seeds of their own.
"""

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from mim4d.world.folder import check_target, finish_folder, make_folders
from mim4d.world.record import SceneJob, record_scene
from mim4d.world.rig import make_cameras
from mim4d.world.tables import VERSION, fixed_tables, join_tables, token

# First number of a scene's seed: the training scenes' and the held-out scenes' never meet.
TRAINING_STREAM, HELD_OUT_STREAM = 1, 2
EPOCH_US = {TRAINING_STREAM: 1_500_000_000_000_000, HELD_OUT_STREAM: 1_400_000_000_000_000}
SMALLEST_IMAGE = 16


@dataclass(frozen=True)
class WorldSummary:
    """What was written.

    Attributes:
        out: Root of the data set.
        training_scenes: Names of the training scenes.
        held_out_scenes: Names of the held-out scenes.
        num_samples: Key frames in all scenes.
        num_images: Images in all scenes.
        num_annotations: Boxes in all samples.
        seconds: Wall-clock time taken.
    """

    out: Path
    training_scenes: tuple[str, ...]
    held_out_scenes: tuple[str, ...]
    num_samples: int
    num_images: int
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
        keyframe_interval_s: Time between key frames, seconds.
        image_hw: Rows and columns of the images.
        lidar_azimuths: LiDAR firings per turn and beam.
        shadows: Whether the sun casts shadows.
        overwrite: Replace a world that `out` already holds.
        workers: Processes; None: as many as this process may use cores. 1: this process alone.
        progress: Called with the number of scenes done and of all scenes.

    Raises:
        ValueError: `out` is not empty and not to be (or not safely) overwritten, or a number is
            out of range.
    """
    started = time.monotonic()
    _check(scenes, held_out, seed, samples_per_scene, keyframe_interval_s, image_hw, lidar_azimuths)
    check_target(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", suffix=".partial", dir=out.parent))
    try:
        partial.chmod(0o755)
        template = SceneJob(
            name="",
            world=f"mim4d-{seed}",
            entropy=(),
            first_us=0,
            samples=samples_per_scene,
            interval_us=round(keyframe_interval_s * 1e6),
            height=image_hw[0],
            width=image_hw[1],
            azimuths=lidar_azimuths,
            shadows=shadows,
            folder=partial,
            rows=partial / "rows",
        )
        training = [_job(template, "train", TRAINING_STREAM, seed, i) for i in range(scenes)]
        reserved = [_job(template, "val", HELD_OUT_STREAM, seed, i) for i in range(held_out)]
        jobs = training + reserved
        make_folders(partial)
        images = annotations = 0
        for done, counts in enumerate(_run(jobs, _num_workers(workers, len(jobs))), start=1):
            images, annotations = images + counts[0], annotations + counts[1]
            if progress is not None:
                progress(done, len(jobs))
        names = {"train": [job.name for job in training], "val": [job.name for job in reserved]}
        logs = [token(job.world, job.name, "log") for job in jobs]
        channels = ("LIDAR_TOP", *(camera.channel for camera in make_cameras(*image_hw)))
        join_tables([job.rows for job in jobs], fixed_tables(channels, logs), partial / VERSION)
        shutil.rmtree(partial / "rows")
        finish_folder(partial, names, _made_with(template, seed, keyframe_interval_s))
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return WorldSummary(
        out=out,
        training_scenes=tuple(names["train"]),
        held_out_scenes=tuple(names["val"]),
        num_samples=len(jobs) * samples_per_scene,
        num_images=images,
        num_annotations=annotations,
        seconds=time.monotonic() - started,
    )


def _check(
    scenes: int,
    held_out: int,
    seed: int,
    samples: int,
    interval_s: float,
    image_hw: tuple[int, int],
    azimuths: int,
) -> None:
    if scenes < 0 or held_out < 0 or scenes + held_out < 1:
        raise ValueError(
            f"scenes={scenes}, held_out={held_out}: expected at least one scene in all"
        )
    if seed < 0:
        raise ValueError(f"seed={seed}: expected 0 or more")
    if samples < 1:
        raise ValueError(f"samples_per_scene={samples}: expected at least 1")
    if not 0.1 <= interval_s <= 10.0:
        raise ValueError(f"keyframe_interval_s={interval_s}: expected 0.1 to 10 seconds")
    if min(image_hw) < SMALLEST_IMAGE:
        raise ValueError(
            f"image_hw={image_hw}: expected at least {SMALLEST_IMAGE} rows and columns"
        )
    if azimuths < 1:
        raise ValueError(f"lidar_azimuths={azimuths}: expected at least 1")


def _job(template: SceneJob, split: str, stream: int, seed: int, index: int) -> SceneJob:
    name = f"scene-{split}-{index:04d}"
    return replace(
        template,
        name=name,
        entropy=(stream, seed, index),
        first_us=EPOCH_US[stream] + index * 1_000_000_000,
        rows=template.rows / name,
    )


def _num_workers(workers: int | None, jobs: int) -> int:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}: expected at least 1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(min(workers or cores or 1, jobs), 1)


def _run(jobs: list[SceneJob], workers: int) -> Iterator[tuple[int, int]]:
    """Counts of each scene as it is done, in any order."""
    if workers == 1:
        yield from map(record_scene, jobs)
        return
    compile_kernels()
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn)
    try:
        futures = [pool.submit(record_scene, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def compile_kernels() -> None:
    """Record a tiny scene, so that workers find compiled kernels in numba's cache."""
    with tempfile.TemporaryDirectory() as name:
        root, size = Path(name), (SMALLEST_IMAGE, SMALLEST_IMAGE)
        make_folders(root)
        record_scene(SceneJob("warm", "", (0,), 0, 1, 500_000, *size, 8, True, root, root / "rows"))


def _made_with(job: SceneJob, seed: int, interval_s: float) -> str:
    return (
        f"seed {seed}, {job.samples} samples per scene, one every {interval_s} s, images of "
        f"{job.height} x {job.width} (rows x columns), {job.azimuths} LiDAR firings per turn and "
        f"beam, shadows {'on' if job.shadows else 'off'}"
    )
