"""The demo: make a world, pre-train on it, evaluate on held-out scenes, draw and report.

Every part that is already there and whole is kept, so that the demo can be interrupted at any time
and started again.
"""

import json
import logging
import math
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mim4d.cli.console import Counter, counting
from mim4d.config import PretrainConfig
from mim4d.config.presets import demo
from mim4d.data.tables.dataset_folder import read_split
from mim4d.evaluation import Evaluation, evaluate_run
from mim4d.files import read_json, write_text
from mim4d.runs.metrics_file import read_metrics
from mim4d.runs.record import read_record
from mim4d.training.memory import peak_bytes
from mim4d.training.train_once import refuse_another_run, train_unless_finished
from mim4d.viz.page import Picture
from mim4d.viz.rendering import render_run
from mim4d.viz.run_report import write_report
from mim4d.viz.strip import Strip, render_strips
from mim4d.viz.video import render_video
from mim4d.world.generate import generate_world

logger = logging.getLogger(__name__)

SAMPLES_PER_SCENE = 8
EVALUATED_PER_SCENE = 3
EVALUATION_STRIDE = 8
PICTURES, DETAILED = 6, 1
RENDER_STRIDE, FILM_STEPS = 3, 6

Settings = dict[str, int | list[int]]


def run_demo(out: Path, scenes: int, held_out: int, seed: int, steps: int | None) -> None:
    """Run the demo and leave OUT/world, OUT/run and OUT/report.html.

    Args:
        out: Folder for everything.
        scenes: Training scenes.
        held_out: Held-out scenes.
        seed: Seed of the world and of the training.
        steps: Optimiser steps; None takes the preset's.

    Raises:
        ValueError: If the folder holds a world or a run made with other settings.
        ImportError: If an extra (`world` or `viz`) is not installed.
    """
    config = replace(demo(), seed=seed)
    if steps is not None:
        config = replace(config, optim=replace(config.optim, steps=steps))
    world, run, report = out / "world", out / "run", out / "report.html"
    if scenes < 1 or held_out < 1:
        raise ValueError(f"scenes={scenes}, held_out={held_out}: the demo needs at least 1 of each")
    _announce(config, out, scenes, held_out)
    seconds: dict[str, float] = {}
    with _timed("1/4 world", seconds):
        _make_world(config, world, out / "world.json", scenes, held_out, seed)
    with _timed("2/4 pre-training", seconds):
        _train(config, world, run)
    with _timed("3/4 evaluation", seconds), counting("evaluate", "clip") as progress:
        evaluation = evaluate_run(
            run,
            world,
            stride=EVALUATION_STRIDE,
            max_clips=EVALUATED_PER_SCENE * held_out,
            progress=progress,
        )
    with _timed("4/4 pictures and report", seconds):
        pictures = _draw(run, world)
        facts = _run_facts(config, run, evaluation)
        commands = _commands(world, run)
        write_report(report, run, evaluation, pictures, facts, commands, ABOUT_PICTURES)
    _conclude(evaluation, out, seconds)


def _draw(run: Path, world: Path) -> list[Picture]:
    """The pictures of the report, drawn into RUN/renders."""
    out = run / "renders"
    with counting("draw", "clip") as progress:
        strips = render_strips(
            run, world, out, clips=PICTURES, stride=RENDER_STRIDE, progress=progress
        )
    with counting("film", "picture") as progress:
        film = render_video(
            run,
            world,
            out / "film.webp",
            stride=RENDER_STRIDE,
            steps=FILM_STEPS,
            progress=progress,
        )
    details = render_run(
        run, world, out, clips=DETAILED, stride=RENDER_STRIDE, version=None, device="auto"
    )
    return [
        *strip_pictures(strips),
        Picture(film, FILM_CAPTION),
        *(Picture(path, picture_caption(path)) for path in details),
    ]


def _announce(config: PretrainConfig, out: Path, scenes: int, held_out: int) -> None:
    default = demo().optim.steps
    minutes = max(1, round(6 * config.optim.steps / default))
    logger.info(
        "The demo leaves everything in %s. On two cores:\n"
        "  1/4 make a synthetic world of %d + %d held-out scenes (2 min for 64 + 12; "
        "the first scene is slow: its code is compiled once)\n"
        "  2/4 pre-train the preset %r for %d steps (%d min)\n"
        "  3/4 measure its distance error on the held-out scenes (1 min)\n"
        "  4/4 draw held-out clips and write the report (1 min)\n"
        "Stop it at any time; the same command continues where it stopped.",
        *(out, scenes, held_out, config.preset, config.optim.steps, minutes),
    )


@contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    logger.info("\n%s", name)
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
    logger.info("%s: %.0f s", name, seconds[name])


def _make_world(
    config: PretrainConfig, world: Path, settings_file: Path, scenes: int, held_out: int, seed: int
) -> None:
    """Make the world, unless the same one is there; a world appears whole or not at all."""
    image_hw = (config.clip.image_height, config.clip.image_width)
    settings: Settings = {
        "scenes": scenes,
        "held_out": held_out,
        "seed": seed,
        "samples_per_scene": SAMPLES_PER_SCENE,
        "image_hw": list(image_hw),
    }
    if world.exists():
        found = read_json(settings_file) if settings_file.is_file() else None
        if found != settings:
            raise ValueError(
                f"{world}: was made with other settings ({found or 'not recorded'}) than asked for "
                f"now ({settings}); choose another folder for the demo, or remove {world.parent}"
            )
        logger.info("%s already exists and is reused", world)
        return
    world.parent.mkdir(parents=True, exist_ok=True)
    write_text(settings_file, json.dumps(settings) + "\n")
    with Counter("world", "scene") as counter:
        generate_world(
            world,
            scenes=scenes,
            held_out=held_out,
            seed=seed,
            samples_per_scene=SAMPLES_PER_SCENE,
            image_hw=image_hw,
            progress=counter.update,
        )


