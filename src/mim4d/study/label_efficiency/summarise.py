"""From runs to what a study says: scores with intervals, paired gains, labels saved.

A plan and the rates that were chosen enter; runs that are not finished are left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean

from mim4d.runs.record import read_config, read_record
from mim4d.study.label_efficiency.arms import Arm
from mim4d.study.label_efficiency.bootstrap import Drawn, Key, draw, score_draws
from mim4d.study.label_efficiency.checks import pretrained_on
from mim4d.study.label_efficiency.labels_saved import LabelsSaved, labels_saved
from mim4d.study.label_efficiency.measure import Measured, read_measured
from mim4d.study.label_efficiency.plan import Plan, PlannedRun, Setting
from mim4d.study.label_efficiency.request import BASELINE
from mim4d.study.label_efficiency.search import Choice
from mim4d.study.label_efficiency.summary import DoubleLength, Row, SingleRun, Summary
from mim4d.training.train_once import is_finished

Rates = dict[tuple[Setting, str], Choice]
_FEW_SCENES = 40

Runs = dict[Key, Measured]


def summarise(plan: Plan, rates: Rates) -> Summary:
    """Everything that is there so far.

    Args:
        plan: Of the study.
        rates: That were chosen, by setting and name of the arm.
    """
    measured = {
        (setting, arm.name): runs
        for setting in plan.settings
        for arm in plan.arms
        if (choice := rates.get((setting, arm.name))) is not None
        and (runs := _runs_of(plan, setting, arm, choice.rate))
    }
    rows: list[Row] = []
    curves: dict[tuple[str, str], dict[int, float]] = {}
    for setting in plan.settings:
        own = [
            (arm, measured[setting, arm.name])
            for arm in plan.arms
            if (setting, arm.name) in measured
        ]
        found = _rows(setting, own, rates)
        for row in found:
            if row.arm == BASELINE:
                curves.setdefault((row.task, row.rung), {})[row.labelled] = row.score.value
        rows += found
    rows = [_with_saved(row, curves.get((row.task, row.rung), {})) for row in rows]
    doubled = _doubled(plan, rates)
    singles = _singles(plan, rates)
    return Summary(
        tuple(rows),
        tuple(doubled),
        tuple(singles),
        _facts(plan, singles),
        tuple(_warnings(plan, rates, doubled)),
    )


def _runs_of(plan: Plan, setting: Setting, arm: Arm, rate: float) -> Runs:
    """All runs of an arm; none unless each of them is finished."""
    found: Runs = {}
    for run in plan.compared(setting, arm, rate):
        measured = read_measured(run)
        if measured is None:
            return {}
        found[run.subset_seed, run.config.seed] = measured
    return found


def _rows(setting: Setting, arms: list[tuple[Arm, Runs]], rates: Rates) -> list[Row]:
    """The arms of one setting, compared by the same draws."""
    if not arms:
        return []
    first = arms[0][1]
    draws = draw({key: each.evidence for key, each in first.items()})
    drawn: dict[str, Drawn] = {
        arm.name: score_draws({key: each.evidence for key, each in runs.items()}, draws)
        for arm, runs in arms
    }
    rows = []
    for arm, runs in arms:
        own = drawn[arm.name]
        score = own.interval()
        assert score is not None, "every score is there everywhere"
        gains = {name: own.gain(other) for name, other in drawn.items() if name != arm.name}
        rows.append(
            Row(
                setting.task,
                setting.rung,
                setting.labelled,
                arm.name,
                arm.title,
                score,
                own.interval("within 16 m"),
                own.interval("beyond"),
                own.spread_of_seeds,
                own.spread_of_subsets,
                gains,
                None,
                rates[setting, arm.name],
                fmean(run.seconds for run in runs.values()),
                max(run.peak_bytes for run in runs.values()),
            )
        )
    return rows


def _with_saved(row: Row, curve: Mapping[int, float]) -> Row:
    saved: LabelsSaved | None = None
    if row.arm != BASELINE and curve:
        counts = sorted(curve)
        saved = labels_saved(row.labelled, row.score.value, counts, [curve[n] for n in counts])
    return replace(row, saved=saved)


def _doubled(plan: Plan, rates: Rates) -> list[DoubleLength]:
    baseline, found = plan.arms[0], []
    for setting in plan.longest:
        choice = rates.get((setting, baseline.name))
        if choice is None:
            continue
        longer = [read_measured(run) for run in plan.doubled(setting, baseline, choice.rate)]
        subset = plan.asked.subset_seeds[0]
        usual = [
            read_measured(run)
            for run in plan.compared(setting, baseline, choice.rate)
            if run.subset_seed == subset
        ]
        scores = [_scores(each) for each in (usual, longer)]
        if scores[0] is not None and scores[1] is not None:
            found.append(
                DoubleLength(setting.task, setting.rung, setting.labelled, scores[0], scores[1])
            )
    return found


def _scores(runs: list[Measured | None]) -> float | None:
    known = [run.score for run in runs if run is not None]
    return fmean(known) if len(known) == len(runs) else None


def _singles(plan: Plan, rates: Rates) -> list[SingleRun]:
    runs: list[PlannedRun] = []
    for setting in plan.settings:
        for arm in plan.arms:
            choice = rates.get((setting, arm.name))
            if choice is not None:
                runs += [plan.searched(setting, arm, rate) for rate in choice.scores]
                runs += plan.compared(setting, arm, choice.rate)
                if arm.name == BASELINE and setting in plan.longest:
                    runs += plan.doubled(setting, arm, choice.rate)
    found = []
    for run in runs:
        measured = read_measured(run)
        if measured is not None:
            found.append(
                SingleRun(
                    str(run.folder.relative_to(plan.asked.out)),
                    run.arm.name,
                    run.setting.labelled,
                    run.subset_seed,
                    run.config.seed,
                    run.config.optim.lr,
                    run.config.optim.steps,
                    measured.score,
                    measured.seconds,
                )
            )
    return found


def _facts(plan: Plan, singles: list[SingleRun]) -> dict[str, str]:
    """What is declared beside the numbers."""
    asked, run, scenes = plan.asked, plan.run, plan.scenes
    trained_on = read_record(asked.pretrained)["training_scenes"]
    near = "unknown" if scenes.overlap is None else f"{100 * scenes.overlap:.1f} %"
    facts = {
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
        facts["depth-only control"] = _control(plan)
    return facts


def _by_arm(plan: Plan, tell: Callable[[Arm], str]) -> str:
    return "; ".join(f"{arm.title}: {tell(arm)}" for arm in plan.arms)


def _steps(singles: list[SingleRun]) -> str:
    steps = sorted({run.steps for run in singles if "double" not in run.folder})
    return f"{' or '.join(map(str, steps)) or 'no'} optimiser steps"


def _control(plan: Plan) -> str:
    run = next(arm.init for arm in plan.arms if arm.name == "depth_only")
    if run is None or not is_finished(run):
        return "not trained yet"
    steps = read_config(run).optim.steps
    if plan.asked.depth_only is not None:
        return f"{steps} steps, trained beforehand"
    return (
        f"{steps} steps, as many as take the seconds of the pre-training's {plan.run.optim.steps}"
    )


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


def _warnings(plan: Plan, rates: Rates, doubled: list[DoubleLength]) -> list[str]:
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
