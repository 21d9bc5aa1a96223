"""Named runs: each preset is a function that returns a complete configuration."""

from collections.abc import Callable
from typing import TypeVar

from mim4d.config.presets.bev_segmentation import SEGMENTATION_PRESETS
from mim4d.config.presets.demo import demo, demo_no_lidar, study, toy
from mim4d.config.presets.detection import DETECTION_PRESETS
from mim4d.config.presets.nuscenes import nuscenes_s_060, nuscenes_s_080
from mim4d.config.presets.tasks import demo as demo_task
from mim4d.config.presets.tasks import maptr_r50, on_trunk_of
from mim4d.config.presets.tasks import toy as toy_task
from mim4d.config.pretrain import PretrainConfig
from mim4d.config.task import TaskConfig
from mim4d.errors import did_you_mean

__all__ = [
    "PRESETS",
    "TASK_PRESETS",
    "demo",
    "demo_no_lidar",
    "maptr_r50",
    "nuscenes_s_060",
    "nuscenes_s_080",
    "preset",
    "study",
    "task_on_run",
    "task_preset",
    "toy",
]

PRESETS: dict[str, Callable[[], PretrainConfig]] = {
    "demo": demo,
    "study": study,
    "demo_no_lidar": demo_no_lidar,
    "toy": toy,
    "nuscenes_s_080": nuscenes_s_080,
    "nuscenes_s_060": nuscenes_s_060,
}

TASK_PRESETS: dict[str, Callable[[str], TaskConfig]] = {
    "demo": demo_task,
    "toy": toy_task,
    **SEGMENTATION_PRESETS,
    **DETECTION_PRESETS,
    "maptr_r50": maptr_r50,
}
"""Presets that take the name of a task."""

Function = TypeVar("Function")


def preset(name: str) -> PretrainConfig:
    """The preset of that name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    return _named(name, PRESETS)()


def task_preset(name: str, task: str) -> TaskConfig:
    """The preset of that name for a task.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    return _named(name, TASK_PRESETS)(task)


def task_on_run(run: PretrainConfig, task: str) -> TaskConfig:
    """A task on the trunk of a pre-training, whatever its options were.

    Args:
        run: The pre-training. The task preset of its preset's name, else `demo`, has the rest.
        task: Name of the task.
    """
    return on_trunk_of(run, TASK_PRESETS.get(run.preset, demo_task)(task))


def _named(name: str, presets: dict[str, Function]) -> Function:
    if name not in presets:
        hint = did_you_mean(name, presets)
        raise ValueError(f"unknown preset {name!r}{hint}; there are: {', '.join(presets)}")
    return presets[name]
