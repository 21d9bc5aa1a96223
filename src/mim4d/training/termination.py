"""SIGTERM, as clusters send it before they end a job, and Ctrl-C: save, say so, and leave."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl

from mim4d.errors import Terminated
from mim4d.runs.checkpoint import checkpoint_path
from mim4d.training.callbacks import StepCallback

_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}


class StopOnSignal(StepCallback):
    """Ends training after the step at which a signal reached any of the processes.

    A second Ctrl-C ends at once, without a checkpoint of its own.

    Args:
        run: Run folder.
        command: Word of the command, for the message.
    """

    def __init__(self, run: Path, command: str) -> None:
        self.run, self.command = run, command
        self._asked = 0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen; the trainer's own handlers end without a checkpoint."""
        for number in _NAMES:
            self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._asked == signal.SIGINT:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            print(
                "\nstopping after this step ... (Ctrl-C again: at once)",
                file=sys.stderr,
                flush=True,
            )
        self._asked = number

    def on_step_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and stop, all processes together.

        Raises:
            Terminated: If one of them was asked to end.
        """
        asked = self._asked
        if trainer.world_size > 1:
            asked = _largest(trainer, asked)
        if not asked or trainer.global_step >= trainer.max_steps:
            return
        path = checkpoint_path(self.run, trainer.global_step)
        if not path.exists():
            trainer.save_checkpoint(path)
        raise Terminated(
            f"stopped by {_NAMES[signal.Signals(asked)]} after {trainer.global_step} steps of "
            f"{trainer.max_steps}, saved as {path}; continue with: mim4d {self.command} --resume "
            f"{self.run}",
            status=128 + asked,
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
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _largest(trainer: pl.Trainer, number: int) -> int:
    """The largest of the processes' signals, the same for all."""
    for each in sorted(_NAMES, reverse=True):
        if trainer.strategy.reduce_boolean_decision(number == each, all=False):
            return int(each)
    return 0
