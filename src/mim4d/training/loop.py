"""One pre-training run: data, model, estimate, training, what is left behind."""

import logging
import signal
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from mim4d.build.data import build_dataset
from mim4d.build.pretraining import build_model
from mim4d.build.trunk import without_weights_file
from mim4d.config import Device, PretrainConfig
from mim4d.config.checks import require
from mim4d.data.clip import Clip
from mim4d.data.loader import Loading, Machine, build_loader, choose_loading
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.errors import DataError
from mim4d.files import replacing
from mim4d.runs.checkpoint import (
    ENCODER_FILE,
    AtomicCheckpointIO,
    latest_checkpoint,
    load_checkpoint,
)
from mim4d.runs.loading import start_at
from mim4d.runs.record import (
    config_differences,
    create_run,
    read_config,
    read_record,
    refuse_existing,
    truncate_metrics,
)
from mim4d.training.averaging import WeightAverage
from mim4d.training.callbacks import Checkpoints, MetricsFile, Progress, SkippedClips
from mim4d.training.devices import choose_accelerator
from mim4d.training.estimate import describe, describe_cost, estimate_cost, load_cost
from mim4d.training.memory import keep_freed_memory
from mim4d.training.modules import PretrainingModule
from mim4d.training.processes import Processes
from mim4d.training.sampling import StepSampler

logger = logging.getLogger(__name__)
_TRAINING = SceneChoice("train")
_OTHER_PROCESS_GONE = ("Connection closed by peer", "Connection reset by peer")


def pretrain(
    config: PretrainConfig,
    data: Path,
    run: Path,
    *,
    version: str | None = None,
    resume: bool = False,
    start_from: Path | None = None,
    overfit: int = 0,
    scenes: SceneChoice = _TRAINING,
    device: Device = "auto",
    devices: int = 1,
    workers: int | None = None,
    skip_bad_clips: bool = False,
    progress: bool = True,
) -> bool:
    """Train and leave a run folder.

    Args:
        config: The resolved configuration.
        data: Folder of a data set in the nuScenes format.
        run: The run folder; must not hold a run unless `resume`.
        version: Version folder of the data set; found by itself where there is only one.
        resume: Continue the run from its newest checkpoint, exactly as if it had not stopped.
        start_from: Another run, whose model the new one starts from.
        overfit: Train on only so many clips (0: on all).
        scenes: Scenes to train on.
        device: Where to train.
        devices: Processes, one per device. With more than one, the running command is started
            again for each of the others (see `Processes`).
        workers: Loader processes of each process; None decides.
        skip_bad_clips: Skip, count and report clips that cannot be read instead of stopping.
        progress: Show a progress bar.

    Returns:
        Whether this is the first of the processes, the one that reports.

    Raises:
        ValueError: For anything wrong with the data, the configuration or the run folder.
        NonFiniteError: If a step gives a loss or gradient that is not finite.
    """
    if overfit < 0 or (workers is not None and workers < 0):
        raise ValueError(f"--overfit {overfit} and --workers {workers}: expected 0 or more")
    accelerator = choose_accelerator(device)
    if accelerator == "cpu":
        keep_freed_memory()
    processes = Processes.here(devices, accelerator)
    if not processes.is_first:
        logging.getLogger("mim4d").setLevel(logging.WARNING)
    if resume:
        _check_resumable(config, run, data, overfit, start_from, processes)
    elif processes.is_first:  # which has made it by the time the others come here
        refuse_existing(run)
    _check_start(config, start_from)
    dataset = build_dataset(
        config, data, scenes, version, on_bad_clip="skip" if skip_bad_clips else "fail"
    )
    names = sorted({dataset.scene_name(i) for i in range(len(dataset))})
    num_clips = min(overfit, len(dataset)) if overfit else len(dataset)
    checkpoint, first_step = None, 0
    if resume:
        _check_same_scenes(run, names)
        checkpoint = latest_checkpoint(run)
        first_step = int(load_checkpoint(checkpoint)["global_step"]) if checkpoint else 0
    torch.manual_seed(config.seed)
    start = without_weights_file(config) if checkpoint or start_from else config
    module = PretrainingModule(build_model(start), config, processes.world_size)
    if start_from is not None and checkpoint is None:
        start_at(module.model, start_from)
    if processes.is_first and not resume:
        loading = _begin(module, dataset, num_clips, accelerator, processes, workers)
        create_run(run, config, data, names, overfit, processes.world_size, start_from)
    else:
        cost = load_cost(dataset, config.optim.batch_size)[0]
        machine = Machine.here(processes.devices)
        loading = choose_loading(cost, machine, accelerator == "cuda", workers)
    if processes.is_first and resume:
        truncate_metrics(run / "metrics.jsonl", first_step)
        logger.info("continuing %s after step %d of %d", run, first_step, config.optim.steps)
    sampler = StepSampler(
        num_clips, module.shape, config.optim.steps, config.seed, first_step, processes.rank
    )
    loader = build_loader(dataset, sampler, loading)
    _quiet_lightning()
    callbacks = _callbacks(config, run, dataset, processes, progress)
    trainer = _trainer(config, run, accelerator, first_step, processes, callbacks)
    _fit(trainer, module, loader, checkpoint)
    if processes.is_first:
        _export_encoder(module, callbacks, run)
    return processes.is_first


def _begin(
    module: PretrainingModule,
    dataset: NuscenesDataset,
    num_clips: int,
    accelerator: str,
    processes: Processes,
    workers: int | None,
) -> Loading:
    """Say what a new run will be and cost, and choose how to load for it."""
    config = module.config
    estimate, clip = estimate_cost(module, dataset, accelerator)
    logger.info("%s", describe(config, clip, num_clips, processes.world_size))
    machine = Machine.here(processes.devices)
    loading = choose_loading(estimate.load, machine, accelerator == "cuda", workers)
    logger.info("%s", describe_cost(estimate, config.optim, accelerator, loading))
    return loading


