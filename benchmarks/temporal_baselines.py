"""The temporal decoder beside its baselines, each trained equally long, over several seeds.

Trains the preset `demo` with every `--temporal.decoder` (attention, copy, mean) and every seed into
RUNS/DECODER_sSEED, goes on with what was interrupted and keeps what is finished. Then measures the
rebuilt frame of held-out clips, on all rays and on those that hit moving objects, and prints one
table: mean and standard deviation over seeds, and the ratio to each baseline of the same seed.

    mim4d world WORLD --scenes 64 --held-out 12 --image-size 96 160
    python benchmarks/temporal_baselines.py --data WORLD --runs RUNS [--only-finished]
"""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from runs_over_seeds import configured, finished, parser, spread

from mim4d.evaluation import Evaluation, evaluate_run
from mim4d.files import write_text
from mim4d.presets import demo

METHOD, BASELINES = "attention", ("copy", "mean")
DECODERS = (METHOD, *BASELINES)
MEASURES = ("all rays", "moving objects", "all rays, scaled", "moving objects, scaled")
Numbers = dict[str, float]


def measure(run: Path, options: argparse.Namespace) -> tuple[Numbers, Evaluation]:
    """AbsRel of the rebuilt frame by measure."""
    evaluation = evaluate_run(
        run,
        options.data,
        stride=options.stride,
        max_clips=options.clips,
        baselines=False,
        save=False,
    )
    row = evaluation.rows["rebuilt"]
    metric, scaled = row.metric, row.median_scaled
    numbers = {
        "all rays": row.abs_rel,
        "moving objects": np.nan if metric.moving is None else metric.moving.abs_rel,
        "all rays, scaled": scaled.everywhere.over_pixels.abs_rel,
        "moving objects, scaled": np.nan if scaled.moving is None else scaled.moving.abs_rel,
    }
    return numbers, evaluation


def table(found: dict[tuple[str, int], Numbers]) -> str:
    """A Markdown table: each decoder by measure, then ratios paired by seed."""
    lines = ["| AbsRel of the rebuilt frame | " + " | ".join(MEASURES) + " | seeds |"]
    lines.append("|---" * (len(MEASURES) + 2) + "|")
    for decoder in DECODERS:
        seeds = [seed for name, seed in found if name == decoder]
        cells = [spread([found[decoder, seed][m] for seed in seeds]) for m in MEASURES]
        lines.append(f"| {decoder} | {' | '.join(cells)} | {_list(seeds)} |")
    for other in BASELINES:
        seeds = [seed for name, seed in found if name == METHOD and (other, seed) in found]
        cells = [
            spread([found[METHOD, seed][m] / found[other, seed][m] for seed in seeds])
            for m in MEASURES
        ]
        lines.append(f"| {METHOD} / {other}, same seed | {' | '.join(cells)} | {_list(seeds)} |")
    return "\n".join(lines)


def _list(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def save(path: Path, found: dict[tuple[str, int], Numbers], evaluations: list[Evaluation]) -> None:
    """All numbers and what they were measured on."""
    first = evaluations[0]
    content = {
        "scenes": first.scenes,
        "num_clips": first.num_clips,
        "held_out": first.held_out,
        "runs": {
            f"{decoder}_s{seed}": {**numbers, "rebuilt": asdict(e.rows["rebuilt"])}
            for ((decoder, seed), numbers), e in zip(found.items(), evaluations, strict=True)
        },
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def main() -> None:
    options = parser(__doc__.splitlines()[0], stride=8, clips=36).parse_args()
    found: dict[tuple[str, int], Numbers] = {}
    evaluations = []
    for seed in options.seeds:
        for decoder in DECODERS:
            run = options.runs / f"{decoder}_s{seed}"
            config = configured(demo(), seed, options.steps)
            config = replace(config, temporal=replace(config.temporal, decoder=decoder))
            if not finished(run, config, options.data, only_finished=options.only_finished):
                continue
            numbers, evaluation = measure(run, options)
            found[decoder, seed] = numbers
            evaluations.append(evaluation)
            print(f"{run.name}: {numbers}", file=sys.stderr, flush=True)
    if not found:
        sys.exit(f"{options.runs}: no finished run")
    row = evaluations[0].rows["rebuilt"]
    moving = 0 if row.metric.moving is None else row.metric.moving.num_pixels
    print(table(found))
    print(
        f"\n{evaluations[0].num_clips} clips of {len(evaluations[0].scenes)} scenes (held out: "
        f"{evaluations[0].held_out}), {row.errors.num_pixels} rays, {moving} of them on what moves "
        f"({evaluations[0].moving_by}); truth: {evaluations[0].truth}"
    )
    if options.json is not None:
        save(options.json, found, evaluations)


if __name__ == "__main__":
    main()
