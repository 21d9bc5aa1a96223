"""Lightning's loggers by name. A run's numbers stand in metrics.jsonl in any case."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from mim4d.errors import MachineError, need_extra
from mim4d.files import write_text
from mim4d.runs.record import read_record
from mim4d.training.watch import LoggerName

_PROJECT = "mim4d"
_MLFLOW_RUN = "mlflow_run_id.txt"


def build_loggers(names: Sequence[LoggerName], run: Path, first_step: int) -> list[Logger]:
    """The loggers of a run; what they write on this machine lies in the run folder.

    Weights & Biases takes project and entity from its own variables (WANDB_PROJECT, ...) and MLflow
    its server from MLFLOW_TRACKING_URI. A resumed run goes on in the same place of both.

    Args:
        names: Which.
        run: Run folder; its name is the run's.
        first_step: Step at which a resumed run goes on.

    Raises:
        ImportError: If the extra of one is not installed.
    """
    found = []
    for name in dict.fromkeys(names):
        with _said_in_a_line(name, run):
            found.append(_build(name, run, first_step))
    return found


@contextmanager
def _said_in_a_line(name: str, run: Path) -> Iterator[None]:
    """What a service's own library raises, as one error that says how to go on."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MachineError(
            f"logger {name}: cannot start ({reason[:200]}); log in or set its server and continue "
            f"with --resume {run}, or choose others by --logger"
        ) from error


def _build(name: LoggerName, run: Path, first_step: int) -> Logger:
    match name:
        case "tensorboard":
            return TensorBoardLogger(
                run,
                name="",
                version="tensorboard",
                purge_step=first_step,
                default_hp_metric=False,
            )
        case "csv":
            # A file for each start: Lightning deletes what a folder of the same name held.
            return CSVLogger(run, name="csv", version=f"from-step-{first_step:07d}")
        case "wandb":
            need_extra("wandb", "--logger wandb")
            project = os.environ.get("WANDB_PROJECT", _PROJECT)
            known = sha256(f"{run.name}/{read_record(run)['started']}".encode()).hexdigest()[:16]
            return WandbLogger(run.name, run, id=known, project=project, resume="allow")
        case "mlflow":
            need_extra("mlflow", "--logger mlflow")
            server, here = os.environ.get("MLFLOW_TRACKING_URI"), run.resolve()
            known_id = run / _MLFLOW_RUN
            return MLFlowLogger(
                os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
                run.name,
                server or f"sqlite:///{here}/mlflow.db",
                # A server knows itself where pictures go; without one they stay with the run.
                artifact_location=None if server else f"{here}/mlflow",
                run_id=known_id.read_text().strip() if known_id.is_file() else None,
            )


def log_image(logger: Logger, name: str, image: UInt8[np.ndarray, "h w 3"], step: int) -> None:
    """Show an image in a logger that can."""
    match logger:
        case TensorBoardLogger():
            logger.experiment.add_image(name, image, step, dataformats="HWC")
        case WandbLogger():
            logger.log_image(name, [image], step)
        case MLFlowLogger():
            logger.experiment.log_image(logger.run_id, image, f"{name}/{step:07d}.png")


def begin(logger: Logger, options: dict[str, Any], run: Path) -> None:
    """Send the configuration, and write down what a resumed run must know to go on there.

    Raises:
        MachineError: If a service cannot be reached, or wants a login.
    """
    with _said_in_a_line(type(logger).__name__, run):
        logger.log_hyperparams(options)
        if isinstance(logger, MLFlowLogger) and logger.run_id is not None:
            write_text(run / _MLFLOW_RUN, f"{logger.run_id}\n")