def _train(config: PretrainConfig, world: Path, run: Path) -> None:
    """Train, go on with an unfinished run, or keep a finished one."""
    refuse_another_run(config, run)
    there = (run / "config.json").is_file()
    if there and read_record(run)["training_scenes"] != sorted(read_split(world, "train") or []):
        raise ValueError(f"{run}: was trained on another world than {world}; remove {run}")
    train_unless_finished(config, world, run)


ABOUT_PICTURES = (
    "Held-out clips, evenly spread, so that nobody chose them for their looks; then one in motion, "
    "and one in detail. Grey: unknown, or beyond the grid."
)


def strip_pictures(strips: list[Strip]) -> list[Picture]:
    """Each strip with its own error and its place among the others."""
    ranked = sorted(strip.abs_rel for strip in strips if not math.isnan(strip.abs_rel))
    return [Picture(strip.path, _strip_caption(strip, ranked)) for strip in strips]


def _strip_caption(strip: Strip, ranked: list[float]) -> str:
    seen = "Rendered from the volume of the frame's own images"
    if math.isnan(strip.abs_rel):
        return f"{strip.scene}: no true distance is known here. {seen}."
    rank, last = ranked.index(strip.abs_rel), len(ranked) - 1
    place = {last: "the worst", 0: "the best"}.get(rank, f"number {rank + 1} from the best")
    return (
        f"{strip.scene}: rendered distances are off by {strip.abs_rel:.0%} of the distance on "
        f"average ({place} of these {len(ranked)}). {seen}; truth: {strip.truth_name}."
    )


FILM_CAPTION = (
    "One held-out clip in motion: the volume of its middle frame, seen along the clip's own path, "
    "and from 1 m to the left of it. Near things should shift against far ones."
)


def picture_caption(path: Path) -> str:
    """What is to be seen in a detailed picture of a clip, by the name of its file."""
    scene = path.stem.removesuffix("-flow").partition("-")[2]
    if path.stem.endswith("-flow"):
        return (
            f"Moving objects in {scene}, seen from above: predicted velocities beside true ones. "
            "The hue is the direction, its strength the speed; the car's own motion is removed, so "
            "static things should have no colour."
        )
    return (
        f"One clip of {scene} in detail. Compare the rows of distances with the truth above them: "
        "edges of cars and houses should stand at the right place and in the right colour. The "
        "rebuilt frame comes from the frames before and after it, so moving objects are blurred. "
        "The last rows start from the masked input: the model has to guess what grey patches hide."
    )


def _run_facts(config: PretrainConfig, run: Path, evaluation: Evaluation) -> dict[str, str]:
    record = read_record(run)
    metrics = read_metrics(run)
    total = float(metrics["seconds"].sum())
    packages = record["packages"]
    alone = config.depth_alone_steps
    of_them = f", {alone} of them of depth alone from single frames," if alone else ""
    return {
        "training": (
            f"{config.optim.steps} steps of {config.optim.batch_size} clip(s){of_them} in "
            f"{total / 60:.1f} minutes ({total / len(metrics['seconds']):.2f} s a step), "
            "from random weights"
        ),
        "preset": f"{config.preset}, seed {config.seed}, {config.precision}",
        "input": (
            f"{config.clip.frames} frames, images of {config.clip.image_height} × "
            f"{config.clip.image_width}, {config.mask.ratio:.0%} of the patches hidden"
        ),
        "voxel grid": " × ".join(map(str, config.grid.shape_xyz)) + " voxels (x, y, z)",
        "training scenes": str(len(record["training_scenes"])),
        "held-out scenes": ", ".join(evaluation.scenes),
        "started": record["started"],
        "command": " ".join(record["command"]),
        "versions": (
            f"mim4d {record['mim4d']} ({record['commit'] or 'no commit'}), Python "
            f"{record['python']}, " + ", ".join(f"{k} {v}" for k, v in packages.items() if v)
        ),
        "memory": f"at most {_peak_gib():.1f} GiB in any one process",
        "machine": f"{record['platform']} ({platform.machine()})",
    }


def _peak_gib() -> float:
    """Largest memory so far of this process or of any that it has started."""
    return peak_bytes(with_children=True) / 2**30


def _commands(world: Path, run: Path) -> list[tuple[str, str]]:
    steps = 10 * demo().optim.steps
    return [
        ("Look at the data", f"mim4d view {world} --out view.png"),
        ("Draw more held-out clips", f"mim4d render {run} --data {world} --clips 8"),
        ("Measure again, on every held-out clip", f"mim4d evaluate {run} --data {world}"),
        (
            "Train longer on the same world",
            f"mim4d pretrain demo --data {world} --out runs/longer --optim.steps {steps}",
        ),
        ("Use the encoder (Python)", f'import mim4d; encoder = mim4d.load_encoder("{run}")'),
        ("Your own data in the nuScenes format", "mim4d pretrain demo --data DIR --out runs/mine"),
    ]


def _conclude(evaluation: Evaluation, out: Path, seconds: dict[str, float]) -> None:
    times = ", ".join(f"{name.split(' ', 1)[1]} {value:.0f} s" for name, value in seconds.items())
    logger.info("\n%s\n", evaluation.table())
    logger.info(
        "\nreport    %s\npictures  %s\nrun       %s\n"
        "time      %s (%.1f min in all)\nmemory    %.1f GiB",
        *(out / "report.html", out / "run" / "renders", out / "run", times),
        *(sum(seconds.values()) / 60, _peak_gib()),
    )
