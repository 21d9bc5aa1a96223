"""What is declared with the numbers of a study, and what a reader must know before them."""

from collections.abc import Callable
from pathlib import Path

from mim4d.runs.metrics_file import read_metrics
from mim4d.runs.record import read_config, read_record
from mim4d.study.label_efficiency.arms import Arm
from mim4d.study.label_efficiency.checks import pretrained_on
from mim4d.study.label_efficiency.plan import Plan, Setting
from mim4d.study.label_efficiency.search import Choice
from mim4d.study.label_efficiency.summary import DoubleLength, SingleRun
from mim4d.training.train_once import is_finished

Rates = dict[tuple[Setting, str], Choice]
_FEW_SCENES = 40


def facts(plan: Plan, singles: list[SingleRun]) -> dict[str, str]:
    """What is declared beside the numbers, by name."""
    asked, run, scenes = plan.asked, plan.run, plan.scenes
    trained_on = read_record(asked.pretrained)["training_scenes"]
    near = "unknown" if scenes.overlap is None else f"{100 * scenes.overlap:.1f} %"
    declared = {
        "command": asked.command,
        "pre-training": (
            f"preset {run.preset}, {run.optim.steps} steps, seed {run.seed}, {len(trained_on)} "
            f"scenes; {run.encoder.name}, images of {run.clip.image_height} × "
            f"{run.clip.image_width}; every arm has this architecture"
        ),
        "weights taken": _by_arm(plan, lambda arm: arm.taken),
        "LiDAR teaches": _by_arm(plan, lambda arm: arm.lidar),
        "labelled scenes": (
            f"{', '.join(map(str, plan.counts))} of {len(scenes.training)} training scenes, "
            f"nested, spread over places; {len(asked.subset_seeds)} subset seeds"
        ),
        "learning rates": (
            f"each arm's best on {len(scenes.development)} training scenes that come last in every "
            f"subset and were left out of the trainings that choose; from "
            f"{', '.join(f'{rate:g}' for rate in asked.rates)} on, one seed"
        ),
        "held out": (
            f"{len(scenes.held_out)} scenes"
            + ("" if asked.clips is None else f", at most {asked.clips} clips of them")
            + f"; {scenes.note}; {near} of their samples within 5 m of a training sample"
        ),
        "trainings": (
            f"{_steps(singles)} in every arm and with any labels; {len(asked.seeds)} training seeds"
        ),
        "intervals": (
            "95 %, bootstrap over subsets, training seeds and held-out scenes at once, the same "
            "draws for all arms; of few seeds and subsets they come out too narrow"
        ),
    }
    if any(arm.name == "depth_only" for arm in plan.arms):
        declared["depth-only control"] = _control(plan)
    return declared


def _by_arm(plan: Plan, tell: Callable[[Arm], str]) -> str:
    return "; ".join(f"{arm.title}: {tell(arm)}" for arm in plan.arms)


def _steps(singles: list[SingleRun]) -> str:
    steps = sorted({run.steps for run in singles if run.purpose != "double length"})
    return f"{' or '.join(map(str, steps)) or 'no'} optimiser steps"


def _control(plan: Plan) -> str:
    run = next(arm.init for arm in plan.arms if arm.name == "depth_only")
    given = plan.asked.depth_only is not None
    if run is None or not (given or is_finished(run)):
        return "not trained yet"
    steps = read_config(run).optim.steps
    how = "trained beforehand" if given else "as many as fit into the pre-training's time"
    return (
        f"{steps} steps{took(run)}, {how}; the pre-training: {plan.run.optim.steps} steps"
        f"{took(plan.asked.pretrained)}"
    )


def took(run: Path) -> str:
    """How long its steps took; nothing of a run without metrics, such as an imported one."""
    try:
        return f" in {read_metrics(run)['seconds'].sum():.0f} s"
    except (ValueError, KeyError):
        return ""


def remarks(plan: Plan) -> list[str]:
    """What is to be known of a study before any number is there."""
    asked, scenes = plan.asked, plan.scenes
    found = []
    if asked.quick:
        found.append("--quick: this shows only that everything runs; no number means anything.")
    both = set(scenes.training) & set(scenes.held_out)
    if both:
        found.append(f"{len(both)} scenes were both trained on and judged by.")
    if len(scenes.held_out) < _FEW_SCENES:
        found.append(
            f"Only {len(scenes.held_out)} held-out scenes: fewer than {_FEW_SCENES} cannot resolve "
            "a few points."
        )
    seen = pretrained_on(plan)
    if seen:
        found.append(
            f"{len(seen)} of the {len(scenes.held_out)} held-out scenes were in the pre-training, "
            "without labels."
        )
    return found


def warnings(plan: Plan, rates: Rates, doubled: list[DoubleLength]) -> list[str]:
    """What a reader must know before the numbers."""
    found = remarks(plan)
    for (setting, name), choice in rates.items():
        if choice.at_edge:
            found.append(
                f"{setting.task}, {setting.rung}, {setting.labelled} scenes, {name}: rate "
                f"{choice.note}."
            )
    found += [
        f"{each.task}, {each.rung}: random weights gain {each.doubled - each.usual:+.1f} points at "
        f"double length ({each.labelled} scenes); the trainings are too short."
        for each in doubled
        if not each.is_long_enough
    ]
    return found
