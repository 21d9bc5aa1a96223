"""Distances learned without LiDAR, beside what needs no learning, over several seeds.

Trains the preset `demo_no_lidar` with every seed into RUNS/free_sSEED, goes on with what was
interrupted and keeps what is finished. Then measures held-out clips and prints one table: mean and
standard deviation over seeds of every row, and of the ratios that say what the images taught.

    mim4d world WORLD --scenes 64 --held-out 12 --image-size 96 160
    python benchmarks/lidar_free.py --data WORLD --runs RUNS [--only-finished]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from runs_over_seeds import configured, finished, parser, spread

from mim4d.config.presets import demo_no_lidar
from mim4d.evaluation import Evaluation, evaluate_run
from mim4d.evaluation.table import ROW_NAMES
from mim4d.files import write_text

MEASURES = ("AbsRel, scaled", "AbsRel, metric", "RMSE m", "d<1.25")
OWN, REFERENCES = "direct", ("untrained", "flat_ground", "pixel_mean", "pixel_median")
Numbers = dict[str, list[float]]


def measure(run: Path, options: argparse.Namespace) -> tuple[Numbers, Evaluation]:
    """The measures of every row of one run's evaluation."""
    evaluation = evaluate_run(
        run, options.data, stride=options.stride, max_clips=options.clips, save=False
    )
    numbers = {}
    for name, row in evaluation.rows.items():
        scaled = row.median_scaled.everywhere.over_pixels.abs_rel
        numbers[name] = [scaled, row.errors.abs_rel, row.errors.rmse, row.errors.delta_1]
    return numbers, evaluation


def table(found: list[Numbers]) -> str:
    """A Markdown table: every row by measure, then the run's AbsRel as a share of the others'."""
    lines = ["| distance | " + " | ".join(MEASURES) + " |", "|---" * (len(MEASURES) + 1) + "|"]
    for name in found[0]:
        cells = [spread(v) for v in np.array([numbers[name] for numbers in found]).T]
        lines.append(f"| {ROW_NAMES[name]} | {' | '.join(cells)} |")
    for other in REFERENCES:
        if other in found[0]:
            ratios = [np.divide(n[OWN][:2], n[other][:2]) for n in found]
            cells = [*map(spread, np.array(ratios).T), "", ""]
            lines.append(f"| {ROW_NAMES[OWN]} / {ROW_NAMES[other]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = parser(__doc__.splitlines()[0], stride=8, clips=36).parse_args()
    found: dict[int, Numbers] = {}
    for seed in options.seeds:
        run = options.runs / f"free_s{seed}"
        config = configured(demo_no_lidar(), seed, options.steps)
        if not finished(run, config, options.data, only_finished=options.only_finished):
            continue
        found[seed], evaluation = measure(run, options)
        print(f"{run.name}: {found[seed]}", file=sys.stderr, flush=True)
    if not found:
        sys.exit(f"{options.runs}: no finished run")
    print(table(list(found.values())))
    print(f"\nSeeds {', '.join(map(str, found))}. {' '.join(evaluation.notes())}")
    if options.json is not None:
        write_text(
            options.json, json.dumps({"measures": MEASURES, "seeds": found}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
