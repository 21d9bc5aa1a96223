"""What every command does with its options: import the part it needs, run it, print what it says.

Heavy imports stand inside the functions, so that help and mistakes are answered at once.
"""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mim4d.augment_config import AugmentConfig
from mim4d.config_json import config_to_json
from mim4d.options import (
    Ablate,
    BenchLoad,
    BenchStep,
    Check,
    Demo,
    Evaluate,
    Gallery,
    Pretrain,
    Render,
    ShowConfig,
    View,
    World,
)
from mim4d.options_exchange import Export, ImportOfficial

if TYPE_CHECKING:
    from mim4d.data.splits import SceneChoice


def world(options: World) -> None:
    """`mim4d world`."""
    from mim4d.cli.console import Counter
    from mim4d.world.generate import generate_world

    with Counter("world", "scene") as counter:
        made = generate_world(
            options.out,
            scenes=options.scenes,
            held_out=options.held_out,
            seed=options.seed,
            samples_per_scene=options.samples_per_scene,
            keyframe_interval_s=options.keyframe_interval_s,
            camera_rate_hz=options.camera_rate_hz,
            lidar_rate_hz=options.lidar_rate_hz,
            image_hw=options.image_size,
            lidar_azimuths=options.lidar_azimuths,
            shadows=not options.no_shadows,
            overwrite=options.overwrite,
            workers=options.workers,
            progress=counter.update,
        )
    print(
        f"{made.out}: {len(made.training_scenes)} training and {len(made.held_out_scenes)} "
        f"held-out scenes, {made.num_samples} keyframes, {made.num_images} images, "
        f"{made.num_turns} LiDAR sweeps, {made.num_annotations} boxes, in {made.seconds:.0f} s"
    )


def view(options: View) -> None:
    """`mim4d view`."""
    from mim4d.viz.clip_picture import view_data

    augmentation = None
    if options.augment != AugmentConfig():
        from mim4d.build import build_augmentation

        augmentation = build_augmentation(options.augment)
    view_data(
        options.data,
        options.out,
        index=options.index,
        body_masks=options.body_masks,
        augmentation=augmentation,
        augment_seed=options.augment_seed,
        frames=options.frames,
        frame_interval_s=options.frame_interval_s,
        image_hw=options.image_size,
        lidar=options.lidar,
        version=options.version,
        without=options.without,
    )
    print(options.out)


def gallery(options: Gallery) -> None:
    """`mim4d gallery`."""
    from mim4d.viz.gallery import write_gallery

    for path in write_gallery(
        options.data,
        options.out,
        scenes=options.scenes,
        split=options.split,
        without=options.without,
        lidar=options.lidar,
        version=options.version,
    ):
        print(path)


def pretrain(options: Pretrain) -> None:
    """`mim4d pretrain`."""
    from mim4d.training.loop import pretrain as run_pretraining

    reports = run_pretraining(
        options.config,
        options.data,
        options.out,
        version=options.version,
        resume=options.resume,
        start_from=options.start_from,
        overfit=options.overfit,
        scenes=_scenes(options.split, options.scenes, options.scene_fraction, options.scene_seed),
        device=options.device,
        devices=options.devices,
        workers=options.workers,
        skip_bad_clips=options.on_bad_clip == "skip",
    )
    if reports:
        print(options.out)


def render(options: Render) -> None:
    """`mim4d render`."""
    from mim4d.viz.rendering import render_run

    for path in render_run(
        options.run,
        options.data,
        options.out or options.run / "renders",
        clips=options.clips,
        stride=options.stride,
        scenes=_scenes(options.split, options.scenes),
        version=options.version,
        device=options.device,
    ):
        print(path)


def import_official(options: ImportOfficial) -> None:
    """`mim4d import-official`."""
    from mim4d.exchange.official.describe import published_metres
    from mim4d.exchange.official.run_folder import import_official as import_file

    metres_of = partial(
        published_metres,
        origin_m=options.lidar_origin_m,
        rotation_deg=options.lidar_rotation_deg,
        frame_interval_s=options.frame_interval_s,
    )
    print(import_file(options.file, options.out, options.weights, metres_of))
    print(options.out)


def check(options: Check) -> int:
    """`mim4d check`."""
    from mim4d.check.check_data import check_data
    from mim4d.cli.console import Counter

    with Counter("check", "file") as counter:
        report = check_data(
            options.data,
            version=options.version,
            files=options.files,
            max_findings=options.max_findings,
            strict=options.strict,
            progress=counter.update,
        )
    print(report.text())
    if options.json is not None:
        report.save_json(options.json)
    return report.exit_status


