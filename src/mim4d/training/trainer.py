"""Lightning's trainer, as a run uses it: how it is made, and what ends it in words for a user."""

import signal
from pathlib import Path

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from mim4d.config import PretrainConfig, RunConfig
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import MachineError
from mim4d.runs.checkpoint import AtomicCheckpointIO
from mim4d.training.averaging import WeightAverage
from mim4d.training.callbacks import Checkpoints, Metrics, Progress, SkippedClips, StepClock
from mim4d.training.loggers import build_loggers
from mim4d.training.meeting import environment_of
from mim4d.training.processes import Processes
from mim4d.training.step_module import StepModule
from mim4d.training.termination import StopOnSignal
from mim4d.training.validation import Validation
from mim4d.training.watch import Watch

_OTHER_PROCESS_GONE = ("Connection closed by peer", "Connection reset by peer")
_PORT_TAKEN = ("EADDRINUSE", "address already in use", "Address already in use")
_LOADER_GONE = ("DataLoader worker", "shared memory", "Bus error")


def fit(
    trainer: pl.Trainer,
    module: StepModule,
    loader: "DataLoader[Clip]",
    checkpoint: Path | None,
) -> None:
    """Train; a key press ends as it would without a trainer."""
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        text = str(error)
        if trainer.world_size > 1 and any(sign in text for sign in _OTHER_PROCESS_GONE):
            raise ValueError("another process of this run has stopped; it says why") from error
        if any(sign in text for sign in _PORT_TAKEN):
            raise MachineError(
                f"the processes of this run cannot meet: {text.splitlines()[0][:200]}; another "
                "run may use the port: start again, or set MASTER_PORT to a free one"
            ) from error
        if any(sign in text for sign in _LOADER_GONE):
            raise MachineError(
                f"a loader process has died ({text.splitlines()[0][:160]}): shared memory or "
                "memory may be short. Give fewer --workers (0 needs no shared memory), or a "
                "container more of it (docker run --shm-size=8g)"
            ) from error
        raise


def _strategy(config: RunConfig, processes: Processes) -> str:
    """How gradients are joined; searching for weights without any costs time."""
    if processes.world_size == 1:
        return "auto"
    alone = isinstance(config, PretrainConfig) and config.loss.depth_alone_share > 0
    return "ddp_find_unused_parameters_true" if alone else "ddp"


def build_callbacks(
    config: RunConfig,
    command: str,
    run: Path,
    dataset: NuscenesDataset,
    processes: Processes,
    progress: bool,
    watch: Watch,
    held_out: NuscenesDataset | None,
) -> list[pl.Callback]:
    """In the order in which they act after a step: what is saved must be up to date."""
    callbacks: list[pl.Callback] = [SkippedClips(dataset)]
    averages = None
    if config.optim.ema_momentum is not None:
        averages = WeightAverage(config.optim.ema_momentum)
        callbacks.append(averages)
    clock = StepClock()
    if processes.is_first:
        callbacks.append(Metrics(run, clock))
        callbacks += [Progress(f"{command} {config.preset}")] * progress
    if held_out is not None:
        callbacks.append(Validation(run, watch, held_out, clock, averages))
    stop = StopOnSignal(run, command.split()[0])
    return [*callbacks, Checkpoints(run, config.checkpoint_every), stop]


def build_trainer(
    config: RunConfig,
    run: Path,
    accelerator: str,
    first_step: int,
    processes: Processes,
    callbacks: list[pl.Callback],
    watch: Watch,
) -> pl.Trainer:
    """The trainer as our runs want it: our checkpoints, sampling, progress and precision."""
    return pl.Trainer(
        accelerator=accelerator,
        devices=processes.devices,
        num_nodes=processes.nodes,
        strategy=_strategy(config, processes),
        use_distributed_sampler=False,  # ours knows the processes
        precision="32-true",  # the encoder runs its networks in half precision by itself
        max_steps=config.optim.steps,
        max_epochs=-1,
        accumulate_grad_batches=config.optim.accumulate,
        gradient_clip_val=config.optim.clip_norm,
        logger=build_loggers(watch.loggers, run, first_step) if processes.is_first else False,
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), environment_of(processes)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )
