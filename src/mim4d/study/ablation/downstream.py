"""What a row is worth for a task: vehicles on its frozen trunk, learned from few labelled scenes.

A finished run enters; its folder gets `downstream/` with the run of the head. All rows learn from
the same scenes, at the task preset's rate: it is not searched for each of them, as `mim4d study`
does it.
"""

import logging
from dataclasses import replace
from pathlib import Path

from mim4d.config import Device, PretrainConfig
from mim4d.config.presets import TASK_PRESETS
from mim4d.runs.record import read_config
from mim4d.study.label_efficiency.checks import divide_scenes, make_plan, refuse_missing_labels
from mim4d.study.label_efficiency.measure import QUIET, Machine, finish, read_measured
from mim4d.study.label_efficiency.request import Study
from mim4d.training.quiet import at_least

FOLDER = "downstream"
_TASK = "vehicles"


def refuse_unlabelled(
    config: PretrainConfig, data: Path, labelled: int, version: str | None
) -> None:
    """Refuse data from which no row could learn, before the first is trained.

    Args:
        config: Of one of the rows.
        data: Data set.
        labelled: Labelled scenes.
        version: Version folder of the data set.

    Raises:
        ValueError: If there are not so many training scenes, or no labels.
    """
    asked = _study(Path(), data, labelled, version)
    try:
        with at_least(logging.WARNING, *QUIET):
            scenes = divide_scenes(asked)
            if labelled > len(scenes.training):
                raise ValueError(f"the data set has only {len(scenes.training)} training scenes")
            refuse_missing_labels(asked, config, scenes)
    except ValueError as error:
        raise ValueError(f"--downstream {labelled}: {error}") from error


def _study(run: Path, data: Path, labelled: int, version: str | None) -> Study:
    """The smallest study of a run: one arm beside random weights, its trunk frozen."""
    return Study(
        data=data,
        pretrained=run,
        out=run / FOLDER,
        arms=("random", "pretrained"),
        rungs=("frozen",),
        labels=(str(labelled),),
        subset_seeds=(0,),
        version=version,
    )


def downstream_iou(
    run: Path,
    data: Path,
    labelled: int,
    version: str | None,
    device: Device,
    workers: int | None = None,
) -> float:
    """IoU of visible vehicles on all held-out clips, percent.

    Args:
        run: The finished pre-training.
        data: Data set with labels and held-out scenes.
        labelled: Labelled scenes.
        version: Version folder of the data set.
        device: Where to compute.
        workers: Loader processes; None decides.

    Raises:
        ValueError: If there are not so many training scenes, or no labels.
    """
    asked = _study(run, data, labelled, version)
    asked = replace(asked, seeds=(read_config(run).seed,), device=device)
    with at_least(logging.WARNING, *QUIET):
        plan = make_plan(asked)
    make = TASK_PRESETS.get(plan.run.preset, TASK_PRESETS["demo"])
    arm = next(arm for arm in plan.arms if arm.name == "pretrained")
    planned = plan.compared(plan.settings[0], arm, make(_TASK).optim.lr)[0]
    finish(planned, Machine(data, version, device, run / FOLDER / "volumes", workers))
    measured = read_measured(planned)
    assert measured is not None, "it has just been finished"
    return measured.score