def evaluate(options: Evaluate) -> None:
    """`mim4d evaluate`."""
    from mim4d.evaluation import evaluate_run

    evaluation = evaluate_run(
        options.run,
        options.data,
        stride=options.stride,
        max_clips=options.clips,
        scenes=_scenes(options.split, options.scenes),
        version=options.version,
        device=options.device,
    )
    print(evaluation.table())
    if options.json is not None:
        evaluation.save(options.json)


def export(options: Export) -> None:
    """`mim4d export`."""
    from mim4d.exchange.export.export_run import export_run

    paths, exported = export_run(options.run, options.to, options.out, overwrite=options.overwrite)
    print(f"{exported.model}: {len(exported.weights)} tensors")
    for part in exported.left_out:
        print(f"not in it: {part}")
    for path in paths:
        print(path)


def _scenes(
    split: str, names: tuple[str, ...], fraction: float = 1.0, seed: int = 0
) -> "SceneChoice":
    from mim4d.data.splits import SceneChoice, scene_names

    return SceneChoice(split, scene_names(names) or None, fraction, seed)


def ablate(options: Ablate) -> None:
    """`mim4d ablate`."""
    from mim4d.study.ablation.request import Ablation

    config = options.config
    if options.steps is not None:
        config = replace(config, optim=replace(config.optim, steps=options.steps))
    asked = Ablation(
        config,
        options.data,
        options.out,
        rows=options.rows,
        seeds=options.seeds,
        headline_seeds=options.headline_seeds,
        clips=options.clips,
        stride=options.stride,
        jobs=options.jobs,
        only_table=options.only_table,
        version=options.version,
        device=options.device,
        command=_shown_command({str(options.data): "WORLD", str(options.out): "DIR"}),
    )
    from mim4d.study.ablation.ablate import ablate as run_ablation
    from mim4d.study.ablation.markdown import markdown

    print(markdown(run_ablation(asked)))
    print(options.out)


def _shown_command(names: dict[str, str]) -> str:
    """The command line as others would give it: folders by name, and nothing left out."""
    words = [names.get(word, word) for word in sys.argv[1:] if word != "--only-table"]
    return shlex.join(["mim4d", *words])


def bench_step(options: BenchStep) -> None:
    """`mim4d bench step`."""
    from mim4d.study.bench.step import bench_step as measure

    times = measure(
        options.config,
        options.data,
        options.steps,
        options.version,
        options.device,
        warm_up=options.warm_up,
        stages=not options.no_stages,
    )
    print(times)


def bench_load(options: BenchLoad) -> None:
    """`mim4d bench load`."""
    from mim4d.study.bench.load import bench_load as measure

    times = measure(
        options.data,
        image_hw=options.image_size,
        fit=options.fit,
        frames=options.frames,
        lidar=options.lidar,
        rounds=options.rounds,
        version=options.version,
    )
    print(times)


def demo(options: Demo) -> None:
    """`mim4d demo`."""
    from mim4d.demo import run_demo

    run_demo(options.out, options.scenes, options.held_out, options.seed, options.steps)


def show_config(options: ShowConfig) -> None:
    """`mim4d show-config`."""
    print(config_to_json(options.config), end="")


@dataclass(frozen=True)
class Command:
    """A subcommand: its options, what runs it, and whether a preset comes first.

    What `run` returns is the exit status; None means 0.
    """

    options: type[Any]
    run: Callable[[Any], int | None]
    takes_preset: bool = False


COMMANDS: dict[str, Command] = {
    "demo": Command(Demo, demo),
    "world": Command(World, world),
    "view": Command(View, view),
    "gallery": Command(Gallery, gallery),
    "pretrain": Command(Pretrain, pretrain, takes_preset=True),
    "render": Command(Render, render),
    "import-official": Command(ImportOfficial, import_official),
    "check": Command(Check, check),
    "evaluate": Command(Evaluate, evaluate),
    "ablate": Command(Ablate, ablate, takes_preset=True),
    "export": Command(Export, export),
    "bench load": Command(BenchLoad, bench_load),
    "bench step": Command(BenchStep, bench_step, takes_preset=True),
    "show-config": Command(ShowConfig, show_config, takes_preset=True),
}
