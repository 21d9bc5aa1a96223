"""A run that is wanted: kept if it is there and whole, else gone on with or begun."""

import logging
from pathlib import Path

from mim4d.config import Device, PretrainConfig
from mim4d.data.splits import TRAINING, SceneChoice
from mim4d.runs.checkpoint import ENCODER_FILE
from mim4d.runs.record import config_differences, read_config, refuse_existing
from mim4d.training.loop import pretrain

logger = logging.getLogger(__name__)


def is_finished(run: Path) -> bool:
    """Whether a run has done all of its steps."""
    return (run / ENCODER_FILE).is_file()


def refuse_another_run(config: PretrainConfig, run: Path) -> None:
    """Pass if the folder is free, or holds this very run, finished or not.

    Args:
        config: The configuration that is wanted.
        run: Run folder.

    Raises:
        ValueError: If the folder holds anything else; the message names the differences.
    """
    if not (run / "config.json").is_file():
        refuse_existing(run)
        return
    differences = config_differences(read_config(run), config)
    if differences:
        raise ValueError(
            f"{run}: holds a run of another configuration (there / here): "
            f"{', '.join(differences)}; choose another --out, or remove {run}"
        )


def train_unless_finished(
    config: PretrainConfig,
    data: Path,
    run: Path,
    *,
    scenes: SceneChoice = TRAINING,
    version: str | None = None,
    device: Device = "auto",
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Train, go on with an unfinished run, or keep a finished one.

    Args:
        config: The resolved configuration.
        data: Folder of the data set.
        run: Run folder.
        scenes: Scenes to train on.
        version: Version folder of the data set.
        device: Where to train.
        workers: Loader processes; None decides.
        progress: Show a progress bar.

    Raises:
        ValueError: If the folder holds another run, or for anything that `pretrain` refuses.
    """
    refuse_another_run(config, run)
    if is_finished(run):
        logger.info("%s is already finished", run)
        return
    pretrain(
        config,
        data,
        run,
        version=version,
        resume=(run / "config.json").is_file(),
        scenes=scenes,
        device=device,
        workers=workers,
        progress=progress,
    )
