"""What camera drop-out and jitter in training are worth on a rig never seen.

Trains the preset `demo` as it is and with `augment.camera_drop` and `augment.camera_turn_deg`,
into RUNS/plain_sSEED and RUNS/varied_sSEED; goes on with what was interrupted and keeps what is
finished. Then measures held-out clips of the rig trained on and of another, and prints one table:
mean and standard deviation over seeds of the distances of the direct volume.

    mim4d world OWN --scenes 64 --held-out 12 --image-size 96 160
    mim4d world OTHER --rig examples/rig.yaml --scenes 4 --held-out 12 --seed 29
    python benchmarks/other_rigs.py --data OWN --other OTHER --runs RUNS --seeds 0
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from runs_over_seeds import configured, finished, parser, spread

from mim4d.config import PretrainConfig
from mim4d.config.presets import demo
from mim4d.evaluation import evaluate_run

MEASURES = ("AbsRel", "RMSE m", "log RMSE", "d<1.25", "AbsRel / best without training")
KINDS = {"plain": "as it is", "varied": "cameras dropped and turned"}


def configuration(kind: str, options: argparse.Namespace, seed: int) -> PretrainConfig:
    """The preset of one kind of run."""
    config = configured(demo(), seed, options.steps)
    if kind == "plain":
        return config
    augment = replace(
        config.augment, camera_drop=options.camera_drop, camera_turn_deg=options.camera_turn_deg
    )
    return replace(config, augment=augment)


def measure(run: Path, data: Path, options: argparse.Namespace) -> list[float]:
    """The measures of one run on one data set."""
    found = evaluate_run(run, data, stride=options.stride, max_clips=options.clips, save=False)
    own = found.rows["direct"].errors
    share = own.abs_rel / found.baseline if found.baseline else np.nan
    return [own.abs_rel, own.rmse, own.rmse_log, own.delta_1, share]


def main() -> None:
    made = parser(__doc__.splitlines()[0], stride=8, clips=36)
    made.add_argument("--other", type=Path, required=True, help="data set of a rig never seen")
    made.add_argument("--camera-drop", type=float, default=0.2)
    made.add_argument("--camera-turn-deg", type=float, default=3.0)
    options = made.parse_args()
    print("| rig | training | " + " | ".join(MEASURES) + " |")
    print("|---" * (len(MEASURES) + 2) + "|")
    for rig, data in (("its own", options.data), ("never seen", options.other)):
        for kind, words in KINDS.items():
            rows = []
            for seed in options.seeds:
                run, config = options.runs / f"{kind}_s{seed}", configuration(kind, options, seed)
                if finished(run, config, options.data, only_finished=options.only_finished):
                    rows.append(measure(run, data, options))
            cells = [spread(values) for values in np.array(rows).T]
            print(f"| {rig} | {words} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
