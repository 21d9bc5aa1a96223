"""What would go wrong hours later is found before the first run starts."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from mim4d.build.data import build_dataset
from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig
from mim4d.data.driven_places import scene_places
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.data.truth.exact import has_truth
from mim4d.errors import DataError
from mim4d.files import read_json, write_text
from mim4d.runs.loading import encoder_file
from mim4d.runs.record import read_config, scenes_trained_on
from mim4d.runs.transfer import transfer
from mim4d.study.label_efficiency.arms import RANDOM, Arm, make_arms, task_config
from mim4d.study.label_efficiency.depth_only import data_of, depth_only, refuse_other_losses
from mim4d.study.label_efficiency.plan import Plan
from mim4d.study.label_efficiency.request import Labels, Study
from mim4d.study.label_efficiency.scenes import Scenes, divide
from mim4d.training.train_once import is_finished

_PLAN = "plan.json"
_MAY_CHANGE = (
    *("out", "jobs", "device", "command", "floor"),
    *("tasks", "arms", "rungs", "labels", "subset_seeds", "seeds"),
)
"""A study may be made larger, and gone on with elsewhere: its runs are known by their names."""


def make_plan(asked: Study) -> Plan:
    """Everything that is known before the first run, all of it checked.

    Raises:
        ValueError: For anything wrong with the run, the data, the split, the labels, the arms or
            the folder.
    """
    encoder_file(asked.pretrained)  # refuses a run that is not finished
    run = read_config(asked.pretrained)
    control = _control(asked, run)
    scenes = divide_scenes(asked)
    counts = {word: Labels.of(word).count(len(scenes.training)) for word in asked.labels}
    twice = [word for word in counts if list(counts.values()).count(counts[word]) > 1]
    if twice:
        raise ValueError(
            f"--labels {' '.join(twice)}: are the same {counts[twice[0]]} of "
            f"{len(scenes.training)} training scenes; leave all but one out"
        )
    arms = make_arms(asked, run, control, exact=has_truth(asked.data))
    plan = Plan(asked, run, tuple(arms), scenes, tuple(sorted(counts.values())))
    refuse_missing_labels(asked, run, scenes)
    for arm in arms:
        _refuse_misfit(plan, arm)
    _refuse_another_study(plan)
    return plan


def divide_scenes(asked: Study) -> Scenes:
    """What each scene of the data set is for.

    Raises:
        ValueError: If the data set cannot be divided like that.
    """
    tables = NuscenesTables.open(asked.data, asked.version)
    return divide(
        tables.root,
        tables.version,
        scene_places(tables),
        asked.split,
        asked.gap_m,
        same_allowed=asked.quick,
    )


def refuse_missing_labels(asked: Study, run: PretrainConfig, scenes: Scenes) -> None:
    """Ask a training and a held-out scene for what every task learns from.

    Raises:
        DataError: If there are no labels of a task.
    """
    for task in asked.tasks:
        config = task_config(run, asked, task, RANDOM, asked.rungs[0], 1.0, 0)
        bare = without_weights_file(config)
        targets = build_task(bare)[0].targets
        for name in (scenes.training[0], scenes.held_out[0]):
            choice = SceneChoice(names=(name,))
            try:
                targets(build_dataset(bare, asked.data, choice, asked.version)[0])
            except DataError as error:
                raise DataError(f"task {task}: {error}") from error


def pretrained_on(plan: Plan) -> list[str]:
    """Held-out scenes that the pre-training has seen, without labels."""
    tables = NuscenesTables.open(plan.asked.data, plan.asked.version)
    return scenes_trained_on(plan.asked.pretrained, tables, plan.scenes.held_out)


def is_begun(plan: Plan) -> bool:
    """Whether the folder holds this study already."""
    return (plan.asked.out / _PLAN).is_file()


def keep_plan(plan: Plan) -> None:
    """Write what is asked for, by which another study in the same folder is refused."""
    write_text(plan.asked.out / _PLAN, json.dumps(_content(plan), indent=2) + "\n")


def _control(asked: Study, run: PretrainConfig) -> Path | None:
    """Run folder of the pre-training by depth cross-entropy alone, there or to be trained."""
    if "depth_only" not in asked.arms:
        return None
    if asked.depth_only is not None:
        encoder_file(asked.depth_only)
        refuse_other_losses(asked.depth_only)
        return asked.depth_only
    depth_only(run, run.optim.steps)
    own = asked.out / "depth_only"
    if not is_finished(own):
        data_of(asked.pretrained)
    return own


def _refuse_misfit(plan: Plan, arm: Arm) -> None:
    """Build the model of an arm, and give it its weights, for nothing."""
    if arm.init is not None and not is_finished(arm.init):
        return  # the control that will be trained is of the same architecture
    try:
        config = task_config(plan.run, plan.asked, plan.asked.tasks[0], arm, "full", 1.0, 0)
        torch.manual_seed(0)
        _, model = build_task(config)
        if arm.init is not None:
            transfer(model, config, arm.init, arm.parts)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"arm {arm.name}: {error}") from error


def _refuse_another_study(plan: Plan) -> None:
    path, here = plan.asked.out / _PLAN, _content(plan)
    if not path.is_file():
        return
    there = read_json(path)
    other = [
        f"{name} ({there.get(name)} / {value})"
        for name, value in here.items()
        if there.get(name) != value
    ]
    if other:
        raise ValueError(
            f"{plan.asked.out}: holds another study (there / here): {', '.join(other)}; choose "
            "another --out"
        )


def _content(plan: Plan) -> dict[str, object]:
    """What makes it this study."""
    asked = {k: v for k, v in asdict(plan.asked).items() if k not in _MAY_CHANGE}
    for name in ("data", "pretrained", "weights", "depth_only"):
        path = getattr(plan.asked, name)
        asked[name] = None if path is None else str(path.resolve())
    content: dict[str, object] = json.loads(json.dumps(asked))
    return content