def _export_encoder(module: PretrainingModule, callbacks: list[pl.Callback], run: Path) -> None:
    """Write what users exchange: the encoder, of averaged weights where there are any."""
    state = module.state_dict()
    for callback in callbacks:
        if isinstance(callback, WeightAverage):
            state = callback.average
    prefix = "model.encoder."
    weights = {
        name.removeprefix(prefix): value.cpu().contiguous()
        for name, value in state.items()
        if name.startswith(prefix)
    }
    with replacing(run / ENCODER_FILE) as temporary:
        save_file(weights, temporary)


def _fit(
    trainer: pl.Trainer,
    module: PretrainingModule,
    loader: "DataLoader[Clip]",
    checkpoint: Path | None,
) -> None:
    """Train; a key press and a bad clip end as they would without trainer and loader processes."""
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    except DataError as error:
        # From a loader process the message arrives inside a printed traceback.
        raise DataError(str(error).rsplit("Error: ", 1)[-1].strip()) from error
    except RuntimeError as error:
        if trainer.world_size > 1 and any(sign in str(error) for sign in _OTHER_PROCESS_GONE):
            raise ValueError("another process of this run has stopped; it says why") from error
        raise


def _check_start(config: PretrainConfig, start_from: Path | None) -> None:
    """Refuse to freeze weights that nothing has taught, and two sets of weights to start from."""
    encoder = config.encoder
    named = encoder.weights_file is not None or encoder.weights != "random"
    if start_from is not None and named:
        raise ValueError(
            f"--start-from {start_from}: gives the whole model its weights; leave out "
            "--encoder.weights-file and --encoder.weights"
        )
    taught = named or start_from is not None
    require(
        taught or encoder.frozen_stages == 0,
        "encoder.frozen_stages",
        encoder.frozen_stages,
        "0 while the encoder starts from random weights, or --encoder.weights-file or --start-from "
        "beside it",
    )


def _check_resumable(
    config: PretrainConfig,
    run: Path,
    data: Path,
    overfit: int,
    start_from: Path | None,
    processes: Processes,
) -> None:
    """Refuse to continue a run with anything that would make it another run."""
    recorded, record = read_config(run), read_record(run)
    if "imported" in record:
        raise ValueError(
            f"{run}: holds an imported model, without the optimiser's state; start a new --out "
            f"from it with --start-from {run}"
        )
    if recorded.preset != config.preset:
        raise ValueError(
            f"{run}: holds a run of preset {recorded.preset!r}, not {config.preset!r}; resume it "
            f"with `mim4d pretrain {recorded.preset}`"
        )
    differences = config_differences(recorded, config)
    # What was not always written down, and what it was then.
    record = {"processes": 1, "start_from": None} | record
    given = {
        "data": str(data.resolve()),
        "overfit": overfit,
        "processes": processes.world_size,
        "start_from": None if start_from is None else str(start_from.resolve()),
    }
    for name, here in given.items():
        there = record[name]
        if there != here:
            differences.append(f"{name} ({there} / {here})")
    if differences:
        raise ValueError(
            f"{run}: was started with other options (there / here): {', '.join(differences)}; "
            "resume with the same options or start a new --out"
        )


def _check_same_scenes(run: Path, names: list[str]) -> None:
    """Refuse to continue a run on other scenes than it was started with."""
    recorded = read_record(run)["training_scenes"]
    if recorded != names:
        new, gone = sorted(set(names) - set(recorded)), sorted(set(recorded) - set(names))
        raise ValueError(
            f"{run}: was started on {len(recorded)} scenes, not on these {len(names)} (new: "
            f"{', '.join(new[:3]) or 'none'}; missing: {', '.join(gone[:3]) or 'none'}); resume "
            "with the same data and the same choice of scenes, or start a new --out"
        )


def _callbacks(
    config: PretrainConfig,
    run: Path,
    dataset: NuscenesDataset,
    processes: Processes,
    progress: bool,
) -> list[pl.Callback]:
    """In the order in which they act after a step: what is saved must be up to date."""
    callbacks: list[pl.Callback] = [SkippedClips(dataset)]
    if config.optim.ema_momentum is not None:
        callbacks.append(WeightAverage(config.optim.ema_momentum))
    if processes.is_first:
        callbacks.append(MetricsFile(run / "metrics.jsonl"))
        callbacks += [Progress(f"pretrain {config.preset}")] * progress
    return [*callbacks, Checkpoints(run, config.checkpoint_every)]


def _trainer(
    config: PretrainConfig,
    run: Path,
    accelerator: str,
    first_step: int,
    processes: Processes,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    return pl.Trainer(
        accelerator=accelerator,
        devices=processes.devices,
        num_nodes=processes.nodes,
        strategy="ddp" if processes.world_size > 1 else "auto",
        use_distributed_sampler=False,  # ours knows the processes
        precision="32-true",  # the encoder runs its networks in half precision by itself
        max_steps=config.optim.steps,
        max_epochs=-1,
        accumulate_grad_batches=config.optim.accumulate,
        gradient_clip_val=config.optim.clip_norm,
        logger=TensorBoardLogger(run, name="", version="tensorboard", purge_step=first_step),
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )


def _quiet_lightning() -> None:
    """Our own lines say what matters; Lightning's advice is for loaders that keep state."""
    for name in ("pytorch", "pytorch.utilities.rank_zero", "fabric.utilities.distributed"):
        logging.getLogger(f"lightning.{name}").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.*")
    # Of weights of 1 × 1 convolutions, whose strides mean nothing.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
