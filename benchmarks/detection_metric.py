"""Time and memory of the detection score: a submission of 300 boxes for each of 6,019 samples.

    python benchmarks/detection_metric.py [--samples 6019] [--boxes 300] [--devkit PYTHON]
        [--devkit-samples 1000]

Makes tables and a submission of random boxes (a third of them near true ones) in a temporary
folder, scores them with `mim4d evaluate`'s own functions in a process of its own, and prints its
processor seconds, peak memory and NDS. `--devkit` names the interpreter of an environment with the
official nuscenes-devkit, such as `make devkit-check` leaves in .venv-devkit: it scores the same
files, or with `--devkit-samples` both score a smaller submission first. Both NDS must agree.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mim4d.evaluation.detection.submission_file import box_records

Row = dict[str, Any]
TRUE_BOXES = 30
CLASSES = {
    "car": ("vehicle.car", "vehicle.moving"),
    "truck": ("vehicle.truck", "vehicle.parked"),
    "bus": ("vehicle.bus.rigid", "vehicle.moving"),
    "trailer": ("vehicle.trailer", "vehicle.parked"),
    "construction_vehicle": ("vehicle.construction", "vehicle.parked"),
    "pedestrian": ("human.pedestrian.adult", "pedestrian.moving"),
    "motorcycle": ("vehicle.motorcycle", "cycle.with_rider"),
    "bicycle": ("vehicle.bicycle", "cycle.without_rider"),
    "traffic_cone": ("movable_object.trafficcone", ""),
    "barrier": ("movable_object.barrier", ""),
}
NAMES = tuple(CLASSES)
ATTRIBUTES = sorted({attribute for _, attribute in CLASSES.values() if attribute})
PER_SCENE = 41


def make(folder: Path, samples: int, boxes: int) -> None:
    """Tables of a validation split and a submission."""
    rng = np.random.default_rng(0)
    version = folder / "v1.0-trainval"
    version.mkdir(parents=True)
    rows: dict[str, list[Row]] = {name: [] for name in ("sample", "sample_data", "ego_pose")}
    annotations, instances, results = [], [], {}
    official = [f"scene-{number:04d}" for number in official_val()]
    scenes = -(-samples // PER_SCENE)
    for s in range(samples):
        scene, token = s // PER_SCENE, f"s{s}"
        last = s == samples - 1 or s % PER_SCENE == PER_SCENE - 1
        sample = {"token": token, "timestamp": 1_500_000_000_000_000 + s * 500_000}
        sample |= {"scene_token": f"c{scene}", "prev": "" if s % PER_SCENE == 0 else f"s{s - 1}"}
        rows["sample"].append(sample | {"next": "" if last else f"s{s + 1}"})
        ego = rng.uniform(0, 2000, 2)
        pose = {"token": f"p{s}", "timestamp": sample["timestamp"], "rotation": [1, 0, 0, 0]}
        rows["ego_pose"].append(pose | {"translation": [*ego.tolist(), 0.0]})
        for channel in ("LIDAR_TOP", "CAM_FRONT"):
            rows["sample_data"].append(
                {
                    "token": f"d{channel}{s}",
                    "sample_token": token,
                    "ego_pose_token": f"p{s}",
                    "calibrated_sensor_token": f"k{channel}",
                    "timestamp": sample["timestamp"],
                    "is_key_frame": True,
                    "fileformat": "bin",
                    "height": 0,
                    "width": 0,
                    "filename": f"{channel}/{s}.bin",
                    "prev": "",
                    "next": "",
                }
            )
        kinds = rng.integers(0, 10, TRUE_BOXES)
        centres = ego + rng.uniform(-45, 45, (TRUE_BOXES, 2))
        for i, (kind, centre) in enumerate(zip(kinds, centres, strict=True)):
            annotations.append(_annotation(s, i, NAMES[kind], centre, rng))
            category = f"g{CLASSES[NAMES[kind]][0]}"
            instances.append({"token": f"i{s}_{i}", "category_token": category})
        near = rng.integers(0, TRUE_BOXES, boxes)
        found = np.where(
            (np.arange(boxes) % 3 == 0)[:, None],
            centres[near] + rng.normal(0, 1, (boxes, 2)),
            ego + rng.uniform(-45, 45, (boxes, 2)),
        )
        results[token] = _predictions(token, [NAMES[kind] for kind in kinds[near]], found, rng)
    tables = _fixed_tables(scenes, samples, official) | rows
    tables |= {"sample_annotation": annotations, "instance": instances}
    for name, content in tables.items():
        (version / f"{name}.json").write_bytes(orjson.dumps(content))
    meta = {f"use_{kind}": kind == "camera" for kind in ("camera", "lidar", "radar", "map")}
    submission = {"meta": meta | {"use_external": False}, "results": results}
    (folder / "submission.json").write_bytes(orjson.dumps(submission))


def official_val() -> list[int]:
    """Numbers of nuScenes' 150 validation scenes, in rising order."""
    from mim4d.data.splits import official_splits

    return sorted(int(name.removeprefix("scene-")) for name in official_splits()["val"])


def _annotation(s: int, i: int, name: str, centre: np.ndarray, rng: np.random.Generator) -> Row:
    attribute = CLASSES[name][1]
    return {
        "token": f"a{s}_{i}",
        "sample_token": f"s{s}",
        "instance_token": f"i{s}_{i}",
        "visibility_token": str(rng.integers(1, 5)),
        "attribute_tokens": [f"t{attribute}"] if attribute else [],
        "translation": [*centre.tolist(), 1.0],
        "size": rng.uniform(0.5, 4, 3).tolist(),
        "rotation": _quaternion(rng),
        "num_lidar_pts": int(rng.integers(0, 50)),
        "num_radar_pts": 0,
        "prev": "",
        "next": "",
    }


