"""Does the official nuScenes devkit open an embedded world, and does it agree with our reader?

The devkit pins old releases of numpy and Shapely, so it gets an environment of its own. This script
makes that environment (`.venv-devkit`) and a small world unless one is given, writes down what our
own reader says of it, and runs `devkit_official.py` there, which reads the same world with the
devkit, compares and draws. Exit status 0: everything agreed.

    make devkit-check          or          python scripts/devkit_check.py [--data DATA] [--out DIR]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mim4d.data.maps.map_names import PolygonLayer
    from mim4d.data.tables.tables import NuscenesTables

HERE = Path(__file__).resolve().parent
DEVKIT = "nuscenes-devkit>=1.2,<1.3"
# Through descartes the devkit draws polygons as only Shapely 1.8 let it, whatever its own pins say.
SHAPELY = "shapely==1.8.5.post1"
SIDE_M = 60.0
LAYERS: "tuple[PolygonLayer, ...]" = ("drivable_area", "ped_crossing", "walkway")


def devkit_python(environment: Path) -> Path:
    """Interpreter of the devkit's environment, which is made where it is missing."""
    python = environment / "bin" / "python"
    if not (environment / "ready").is_file():
        print(f"installing {DEVKIT} into {environment} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, DEVKIT], check=True)
        subprocess.run([*install, "--no-deps", SHAPELY], check=True)
        (environment / "ready").touch()
    return python


def make_world(out: Path) -> None:
    """Three training scenes and a held-out one, with sweeps between the key frames."""
    from mim4d.world.generate import generate_world

    generate_world(
        out,
        scenes=3,
        held_out=1,
        seed=0,
        samples_per_scene=5,
        camera_rate_hz=4.0,
        lidar_rate_hz=10.0,
    )


def our_reading(data: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.bool_]]]:
    """What our reader says: velocities of all boxes, and the map around each scene's start."""
    from mim4d.data.boxes import velocities
    from mim4d.data.tables.tables import NuscenesTables

    tables = NuscenesTables.open(data)
    tokens = tables.column("sample_annotation", "token")
    velocity, valid = velocities(tables, np.arange(len(tokens)))
    reading = {
        "version": tables.version,
        "side_m": SIDE_M,
        "layers": LAYERS,
        "velocity": {
            token.decode(): list(v) if known else None
            for token, v, known in zip(tokens, velocity.tolist(), valid, strict=True)
        },
    }
    return reading, {name: our_map(tables, row) for row, name in enumerate(tables.scene_names)}


def our_map(tables: "NuscenesTables", scene: int) -> NDArray[np.bool_]:
    """Layers of the map around the car at a scene's first sample, in 0.1 m cells, `l y x`."""
    from mim4d.data.maps.map_layers import rasterise
    from mim4d.data.maps.scene_maps import SceneMaps

    first = tables.data_of_scene(scene, "LIDAR_TOP")
    key_frames = first[tables.column("sample_data", "is_key_frame")[first]]
    maps = SceneMaps.open(tables, [scene], (SIDE_M, SIDE_M))
    patch = maps.patch(scene, tables.global_from_ego(key_frames[:1])[0])
    cells = round(SIDE_M / 0.1)
    mask: NDArray[np.bool_] = rasterise(patch, (cells, cells), LAYERS).numpy()
    return mask


def our_scores(data: Path, submission: Path) -> dict[str, Any]:
    """Write moved and turned true boxes as a submission, and score it with our own metric."""
    import torch

    from mim4d.data.splits import SceneChoice
    from mim4d.data.tables.tables import NuscenesTables
    from mim4d.evaluation.detection.predict import GlobalBoxes
    from mim4d.evaluation.detection.predicted_file import evaluate_predictions
    from mim4d.evaluation.detection.truth import read_truth
    from mim4d.evaluation.detection.write_submission import write_submission
    from mim4d.tasks.detection.detections import Detections

    tables, rng = NuscenesTables.open(data), np.random.default_rng(0)
    truth = read_truth(tables, list(range(len(tables))))
    found = []
    for number, token in enumerate(truth.tokens):
        boxes = truth.boxes.take(truth.boxes.samples == number)
        count = len(boxes)
        half = (boxes.yaws_rad + rng.normal(0, 0.3, count)) / 2
        zeros = np.zeros(count)
        said = Detections(
            torch.from_numpy(np.c_[boxes.centres_m, boxes.sizes_m, np.zeros((count, 3))]).float(),
            torch.from_numpy(boxes.classes).long(),
            torch.from_numpy(rng.uniform(0, 1, count)),
            torch.from_numpy(boxes.attributes).long(),
        )
        moved = GlobalBoxes(
            boxes.centres_m + rng.normal(0, [1.0, 1.0, 0.2], (count, 3)),
            np.c_[np.cos(half), zeros, zeros, np.sin(half)],
            np.nan_to_num(boxes.velocities_m_s) + rng.normal(0, 1, (count, 2)),
            said,
        )
        found.append((token, moved))
    write_submission(submission, truth.tokens, found)
    scenes = SceneChoice(names=tuple(tables.scene_names))
    scores = evaluate_predictions(submission, data, scenes=scenes).scores
    return {
        "scenes": list(tables.scene_names),
        "nds": scores.nds,
        "mean_ap": scores.mean_ap,
        "errors": scores.mean_errors.tolist(),
    }


def main() -> None:
    """Prepare both environments and the world, then let the devkit judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="an embedded world; by default a small new one")
    parser.add_argument("--out", type=Path, default=Path("devkit-check"), help="for pictures")
    parser.add_argument("--environment", type=Path, default=Path(".venv-devkit"))
    options = parser.parse_args()
    python = devkit_python(options.environment.absolute())
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.data or options.out / "world"
    if not data.is_dir():
        make_world(data)
    reading, maps = our_reading(data)
    reading["scores"] = our_scores(data, options.out / "submission.json")
    (options.out / "ours.json").write_text(json.dumps(reading))
    arrays: dict[str, Any] = {**maps}  # numpy's stubs take names for its own options
    np.savez_compressed(options.out / "ours_maps.npz", **arrays)
    # The pictures are drawn without a screen.
    official = [python, HERE / "devkit_official.py", data, options.out]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    sys.exit(subprocess.run(official, check=False, env=environment).returncode)


if __name__ == "__main__":
    main()
