"""What a row is worth for a task: vehicles on its frozen trunk, learned from few labelled scenes.

A finished run enters; its folder gets `downstream/` with the run of the head. All rows learn from
the same scenes, at the task preset's rate: it is not searched for each of them, as `mim4d study`
does it.
"""

import logging
from pathlib import Path

from mim4d.config import Device
from mim4d.config.presets import TASK_PRESETS
from mim4d.runs.record import read_config
from mim4d.study.label_efficiency.checks import make_plan
from mim4d.study.label_efficiency.measure import QUIET, Machine, finish, read_measured
from mim4d.study.label_efficiency.request import Study
from mim4d.training.quiet import at_least

FOLDER = "downstream"
_TASK = "vehicles"


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
    asked = Study(
        data=data,
        pretrained=run,
        out=run / FOLDER,
        arms=("random", "pretrained"),
        rungs=("frozen",),
        labels=(str(labelled),),
        subset_seeds=(0,),
        seeds=(read_config(run).seed,),
        version=version,
        device=device,
    )
    with at_least(logging.WARNING, *QUIET):
        plan = make_plan(asked)
    make = TASK_PRESETS.get(plan.run.preset, TASK_PRESETS["demo"])
    arm = next(arm for arm in plan.arms if arm.name == "pretrained")
    planned = plan.compared(plan.settings[0], arm, make(_TASK).optim.lr)[0]
    finish(planned, Machine(data, version, device, run / FOLDER / "volumes", workers))
    measured = read_measured(planned)
    assert measured is not None, "it has just been finished"
    return measured.score
