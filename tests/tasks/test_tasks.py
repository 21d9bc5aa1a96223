"""The table of tasks: every entry can be found, and is what a task must be."""

import inspect
from typing import Any, cast

import pytest

from mim4d.build.tasks import build_task
from mim4d.config.presets import TASK_PRESETS
from mim4d.tasks import TASKS, find_task
from mim4d.tasks.task import Task
from tests.tasks.scene import Box, clip_with

METHODS = [name for name in vars(Task) if not name.startswith("_")]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_found_and_fits_the_protocol(name: str) -> None:
    config = TASK_PRESETS["toy"](name)
    task, _ = build_task(config)
    assert isinstance(task, Task)
    assert type(task) is cast(type, find_task(name))
    for method in METHODS:
        wanted, found = (inspect.signature(getattr(kind, method)) for kind in (Task, type(task)))
        assert list(found.parameters) == list(wanted.parameters), method


@pytest.mark.parametrize("name", TASKS)
def test_every_task_goes_from_clip_to_scores(name: str) -> None:
    task, model = build_task(TASK_PRESETS["toy"](name))
    clip = clip_with(Box(5.0, 3.0))
    output, targets = model(clip), task.targets(clip)
    losses = task.losses(output, targets)
    assert losses["loss"].ndim == 0
    assert losses["loss"].requires_grad
    metric = task.build_metric()
    metric.update(task.decode(output), targets)
    scores: dict[str, dict[str, Any]] = metric.compute()
    columns = {tuple(row) for row in scores.values()}
    assert len(columns) == 1
    assert METHODS == ["build_head", "targets", "losses", "decode", "build_metric"]


@pytest.mark.parametrize("name", TASKS)
def test_a_preset_with_another_tasks_head_is_refused(name: str) -> None:
    preset = "bevdet_r50_256x704" if name == "bev_segmentation" else "cvt_setting2"
    with pytest.raises(ValueError, match=rf"the task {name} needs a head of kind \w+"):
        build_task(TASK_PRESETS[preset](name))


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown task 'vehicels'; there are: bev_segm"):
        find_task("vehicels")