def _predictions(
    token: str, names: list[str], centres: np.ndarray, rng: np.random.Generator
) -> list[Row]:
    """What a detector says of a sample: random sizes, headings, velocities and scores."""
    count = len(names)
    half = rng.uniform(-np.pi, np.pi, count) / 2
    rotations = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    return box_records(
        token,
        np.concatenate([centres, np.ones((count, 1))], axis=1).tolist(),
        rng.uniform(0.5, 4, (count, 3)).tolist(),
        rotations.tolist(),
        rng.normal(0, 2, (count, 2)).tolist(),
        names,
        rng.uniform(size=count).tolist(),
        [CLASSES[name][1] for name in names],
    )


def _quaternion(rng: np.random.Generator) -> list[float]:
    half = rng.uniform(-np.pi, np.pi) / 2
    return [float(np.cos(half)), 0.0, 0.0, float(np.sin(half))]


def _fixed_tables(scenes: int, samples: int, names: list[str]) -> dict[str, list[Row]]:
    sensors = {"LIDAR_TOP": "lidar", "CAM_FRONT": "camera"}
    level = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
    map_row = {"token": "m", "log_tokens": ["l"], "category": "semantic_prior", "filename": ""}
    return {
        "log": [{"token": "l", "location": "x", "logfile": "", "vehicle": "", "date_captured": ""}],
        "map": [map_row],
        "scene": [
            {
                "token": f"c{k}",
                "name": names[k],
                "log_token": "l",
                "nbr_samples": PER_SCENE,
                "first_sample_token": f"s{k * PER_SCENE}",
                "last_sample_token": f"s{min((k + 1) * PER_SCENE, samples) - 1}",
                "description": "",
            }
            for k in range(scenes)
        ],
        "sensor": [{"token": c, "channel": c, "modality": m} for c, m in sensors.items()],
        "calibrated_sensor": [
            {
                "token": f"k{channel}",
                "sensor_token": channel,
                "translation": [0, 0, 0],
                "rotation": [1, 0, 0, 0],
                "camera_intrinsic": [] if m == "lidar" else np.eye(3).tolist(),
            }
            for channel, m in sensors.items()
        ],
        "category": [{"token": f"g{c}", "name": c, "description": ""} for c, _ in CLASSES.values()],
        "attribute": [{"token": f"t{a}", "name": a, "description": ""} for a in ATTRIBUTES],
        "visibility": [{"token": k, "level": v, "description": ""} for k, v in level.items()],
    }


def ours(folder: Path) -> None:
    """Score with our own functions; prints a JSON line."""
    from mim4d.data.tables.tables import NuscenesTables
    from mim4d.evaluation.detection.predicted_file import evaluate_predictions

    NuscenesTables.open(folder, cache_dir=None)  # the tables' cache is made once for a data set
    start = time.process_time()
    evaluation = evaluate_predictions(folder / "submission.json", folder)
    _report(time.process_time() - start, evaluation.scores.nds)


OFFICIAL = """
import json, resource, sys, time
from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval
folder = sys.argv[1]
nusc = NuScenes("v1.0-trainval", folder, verbose=False)
start = time.process_time()
evaluation = DetectionEval(
    nusc, config_factory("detection_cvpr_2019"), folder + "/submission.json", "val",
    folder + "/official", verbose=False,
)
metrics, _ = evaluation.evaluate()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
seconds = time.process_time() - start
print(json.dumps({"seconds": seconds, "peak_gib": peak, "nds": metrics.nd_score}))
"""


def _report(seconds: float, nds: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "peak_gib": peak, "nds": nds}))


def score(samples: int, boxes: int, devkit: Path | None) -> None:
    """Make files of so many samples, score them with both tools where there are two, print."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, __file__, "--in-folder", name]
        # In a process of its own: what scores must not inherit the memory of what makes.
        making = [*command, "--make", "--samples", str(samples), "--boxes", str(boxes)]
        subprocess.run(making, check=True)
        tools: dict[str, list[str | Path]] = {"mim4d": [*command]}
        if devkit is not None:
            tools["nuscenes-devkit"] = [devkit, "-c", OFFICIAL, name]
        seconds = []
        for tool, scoring in tools.items():
            done = subprocess.run(scoring, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            seconds.append(found["seconds"])
            print(
                f"{samples} samples  {tool:<16} {found['seconds']:8.1f} CPU s  "
                f"{found['peak_gib']:6.2f} GiB   NDS {found['nds']:.10f}",
                flush=True,
            )
        if devkit is not None:
            print(f"{samples} samples  {seconds[1] / seconds[0]:.1f} times as long", flush=True)


def main() -> None:
    """Score as often as is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=6019)
    parser.add_argument("--boxes", type=int, default=300)
    parser.add_argument("--devkit", type=Path, help="interpreter with the official devkit")
    parser.add_argument("--devkit-samples", type=int, help="both tools score only so many samples")
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.in_folder, options.samples, options.boxes)
    elif options.in_folder:
        ours(options.in_folder)
    elif options.devkit and options.devkit_samples:
        score(options.devkit_samples, options.boxes, options.devkit)
        score(options.samples, options.boxes, None)
    else:
        score(options.samples, options.boxes, options.devkit)


if __name__ == "__main__":
    main()
