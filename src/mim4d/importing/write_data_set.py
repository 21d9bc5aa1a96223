"""Drives to a data set: files linked or rectified, tables written, nothing there before all is.

OUT/v1.0-rig/*.json      the 13 tables
OUT/samples, OUT/sweeps  images of pinhole cameras, sweeps (float32 x, y, z, intensity, ring)
OUT/body_masks/CHANNEL.png    where a camera's images have no picture, or show its own car
OUT/maps/expansion       vector maps, where a drive has one
OUT/truth/distance       exact distances, of synthetic drives only
OUT/splits.json          where scenes are held out
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mim4d.errors import DataError
from mim4d.importing.describe import describe_cameras, readme
from mim4d.importing.hidden import rectifiers, write_masks
from mim4d.importing.key_frames import sample_times
from mim4d.importing.partial_folder import resumed
from mim4d.importing.recording import Recording, distinct_rigs
from mim4d.importing.rectify import Rectifier, View
from mim4d.importing.sanity import check_recording, without_uncovered
from mim4d.importing.summary import ImportSummary
from mim4d.importing.write_scene import SceneJob, SceneWriter, channels_of
from mim4d.writing.map_files import join_scene_maps, write_map_part
from mim4d.writing.tables import fixed_tables, join_tables

VERSION = "v1.0-rig"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportOptions:
    """How a data set is made of drives.

    Attributes:
        keyframe_interval_s: Time between samples.
        scene_s: Longest scene; a longer drive is cut.
        held_out: Share of the scenes, the last ones, that is held out.
        keyframes_only: Leave out what lies between the samples.
        copy: Copy files instead of linking them.
        drop_uncovered: Leave out files that no pose covers, instead of refusing them.
    """

    keyframe_interval_s: float = 0.5
    scene_s: float = 60.0
    held_out: float = 0.0
    keyframes_only: bool = False
    copy: bool = False
    drop_uncovered: bool = False

    def __post_init__(self) -> None:
        if not 0.02 <= self.keyframe_interval_s <= 30:  # what the reader takes for seconds
            raise ValueError(
                f"keyframe_interval_s={self.keyframe_interval_s:g}: expected 0.02 to 30 seconds"
            )
        if self.scene_s < self.keyframe_interval_s:
            raise ValueError(
                f"scene_s={self.scene_s:g}: expected at least the time between keyframes"
            )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out={self.held_out:g}: expected a share from 0 to below 1")


def write_data_set(
    drives: Sequence[Recording],
    out: Path,
    options: ImportOptions,
    progress: Progress | None = None,
) -> ImportSummary:
    """Write a data set; nothing appears under `out` until all of it is there.

    Args:
        drives: What is written, all of one rig.
        out: Root of the data set; must not exist, or be empty.
        options: How.
        progress: Called with the number of files done and of all files.

    Raises:
        DataError: A drive makes no sense, a file cannot be read, or `out` cannot be written.
    """
    started = time.monotonic()
    summary = ImportSummary(out)
    drives = [_checked(drive, options, summary) for drive in drives]
    settings = repr((options, [_fingerprint(drive) for drive in drives]))
    with resumed(out, settings) as partial:
        rigs = distinct_rigs(drives)
        summary.notes += [note for rig in rigs for note in describe_cameras(rig)]
        summary.notes += write_masks(rigs, partial / "body_masks")
        names, parts = _write_scenes(drives, options, partial, summary, progress)
        _write_maps(drives, partial)
        _write_tables(drives, parts, partial)
        if names["val"]:
            (partial / "splits.json").write_text(json.dumps(names, indent=1) + "\n")
        (partial / "README.md").write_text(readme(drives, summary.notes, VERSION))
        shutil.rmtree(partial / "rows")
    summary.seconds = time.monotonic() - started
    return summary


def _checked(drive: Recording, options: ImportOptions, summary: ImportSummary) -> Recording:
    if options.drop_uncovered:
        drive, dropped = without_uncovered(drive)
        if dropped:
            summary.notes.append(f"{drive.name}: {dropped} files without a pose are left out")
    if drive.num_files == 0:
        raise DataError(f"{drive.name}: has neither images nor sweeps")
    check_recording(drive)
    summary.notes += [
        f"{drive.name}: no images of {camera.name}" for camera in drive.cameras if not camera.images
    ]
    return drive


def _fingerprint(drive: Recording) -> object:
    """What the files made of a drive depend on."""
    cameras = [
        (c.name, c.lens, c.size_wh, c.car_from_camera.tolist(), c.views, c.hidden)
        for c in drive.cameras
    ]
    files = hashlib.blake2b()
    for track in (*(c.images for c in drive.cameras), drive.lidar.sweeps if drive.lidar else ()):
        for file in track:
            files.update(f"{file.time_us} {file.path}\n".encode())
    poses = (drive.poses.positions_m[[0, -1]].tolist(), len(drive.poses.times_us))
    lidar = drive.lidar and (drive.lidar.name, drive.lidar.car_from_lidar.tolist())
    return drive.name, cameras, lidar, poses, files.hexdigest()


def _write_scenes(
    drives: Sequence[Recording],
    options: ImportOptions,
    partial: Path,
    summary: ImportSummary,
    progress: Progress | None,
) -> tuple[dict[str, list[str]], list[Path]]:
    """Write files and rows of all scenes; returns the names of the splits and the rows' folders."""
    total = sum(drive.num_files for drive in drives)
    splits: dict[str, list[str]] = {"train": [], "val": []}
    parts: list[Path] = []
    shutil.rmtree(partial / "rows", ignore_errors=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    scenes = [(drive, job) for drive in drives for job in _scene_jobs(drive, options)]
    held_out = max(round(options.held_out * len(scenes)), 1) if options.held_out else 0
    held_out = min(held_out, len(scenes) - 1)
    if options.held_out and not held_out:
        summary.notes.append(
            "one scene, which is not held out: nothing would be left to train on; cut it with "
            "--scene-s, or give several drives"
        )
    done = 0
    with ThreadPoolExecutor(cores) as pool:
        writer = None
        made: dict[str, tuple[tuple[View, ...], list[Rectifier]]] = {}
        for number, (drive, job) in enumerate(scenes):
            if writer is None or writer.drive is not drive:
                for camera in drive.cameras:
                    # Drives of one rig share the views, which are dear to look up.
                    if camera.name not in made or made[camera.name][0] is not camera.views:
                        made[camera.name] = (camera.views, rectifiers(camera))
                own = {name: maker for name, (_, maker) in made.items()}
                writer = SceneWriter(drive, partial, pool, own, copy=options.copy)
            rows = partial / "rows" / job.name
            for _ in writer.write(job, rows, summary):
                done += 1
                if progress is not None:
                    progress(done, total)
            parts.append(rows)
            splits["train" if number < len(scenes) - held_out else "val"].append(job.name)
    summary.scenes = len(parts)
    return splits, parts


def _scene_jobs(drive: Recording, options: ImportOptions) -> list[SceneJob]:
    """The scenes that a drive is cut into: parts of its samples, of nearly equal length."""
    interval_us = round(options.keyframe_interval_s * 1e6)
    samples = sample_times(drive, interval_us)
    longest = max(int(options.scene_s * 1e6 // interval_us), 1)
    count = -(-len(samples) // longest)
    edges = np.linspace(0, len(samples), count + 1).round().astype(int).tolist()
    return [
        SceneJob(
            name=drive.name if count == 1 else f"{drive.name}-{i:04d}",
            samples_us=samples,
            first=edges[i],
            end=edges[i + 1],
            interval_us=interval_us,
            keyframes_only=options.keyframes_only,
        )
        for i in range(count)
    ]


def _write_maps(drives: Sequence[Recording], partial: Path) -> None:
    for drive in drives:
        if (roads := drive.roads) is None:
            continue
        folder = partial / "rows" / f"map-{drive.name}"
        folder.mkdir()
        write_map_part(
            roads.lists,
            {"arcline_path_3": roads.arclines, "connectivity": roads.connectivity},
            folder,
        )
        nodes = [(node["x"], node["y"]) for node in roads.lists["node"]]
        edge = np.max(nodes, axis=0).tolist() if nodes else [1.0, 1.0]
        path = partial / "maps" / "expansion" / f"{drive.location}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        join_scene_maps([folder], (edge[0], edge[1]), path)


def _write_tables(drives: Sequence[Recording], parts: list[Path], partial: Path) -> None:
    categories = sorted({box.category for drive in drives for box in drive.boxes})
    fixed = fixed_tables(channels_of(drives), categories, (), {}, ())
    # The last step: a folder without it is no data set.
    shutil.rmtree(partial / VERSION, ignore_errors=True)
    join_tables(parts, fixed, partial / VERSION)
