"""Run folder or exported file to the encoder that training leaves behind, and to the model."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from mim4d.build.pretraining import build_model
from mim4d.build.tasks import build_task
from mim4d.build.trunk import build_video_encoder, without_weights_file
from mim4d.config import PretrainConfig, RunConfig, TaskConfig
from mim4d.config.as_json import config_from_json
from mim4d.models.video_encoder import VideoEncoder
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.runs.checkpoint import (
    AVERAGED,
    ENCODER_FILE,
    best_checkpoint,
    latest_checkpoint,
    load_checkpoint,
)
from mim4d.runs.record import (
    read_config,
    read_run_config,
    read_task_config,
)
from mim4d.runs.run_files import EXPORTED_FILE
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task

EMBEDDED_CONFIG = "mim4d_config"
"""The entry of an exported file's metadata that holds the run's configuration."""


def load_encoder(source: str | Path) -> VideoEncoder:
    """The trained encoder of a finished run or of an exported file, ready for evaluation.

    `encoder(clip)` gives volumes, `encoder.encode_images(images)` the neck's features of single
    images (RGB in [0, 1]) and `encoder.image_encoder` is the backbone alone.

    Args:
        source: Folder written by `mim4d pretrain` or `mim4d finetune`, or folder or file written
            by `mim4d export --to safetensors`.

    Raises:
        ValueError: If the folder is no finished run, the file is not of this project, or the
            weights do not fit their configuration.
    """
    if not isinstance(source, str | Path):
        raise ValueError(
            f"load_encoder takes a run folder or a file as path, not a {type(source).__name__}"
        )
    path = Path(source)
    if not path.exists():
        raise ValueError(f"{path}: there is no such run folder or file")
    if path.suffix in (".ckpt", ".pt", ".pth"):
        raise ValueError(
            f"{path}: a checkpoint alone; give its run folder, or a file that `mim4d export "
            "RUN --to safetensors` wrote"
        )
    config: RunConfig
    if path.is_file():
        config, told_by = embedded_config(path), "the configuration in its own head"
    else:
        config, told_by = read_run_config(path), str(path / "config.json")
        path = encoder_file(path)
    encoder = build_video_encoder(without_weights_file(config))
    try:
        encoder.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{path}: does not fit {told_by}: {error}") from error
    return encoder.eval()


def encoder_file(run: Path) -> Path:
    """The encoder's weights in the folder of a finished run, or in an exported folder.

    Raises:
        ValueError: If it has none.
    """
    for path in (run / ENCODER_FILE, run / EXPORTED_FILE):
        if path.is_file():
            return path
    raise ValueError(
        f"{run / ENCODER_FILE}: not found; the run has not finished, continue it with --resume"
    )


def embedded_config(path: Path) -> PretrainConfig:
    """The configuration in the head of an exported file.

    Raises:
        ValueError: If it has none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: cannot be read as safetensors ({error})") from error
    if EMBEDDED_CONFIG not in metadata:
        raise ValueError(
            f"{path}: has no configuration in its head; give a run folder, or a file that "
            "`mim4d export RUN --to safetensors` wrote"
        )
    return config_from_json(metadata[EMBEDDED_CONFIG], str(path))


def load_model(
    run: Path, *, raw: bool = False, best: bool = False
) -> tuple[MaskedVideoModel, PretrainConfig]:
    """The whole model of a run at its newest checkpoint, ready for evaluation.

    Args:
        run: Folder written by `mim4d pretrain`.
        raw: Take the weights as trained also where the run has averaged ones.
        best: Take the checkpoint with the least validation loss instead of the newest.

    Raises:
        ValueError: If there is no checkpoint, or it belongs to another configuration.
    """
    config = read_config(run)
    weights = newest_weights(run, config, raw, best)
    model = build_model(without_weights_file(config))
    _load(model, weights, run)
    return model.eval(), config


def load_task(
    run: Path, *, raw: bool = False, best: bool = False
) -> tuple[TaskModel, Task, TaskConfig]:
    """The model of a task's run at its newest checkpoint, ready for evaluation, and the task.

    Args:
        run: Folder written by `mim4d finetune`.
        raw: Take the weights as trained also where the run has averaged ones.
        best: Take the checkpoint with the least validation loss instead of the newest.

    Raises:
        ValueError: If there is no checkpoint, or it belongs to another configuration.
    """
    config = read_task_config(run)
    weights = newest_weights(run, config, raw, best)
    task, model = build_task(without_weights_file(config))
    _load(model, weights, run)
    return model.eval(), task, config


def newest_weights(
    run: Path, config: RunConfig, raw: bool = False, best: bool = False
) -> dict[str, Any]:
    """Weights in the newest checkpoint of a run, or its best, under the model's names.

    Args:
        run: Folder of a run of any kind.
        config: Its configuration.
        raw: Take the weights as trained also where the run has averaged ones.
        best: Take the checkpoint with the least validation loss instead of the newest.

    Raises:
        ValueError: If there is no checkpoint, or it belongs to another configuration.
    """
    path = best_checkpoint(run) if best else latest_checkpoint(run)
    if path is None:
        raise ValueError(f"{run}: has no checkpoint yet")
    checkpoint = load_checkpoint(path)
    trained = config_from_json(checkpoint["mim4d_config"], str(path), type(config))
    if trained.preset != config.preset:
        raise ValueError(
            f"{path}: is a checkpoint of preset {trained.preset!r}, but {run / 'config.json'} says "
            f"{config.preset!r}; put the checkpoint back into its own run folder"
        )
    state = checkpoint["state_dict"]
    if not raw:
        state = checkpoint.get(AVERAGED, state)
    return {name.removeprefix("model."): value for name, value in state.items()}


def _load(model: nn.Module, weights: dict[str, Any], run: Path) -> None:
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{latest_checkpoint(run)}: does not fit {run / 'config.json'}: {error}"
        ) from error


def untrained_model(config: PretrainConfig) -> MaskedVideoModel:
    """The model as it was before its first step."""
    torch.manual_seed(config.seed)
    return build_model(config).eval()


def start_at(model: MaskedVideoModel, run: Path) -> None:
    """Give a new model the weights of a run: averaged ones where it has them.

    Raises:
        ValueError: If the run has no checkpoint, or another model than the new one.
    """
    _give_weights(model, load_model(run)[0].state_dict(), run)


def start_task_at(model: TaskModel, run: Path) -> None:
    """Give a new model of a task the weights of a run of it, head included.

    What finds things in the images is for training alone: a run that has it may start one without,
    and the other way round it starts afresh.

    Raises:
        ValueError: If the run has no checkpoint, or another model than the new one.
    """
    weights = load_task(run)[0].state_dict()
    wanted = {n: weights.get(n, own) for n, own in model.state_dict().items() if _in_images(n)}
    others = {name: value for name, value in weights.items() if not _in_images(name)}
    _give_weights(model, others | wanted, run)


def _in_images(name: str) -> bool:
    """Whether a weight is of what finds things in the images."""
    return name.startswith("image_head.")


def _give_weights(model: nn.Module, weights: dict[str, Any], run: Path) -> None:
    own = model.state_dict()
    names = sorted(weights.keys() | own.keys())
    different = [
        name
        for name in names
        if name not in weights or name not in own or weights[name].shape != own[name].shape
    ]
    if different:
        raise ValueError(
            f"--start-from {run}: has another model than the one asked for: {len(different)} of "
            f"{len(names)} weights are missing in one of them or of another shape, the first being "
            f"{different[0]}; take {run / 'config.json'} in place of the preset"
        )
    model.load_state_dict(weights)
