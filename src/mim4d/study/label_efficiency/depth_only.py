"""The control that keeps LiDAR's gain apart: the same pre-training, taught depth alone.

The depth head's cross-entropy is all that is left of the losses, on the same scenes, in the same
seconds: steps are cheaper, so there are more of them.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mim4d.build.data import build_dataset
from mim4d.build.pretraining import build_model
from mim4d.build.trunk import without_weights_file
from mim4d.config import Device, LossConfig, PretrainConfig
from mim4d.data.splits import SceneChoice
from mim4d.evaluation import spread
from mim4d.runs.record import read_config, read_record
from mim4d.training.devices import choose_accelerator
from mim4d.training.estimate import first_batch, steps_by_kind
from mim4d.training.modules import PretrainingModule
from mim4d.training.train_once import train_unless_finished

logger = logging.getLogger(__name__)
_KEPT = ("depth_weight", "obstacle_weight")
_WARM_UP, _TIMED = 2, 5


def depth_only(run: PretrainConfig, steps: int) -> PretrainConfig:
    """The same pre-training, taught by the depth head's cross-entropy alone.

    Every step is of single frames, and nothing is lifted or rendered, so that it is cheaper.

    Raises:
        ValueError: If the pre-training reads no LiDAR, which teaches that loss.
    """
    if run.clip.lidar is None:
        raise ValueError(
            "arm depth_only: the pre-training reads no LiDAR, which teaches the depth head; leave "
            "the arm out of --arms"
        )
    weights: dict[str, Any] = dict.fromkeys(_others(run.loss), 0.0)
    depth_weight = run.loss.depth_weight or 1.0
    loss = replace(run.loss, **weights, depth_weight=depth_weight, depth_alone_share=1.0)
    return replace(run, loss=loss, optim=replace(run.optim, steps=steps))


def refuse_other_losses(run: Path) -> None:
    """Refuse a given control that was taught by anything but the depth head's cross-entropy.

    Raises:
        ValueError: If it was.
    """
    loss = read_config(run).loss
    if loss.depth_alone_share == 1:
        return
    found = [f"{name} {getattr(loss, name):g}" for name in _others(loss) if getattr(loss, name)]
    if found:
        raise ValueError(
            f"--depth-only {run}: was taught by more than depth (loss.{', loss.'.join(found)}); "
            "leave the option out, and the control is trained"
        )


def _others(loss: LossConfig) -> list[str]:
    """Weights of all losses but the depth head's."""
    names = [field.name for field in fields(loss) if field.name.endswith("_weight")]
    return [name for name in names if name not in _KEPT]


def train_depth_only(run: Path, out: Path, device: Device, progress: bool = True) -> Path:
    """Train it on the scenes of a finished pre-training, in the seconds that its steps take.

    Args:
        run: The pre-training.
        out: Folder of the new run; one that is there is gone on with, or kept if it is finished.
        device: Where to train.
        progress: Show a progress bar.

    Raises:
        ValueError: If the data that the pre-training was trained on are not there any more.
    """
    config, record = read_config(run), read_record(run)
    data = data_of(run)
    version = record.get("data_set", {}).get("version")
    scenes = SceneChoice(names=tuple(record["training_scenes"]))
    if (out / "config.json").is_file():
        steps = read_config(out).optim.steps
    else:
        steps = _steps_in_the_same_time(config, data, scenes, version, device)
    train_unless_finished(
        depth_only(config, steps),
        data,
        out,
        scenes=scenes,
        version=version,
        device=device,
        progress=progress,
    )
    return out


def data_of(run: Path) -> Path:
    """The data that a pre-training was trained on.

    Raises:
        ValueError: If they are not there.
    """
    recorded = read_record(run)["data"]
    if recorded is None or not Path(recorded).is_dir():
        raise ValueError(
            f"arm depth_only: {run} was trained on {recorded or 'data of somebody else'}, which is "
            "not here; give a control that was trained beforehand by --depth-only, or leave the "
            "arm out of --arms"
        )
    return Path(recorded)


def _steps_in_the_same_time(
    config: PretrainConfig, data: Path, scenes: SceneChoice, version: str | None, device: Device
) -> int:
    own_s, cheap_s = (
        _seconds_per_step(each, data, scenes, version, device)
        for each in (config, depth_only(config, config.optim.steps))
    )
    steps = max(1, round(config.optim.steps * own_s / cheap_s))
    logger.info(
        "a step of the pre-training takes %.0f ms, by depth cross-entropy alone %.0f ms: "
        "%d of them for %d",
        *(1000 * own_s, 1000 * cheap_s, steps, config.optim.steps),
    )
    return steps


def _seconds_per_step(
    config: PretrainConfig, data: Path, scenes: SceneChoice, version: str | None, device: Device
) -> float:
    """Mean over the run, by a few steps of each kind, without loading.

    On a CPU its own seconds, whoever else computes.
    """
    accelerator = choose_accelerator(device)
    clock: Callable[[], float] = time.process_time if accelerator == "cpu" else time.perf_counter
    config = without_weights_file(config)
    module = PretrainingModule(build_model(config), config).to(accelerator)
    optimizer = module.configure_optimizers()["optimizer"]
    dataset = build_dataset(config, data, scenes, version)
    total_s = 0.0
    for kind, steps in steps_by_kind(module).items():
        seconds = []
        for index in spread(len(dataset), _WARM_UP + _TIMED):
            batch = first_batch(dataset, kind, index).to(accelerator)
            start = clock()
            module.step_losses(batch, steps[-1])["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()
            if accelerator == "cuda":
                torch.cuda.synchronize()
            seconds.append(clock() - start)
        total_s += len(steps) * median(seconds[_WARM_UP:] or seconds)
    return total_s / config.optim.steps
