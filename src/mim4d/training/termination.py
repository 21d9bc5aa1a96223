"""SIGTERM, as clusters send it before they end a job: save, say so, and leave with status 143."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl

from mim4d.errors import Terminated
from mim4d.runs.checkpoint import checkpoint_path
from mim4d.training.callbacks import StepCallback


class StopOnSigterm(StepCallback):
    """Ends training after the step at which the signal reached any of the processes.

    Args:
        run: Run folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._asked = False
        self._before: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen; the trainer's own handler ends without a checkpoint."""
        self._before = signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and stop, all processes together.

        Raises:
            Terminated: If one of them was asked to end.
        """
        asked = self._asked
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if not asked or trainer.global_step >= trainer.max_steps:
            return
        path = checkpoint_path(self.run, trainer.global_step)
        if not path.exists():
            trainer.save_checkpoint(path)
        raise Terminated(
            f"stopped by SIGTERM after {trainer.global_step} steps of {trainer.max_steps}, saved "
            f"as {path}; continue with --resume"
        )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen no more."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Listen no more."""
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None
