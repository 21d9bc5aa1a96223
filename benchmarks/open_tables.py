"""Seconds and memory that opening tables of nuScenes trainval's size takes, first and warm.

Writes tables of that size (850 scenes, 34 149 samples, 2.6 million `sample_data`, as many
`ego_pose`, 1.2 million annotations; no files) to a temporary folder, then opens them in processes
of their own: once without a cache, then several times with it. Prints seconds and peak memory.

    python benchmarks/open_tables.py [--scale 0.1] [--keep DIR]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SCENES, SAMPLES_PER_SCENE, DATA_PER_SENSOR, OBJECTS_PER_SCENE = 850, 40, 256, 76
CAMERAS = ("FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT", "FRONT_LEFT")
RADARS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK_LEFT", "BACK_RIGHT")
CHANNELS = (
    *(f"CAM_{name}" for name in CAMERAS),
    "LIDAR_TOP",
    *(f"RADAR_{name}" for name in RADARS),
)
LOG = "n015-2018-07-24-11-22-45+0800"
Row = dict[str, Any]


def token(table: int, *index: int) -> str:
    """32 hexadecimal digits, unique for a table and an index."""
    number = 0
    for part in (table, *index):
        number = number * 4096 + part
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def pose(rng: np.random.Generator) -> Row:
    yaw = rng.uniform(-np.pi, np.pi)
    x, y = rng.uniform(0, 2000, 2)
    return {
        "translation": [round(x, 9), round(y, 9), 0.0],
        "rotation": [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))],
    }


def fixed(scenes: int) -> dict[str, list[Row]]:
    """Tables of a row per scene, sensor or class."""
    modality = {"C": "camera", "L": "lidar", "R": "radar"}
    rng = np.random.default_rng(0)
    camera = [[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]]
    return {
        "log": [{"token": token(1, s), "location": "boston-seaport"} for s in range(scenes)],
        "scene": [
            {
                "token": token(2, s),
                "name": f"scene-{s + 1:04d}",
                "log_token": token(1, s),
                "first_sample_token": token(3, s, 0),
                "last_sample_token": token(3, s, SAMPLES_PER_SCENE - 1),
            }
            for s in range(scenes)
        ],
        "sensor": [
            {"token": token(4, c), "channel": name, "modality": modality[name[0]]}
            for c, name in enumerate(CHANNELS)
        ],
        "calibrated_sensor": [
            {
                "token": token(5, s, c),
                "sensor_token": token(4, c),
                **pose(rng),
                "camera_intrinsic": camera if name[0] == "C" else [],
            }
            for s in range(scenes)
            for c, name in enumerate(CHANNELS)
        ],
        "category": [{"token": token(6, k), "name": f"class.{k}"} for k in range(23)],
        "attribute": [{"token": token(12, k), "name": f"attribute.{k}"} for k in range(8)],
        "visibility": [{"token": str(k), "level": f"v{k}"} for k in range(1, 5)],
        "instance": [
            {"token": token(7, s, k), "category_token": token(6, k % 23)}
            for s in range(scenes)
            for k in range(OBJECTS_PER_SCENE)
        ],
    }


def samples(scene: int, rng: np.random.Generator) -> Iterator[Row]:
    for i in range(SAMPLES_PER_SCENE):
        yield {
            "token": token(3, scene, i),
            "timestamp": scene * 10**9 + i * 500_000,
            "scene_token": token(2, scene),
            **_links(lambda j: token(3, scene, j), i, SAMPLES_PER_SCENE),
        }


def measurements(scene: int, rng: np.random.Generator) -> Iterator[Row]:
    every = DATA_PER_SENSOR / SAMPLES_PER_SCENE
    for c, name in enumerate(CHANNELS):
        kind, ending = ("sweeps", "jpg" if name[0] == "C" else "pcd.bin")
        for i in range(DATA_PER_SENSOR):
            time_us = scene * 10**9 + i * 20_000_000 // DATA_PER_SENSOR
            yield {
                "token": token(8, scene, c, i),
                "sample_token": token(3, scene, min(int(i / every), SAMPLES_PER_SCENE - 1)),
                "ego_pose_token": token(9, scene, c, i),
                "calibrated_sensor_token": token(5, scene, c),
                "timestamp": time_us,
                "fileformat": "jpg",
                "is_key_frame": i % 6 == 0,
                "height": 900,
                "width": 1600,
                "filename": f"{kind}/{name}/{LOG}__{name}__{time_us}.{ending}",
                **_links(partial(token, 8, scene, c), i, DATA_PER_SENSOR),
            }


def ego_poses(scene: int, rng: np.random.Generator) -> Iterator[Row]:
    for c in range(len(CHANNELS)):
        for i in range(DATA_PER_SENSOR):
            time_us = scene * 10**9 + i * 20_000_000 // DATA_PER_SENSOR
            yield {"token": token(9, scene, c, i), "timestamp": time_us, **pose(rng)}


def annotations(scene: int, rng: np.random.Generator) -> Iterator[Row]:
    for k in range(OBJECTS_PER_SCENE):
        for i in range(k % 22, k % 22 + 18):
            yield {
                "token": token(10, scene, k, i),
                "sample_token": token(3, scene, i),
                "instance_token": token(7, scene, k),
                "visibility_token": "4",
                "attribute_tokens": [token(12, k % 8)],
                **pose(rng),
                "size": [1.9, 4.6, 1.7],
                "prev": "",
                "next": "",
                "num_lidar_pts": 12,
                "num_radar_pts": 1,
            }


def _links(name: Callable[[int], str], i: int, count: int) -> Row:
    return {"prev": name(i - 1) if i else "", "next": name(i + 1) if i + 1 < count else ""}


def write_tables(root: Path, scale: float) -> dict[str, int]:
    """Write the tables; returns the number of rows of the large ones."""
    scenes = max(1, round(SCENES * scale))
    folder = root / "v1.0-trainval"
    folder.mkdir(parents=True)
    for name, rows in fixed(scenes).items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    large = {
        "sample": samples,
        "sample_data": measurements,
        "ego_pose": ego_poses,
        "sample_annotation": annotations,
    }
    counts = {}
    for name, rows_of_scene in large.items():
        rng, count = np.random.default_rng(1), 0
        with (folder / f"{name}.json").open("w") as file:
            for scene in range(scenes):
                texts = [json.dumps(row) for row in rows_of_scene(scene, rng)]
                file.write(("[\n" if scene == 0 else ",\n") + ",\n".join(texts))
                count += len(texts)
            file.write("\n]\n")
        counts[name] = count
    return counts


def measure(root: Path, cache: Path) -> tuple[float, float]:
    """Seconds and peak GiB of opening in a process of its own (imports not counted)."""
    command = [sys.executable, __file__, "--open", str(root), "--cache", str(cache)]
    seconds, gib = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    return float(seconds), float(gib)


def open_once(root: Path, cache: Path) -> None:
    """What `measure` runs: open, look up a clip's worth of records, print seconds and GiB."""
    from mim4d.data.tables.tables import NuscenesTables

    started = time.perf_counter()
    tables = NuscenesTables.open(root, cache_dir=cache)
    for scene in range(0, len(tables.scene_names), 100):
        tables.global_from_ego(tables.data_of_scene(scene, "CAM_FRONT"))
        for sample in tables.samples_of_scene(scene):
            tables.annotations_of_sample(int(sample))
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of trainval's size")
    parser.add_argument("--keep", type=Path, help="folder to write the tables to and keep them")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        open_once(options.open, options.cache)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = options.keep or Path(temporary) / "tables"
        if not root.exists():
            print(write_tables(root, options.scale), flush=True)
        cache = Path(temporary) / "cache"
        print("first: {:.1f} s, {:.1f} GiB".format(*measure(root, cache)), flush=True)
        for _ in range(3):
            print("warm: {:.2f} s, {:.2f} GiB".format(*measure(root, cache)), flush=True)


if __name__ == "__main__":
    main()
