"""False alarms and planted faults of `mim4d check`, on worlds that are made for it.

    python benchmarks/check_trials.py WORKDIR [--worlds 40] [--first-seed 500] [--real DATA]
        [--faults NAMES...]

Every world is checked as it is, with and without its boxes, and with every planted fault that it
can have, without boxes. What is printed: each warning about a clean world (there should be none
that is not true), and of each fault in how many worlds it was found. Worlds stay in WORKDIR and are
used again. `--real` names data that are checked as they are too.
"""

import argparse
import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from drawn_rigs import draw_rig
from planted_faults import FAULTS

from mim4d.check.check_data import check_data
from mim4d.cli.world_rig import read_world_rig
from mim4d.world.generate import generate_world

KINDS: list[dict[str, Any]] = [
    {"image_hw": (96, 160), "lidar_azimuths": 540},
    {"image_hw": (128, 224), "lidar_azimuths": 360, "keyframe_interval_s": 0.25},
    {"image_hw": (256, 448), "lidar_azimuths": 1080},
    {"image_hw": (96, 160), "lidar_azimuths": 720, "keyframe_interval_s": 1.0},
]
INTERVALS_S = (0.5, 0.5, 0.25, 1.0)


def make(folder: Path, seed: int) -> Path:
    """A small world, unless it is there: every fifth of the usual rig, the others of drawn ones."""
    number = seed % 100  # with which kinds go round
    root = folder / f"world-{seed}"
    if root.exists():
        return root
    if number % 5 == 4:
        kind = KINDS[number // 5 % len(KINDS)]
    else:
        words = draw_rig(seed, cameras=1 + number % 8, has_lidar=number % 3 < 2)
        rig = folder / f"rig-{seed}.yaml"
        rig.write_text(yaml.safe_dump(words, sort_keys=False))
        interval_s = INTERVALS_S[number // 8 % len(INTERVALS_S)]
        kind = {"rig": read_world_rig(rig), "keyframe_interval_s": interval_s}
    generate_world(root, scenes=2, held_out=0, seed=seed, samples_per_scene=4, workers=1, **kind)
    return root


def bare(world: Path, root: Path, boxes: bool = False) -> Path:
    """A copy of the tables, with or without boxes; images and sweeps are linked."""
    shutil.rmtree(root, ignore_errors=True)
    tables = next(world.glob("*/sample.json")).parent
    shutil.copytree(tables, root / tables.name)
    for name in ("samples", "sweeps", "maps"):
        if (world / name).exists():
            (root / name).symlink_to((world / name).absolute())
    for name in () if boxes else ("sample_annotation", "instance"):
        (root / tables.name / f"{name}.json").write_text("[]")
    return root


def warnings_of(root: Path) -> dict[str, str]:
    """What is worse than a remark, by code."""
    findings = check_data(root).findings
    return {f.rule.code: f.places[0].found for f in findings if f.rule.severity != "remark"}


def main() -> None:
    """Make, check, plant, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=500)
    parser.add_argument("--faults", nargs="*", default=["all"], help="their names begin so")
    parser.add_argument("--real", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    given.workdir.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(dir=given.workdir)) / "copy"
    wanted = [n for n in FAULTS if "all" in given.faults or n.startswith(tuple(given.faults))]
    alarms, checks, had, found = 0, 0, Counter[str](), Counter[str]()
    seeds = range(given.first_seed, given.first_seed + given.worlds)
    worlds = (make(given.workdir, seed) for seed in seeds)
    for world in itertools.chain(given.real, worlds):
        for boxes in (True, False):
            clean = warnings_of(bare(world, copy, boxes))
            alarms, checks = alarms + len(clean), checks + 1
            for code, text in clean.items():
                print(f"{world.name}, {'with' if boxes else 'without'} boxes: {code}: {text}")
        for name in wanted if world not in given.real else ():
            root = bare(world, copy)
            if not FAULTS[name].plant(root):
                continue
            had[name] += 1
            codes = warnings_of(root).keys()
            found[name] += bool(FAULTS[name].codes & codes)
            if not FAULTS[name].codes & codes:
                print(f"{world.name}: missed: {name} ({', '.join(codes) or 'nothing said'})")
        print(f"{world.name}: {alarms} warnings in {checks} clean checks so far", flush=True)
    shutil.rmtree(copy.parent)
    print("\n| fault | found | of |\n|---|---|---|")
    print("\n".join(f"| {name} | {found[name]} | {had[name]} |" for name in wanted))


if __name__ == "__main__":
    main()
