"""What a study compares: starts of one and the same architecture.

An arm's name and the finished pre-training enter; what the trunk starts from leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig, TaskConfig
from mim4d.config.encoder import LITE0_NAME
from mim4d.config.presets import task_on_run
from mim4d.study.label_efficiency.request import CEILING, ArmName, Rung, Study

ENCODER, NECK, DEPTH_HEAD, VOLUME = (
    "image encoder",
    "neck",
    "depth head",
    "volume convolution",
)


@dataclass(frozen=True)
class Arm:
    """One start.

    Attributes:
        name: On the command line and in files.
        title: In tables.
        init: Run folder whose weights the trunk takes; None takes none.
        parts: Parts of it that are taken; None takes all that the model has.
        encoder: Options of the image encoder that name other weights.
        depth_loss_weight: Of LiDAR's depth loss while the task is learned.
        given_depth: Whether the lifting is given the true depths, when it learns and when it is
            judged.
        lidar: Where LiDAR teaches anything.
    """

    name: ArmName
    title: str
    init: Path | None = None
    parts: tuple[str, ...] | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    depth_loss_weight: float = 0.0
    given_depth: bool = False
    lidar: str = "nowhere"

    @property
    def taken(self) -> str:
        """What is transferred, in words."""
        if self.encoder:
            return ENCODER
        if self.init is None:
            return "nothing"
        return "all that the model has" if self.parts is None else ", ".join(self.parts)

    def applies_to(self, rung: Rung) -> bool:
        """LiDAR cannot teach a trunk that is frozen."""
        return rung == "full" or self.depth_loss_weight == 0

    @property
    def trunk_by_seed(self) -> bool:
        """Whether each seed has a trunk of its own: some of its weights are random."""
        return self.init is None or self.parts is not None


RANDOM = Arm("random", "random weights")


def make_arms(
    asked: Study, run: PretrainConfig, depth_only: Path | None, *, exact: bool = True
) -> list[Arm]:
    """The arms that are asked for, the baseline first.

    Args:
        asked: The study.
        run: Configuration of the pre-training.
        depth_only: The control's run folder, finished or not.
        exact: Whether the data set says exact distances; else LiDAR's are given to the ceiling.

    Raises:
        ValueError: If an arm cannot be had with this architecture.
    """
    arms = [_make(name, asked, run, depth_only, exact) for name in asked.arms]
    return sorted(arms, key=lambda arm: arm.name != "random")


def _make(
    name: ArmName, asked: Study, run: PretrainConfig, depth_only: Path | None, exact: bool
) -> Arm:
    init = asked.pretrained
    by_lidar = "in the pre-training" if run.loss.lidar_weights else "nowhere"
    match name:
        case "random":
            return RANDOM
        case "imagenet":
            return _imagenet(run)
        case "weights":
            assert asked.weights is not None, "checked when it was asked for"
            return Arm(name, asked.weights.name, encoder={"weights_file": asked.weights})
        case "pretrained":
            return Arm(name, "this pre-training", init, lidar=by_lidar)
        case "pretrained_encoder":
            return Arm(name, "its image encoder", init, (ENCODER,), lidar=by_lidar)
        case "pretrained_depth":
            title = "its encoder, neck, depth head"
            return Arm(name, title, init, (ENCODER, NECK, DEPTH_HEAD), lidar=by_lidar)
        case "pretrained_volume":
            title, parts = "it without temporal decoder", (ENCODER, NECK, DEPTH_HEAD, VOLUME)
            return Arm(name, title, init, parts, lidar=by_lidar)
        case "depth_only":
            title = "depth cross-entropy alone"
            return Arm(name, title, depth_only, lidar="in the pre-training")
        case "random_lidar":
            return _random_lidar(run)
        case "exact_depth":
            return _exact_depth(run, exact)


def _imagenet(run: PretrainConfig) -> Arm:
    if run.encoder.name != LITE0_NAME:
        raise ValueError(
            f"arm imagenet: its weights are of {LITE0_NAME}, the pre-training has "
            f"{run.encoder.name}, and all arms share one architecture; pre-train with "
            f"--encoder.name {LITE0_NAME}, or give weights of {run.encoder.name} to the arm weights"
        )
    return Arm("imagenet", "ImageNet weights", encoder={"weights": "lite0_imagenet"})


def _random_lidar(run: PretrainConfig) -> Arm:
    if run.clip.lidar is None:
        raise ValueError(
            "arm random_lidar: the pre-training reads no LiDAR; leave the arm out of --arms"
        )
    weight = run.loss.depth_weight or 1.0
    title = "random weights, LiDAR's depth loss beside"
    return Arm("random_lidar", title, depth_loss_weight=weight, lidar="while the task is learned")


def _exact_depth(run: PretrainConfig, exact: bool) -> Arm:
    if exact:
        return Arm(CEILING, "random weights, exact depth (ceiling)", given_depth=True)
    if run.clip.lidar is None:
        raise ValueError(
            f"arm {CEILING}: the data set has no exact distances, as embedded worlds have, and the "
            "pre-training reads no LiDAR; leave the arm out of --arms"
        )
    title = "random weights, LiDAR's depth (ceiling)"
    return Arm(CEILING, title, given_depth=True, lidar="nowhere, but gives the lifting depths")


def task_config(
    run: PretrainConfig,
    asked: Study,
    task: str,
    arm: Arm,
    rung: Rung,
    lr: float,
    seed: int,
    *,
    length: int = 1,
) -> TaskConfig:
    """A task on the trunk of the pre-training, started as an arm says.

    Args:
        run: Configuration of the pre-training.
        asked: The study.
        task: Name of the task.
        arm: What the trunk starts from.
        rung: What is trained.
        lr: Peak learning rate.
        seed: Of everything random.
        length: How many times the usual steps.
    """
    config = task_on_run(without_weights_file(run), task)
    steps = length * (asked.steps or config.optim.steps)
    warm_up = min(config.optim.warmup_steps, steps // 4)
    changes: dict[str, Any] = {
        "clip": config.clip if asked.join == "key" else run.clip,
        "encoder": replace(config.encoder, **arm.encoder, frozen_stages=0),
        "join": asked.join,
        "frozen": "trunk" if rung == "frozen" else "nothing",
        "optim": replace(config.optim, steps=steps, lr=lr, warmup_steps=warm_up),
        "checkpoint_every": max(config.checkpoint_every, steps // 4),
        "depth_loss_weight": arm.depth_loss_weight,
        "given_depth": arm.given_depth,
        "seed": seed,
    }
    return replace(config, **changes)


def titles(arms: Sequence[Arm]) -> dict[str, str]:
    """Titles by name."""
    return {arm.name: arm.title for arm in arms}
