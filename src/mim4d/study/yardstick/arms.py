"""What the yardstick compares: three starts of the same trunk, and the labelled scenes.

A pre-training's configuration enters; configurations of what is trained leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mim4d.config import FlowConfig, PretrainConfig, TaskConfig, TrunkConfig
from mim4d.config.presets import TASK_PRESETS
from mim4d.evaluation import spread

Arm = Literal["pretrained", "random", "depth_only"]
ARMS: tuple[Arm, ...] = get_args(Arm)
ARM_NAMES: dict[str, str] = {
    "pretrained": "this pre-training",
    "random": "random weights",
    "depth_only": "depth cross-entropy alone",
}
TASK = "vehicles"
_KEPT = ("depth_weight", "obstacle_weight")
"""Weights that a pre-training by depth cross-entropy alone keeps."""


@dataclass(frozen=True)
class LabelledScenes:
    """Training scenes whose labels are used.

    Attributes:
        names: All of them: what is trained on in the end.
        searching: Part that is trained on while rates are searched.
        judging: The others, by which rates are judged.
    """

    names: tuple[str, ...]
    searching: tuple[str, ...]
    judging: tuple[str, ...]


def labelled_scenes(available: Sequence[str], count: int) -> LabelledScenes:
    """So many training scenes, evenly spread; every third of them judges rates.

    Raises:
        ValueError: If there are not so many, or fewer than two are asked for.
    """
    if not 2 <= count <= len(available):
        raise ValueError(
            f"--scenes {count}: expected 2 to {len(available)}, the training scenes of the data "
            "set; rates are searched on a part of them"
        )
    names = tuple(available[i] for i in spread(len(available), count))
    judging = names[::3] if count > 2 else names[:1]
    return LabelledScenes(names, tuple(n for n in names if n not in judging), judging)


def task_config(run: PretrainConfig, steps: int | None, lr: float, seed: int) -> TaskConfig:
    """The vehicle head on the trunk of a pre-training, which reads single frames.

    Args:
        run: Of the pre-training; its preset's own task preset is taken where there is one.
        steps: Optimiser steps; None takes the task preset's.
        lr: Peak learning rate.
        seed: Of everything random.
    """
    make = TASK_PRESETS.get(run.preset, TASK_PRESETS["demo"])
    config = make(TASK)
    trunk = {field.name: getattr(run, field.name) for field in fields(TrunkConfig)}
    trunk["clip"] = replace(run.clip, frames=1, key=0, frame_interval_s=None)
    optim = replace(config.optim, steps=steps or config.optim.steps, lr=lr)
    return replace(config, **trunk, optim=optim, seed=seed)


def depth_only(run: PretrainConfig, steps: int) -> PretrainConfig:
    """The same pre-training, taught by the depth head's cross-entropy alone.

    Nothing is rendered that counts and no frame is rebuilt, so that a step is cheaper.
    """
    weights: dict[str, Any] = {
        field.name: 0.0
        for field in fields(run.loss)
        if field.name.endswith("_weight") and field.name not in _KEPT
    }
    loss = replace(run.loss, **weights, depth_weight=run.loss.depth_weight or 1.0)
    return replace(
        run,
        loss=loss,
        flow=FlowConfig(),
        mask=replace(run.mask, num_dropped=0),
        render=replace(run.render, rays_per_camera=1),
        optim=replace(run.optim, steps=steps),
    )
