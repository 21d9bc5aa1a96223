"""One training run: data, model, estimate, training, what is left behind."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

import lightning.pytorch as pl
import torch
from safetensors.torch import save_file

from mim4d.build.data import build_dataset
from mim4d.build.pretraining import build_model
from mim4d.build.trunk import without_weights_file
from mim4d.config import Device, PretrainConfig, RunConfig, TaskConfig
from mim4d.data.clip import Clip
from mim4d.data.fingerprint import fingerprint
from mim4d.data.loader import Loading, Machine, build_loader, choose_loading
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import TRAINING, SceneChoice
from mim4d.files import replacing
from mim4d.runs.checkpoint import (
    ENCODER_FILE,
    latest_checkpoint,
    load_checkpoint,
)
from mim4d.runs.loading import start_at
from mim4d.runs.metrics_file import truncate_metrics
from mim4d.runs.record import create_run, refuse_existing
from mim4d.training.allocator import keep_freed_memory
from mim4d.training.averaging import WeightAverage
from mim4d.training.census import judge, take_census
from mim4d.training.class_balance import balance_classes
from mim4d.training.devices import choose_accelerator
from mim4d.training.estimate import describe, describe_cost, estimate_cost, load_cost
from mim4d.training.meeting import meet
from mim4d.training.memory_advice import describe_savings
from mim4d.training.modules import PretrainingModule
from mim4d.training.processes import Processes
from mim4d.training.quiet import at_least, lightning_turned_down
from mim4d.training.resume import (
    check_resumable,
    check_same_data,
    check_same_scenes,
    check_start,
    extend_run,
)
from mim4d.training.sampling import StepSampler
from mim4d.training.step_module import StepModule
from mim4d.training.trainer import build_callbacks, build_trainer, fit
from mim4d.training.validation import refuse_trained_on
from mim4d.training.watch import Watch

logger = logging.getLogger(__name__)
_WATCH = Watch()


class RunOptions(TypedDict, total=False):
    """What every training run takes beside its configuration; see `train`."""

    version: str | None
    resume: bool
    overfit: int
    scenes: SceneChoice
    device: Device
    devices: int
    workers: int | None
    skip_bad_clips: bool
    progress: bool
    watch: Watch
    extends: bool


@dataclass(frozen=True)
class Job:
    """What a run trains: all in which a pre-training and a task differ for the loop.

    Attributes:
        config: The resolved configuration.
        command: Words of the command before its preset.
        start: What the run started from, by the name under which it is recorded.
        make: The module with the weights it starts from, for so many processes; where a checkpoint
            will give it all of its weights, it need not read any.
        options: What else a resumed run should be given again, as it is recorded.
    """

    config: RunConfig
    command: str
    start: dict[str, str | None]
    make: Callable[[int, bool], StepModule]
    options: dict[str, Any] = field(default_factory=dict)


def pretrain(
    config: PretrainConfig,
    data: Path,
    run: Path,
    *,
    start_from: Path | None = None,
    **options: Unpack[RunOptions],
) -> bool:
    """Pre-train and leave a run folder.

    Args:
        config: The resolved configuration.
        data: Folder of a data set in the nuScenes format.
        run: The run folder; must not hold a run unless it is resumed.
        start_from: Another run, whose model the new one starts from.
        **options: See `train`.

    Returns:
        Whether this is the first of the processes, the one that reports.

    Raises:
        ValueError: For anything wrong with the data, the configuration or the run folder.
        NonFiniteError: If a step gives a loss or gradient that is not finite.
    """

    def make(world_size: int, restored: bool) -> StepModule:
        start = without_weights_file(config) if restored or start_from else config
        module = PretrainingModule(build_model(start), config, world_size)
        if start_from is not None and not restored:
            start_at(module.model, start_from)
        return module

    if not options.get("resume"):  # else it was checked when it started
        check_start(config, start_from, "--start-from")
    start = {"start_from": None if start_from is None else str(start_from.resolve())}
    return train(Job(config, "pretrain", start, make), data, run, **options)


def train(
    job: Job,
    data: Path,
    run: Path,
    *,
    version: str | None = None,
    resume: bool = False,
    overfit: int = 0,
    scenes: SceneChoice = TRAINING,
    device: Device = "auto",
    devices: int = 1,
    workers: int | None = None,
    skip_bad_clips: bool = False,
    progress: bool = True,
    watch: Watch = _WATCH,
    extends: bool = False,
) -> bool:
    """Train anything and leave a run folder: the one loop of pre-training and of every task.

    Args:
        job: What is trained.
        data: Folder of a data set in the nuScenes format.
        run: The run folder; must not hold a run unless `resume`.
        version: Version folder of the data set; found by itself where there is only one.
        resume: Continue the run from its newest checkpoint, exactly as if it had not stopped.
        overfit: Train on only so many clips (0: on all).
        scenes: Scenes to train on.
        device: Where to train.
        devices: Processes, one per device. With more than one, the running command is started
            again for each of the others (see `Processes`).
        workers: Loader processes of each process; None decides.
        skip_bad_clips: Skip, count and report clips that cannot be read instead of stopping.
        progress: Show progress.
        watch: Loggers and validation; nothing of them changes the training.
        extends: Take the steps and the schedule of the configuration for a resumed run, too.

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
    meet(processes, accelerator)
    said_by_the_first = () if processes.is_first else ("mim4d",)
    with lightning_turned_down(), at_least(logging.WARNING, *said_by_the_first):
        _train(
            job,
            data,
            run,
            processes,
            accelerator,
            version=version,
            resume=resume,
            overfit=overfit,
            scenes=scenes,
            workers=workers,
            skip_bad_clips=skip_bad_clips,
            progress=progress,
            watch=watch,
            extends=extends,
        )
    return processes.is_first


def _train(
    job: Job,
    data: Path,
    run: Path,
    processes: Processes,
    accelerator: str,
    *,
    version: str | None,
    resume: bool,
    overfit: int,
    scenes: SceneChoice,
    workers: int | None,
    skip_bad_clips: bool,
    progress: bool,
    watch: Watch,
    extends: bool,
) -> None:
    """What one of the processes does; see `train`."""
    config = job.config
    facts = {"overfit": overfit, "processes": processes.world_size, **job.start}
    if resume:
        given = {"data": str(data.resolve()), **facts}
        check_resumable(config, run, job.command, given, extends=extends)
    elif processes.is_first:  # which has made it by the time the others come here
        refuse_existing(run)
    dataset = build_dataset(
        config, data, scenes, version, on_bad_clip="skip" if skip_bad_clips else "fail"
    )
    names = sorted({dataset.scene_name(i) for i in range(len(dataset))})
    num_clips = min(overfit, len(dataset)) if overfit else len(dataset)
    held_out = None
    if watch.validate_every:
        held_out = build_dataset(config, data, watch.validation_scenes, version)
        refuse_trained_on(held_out, names)
    checkpoint, first_step = None, 0
    if resume:
        check_same_scenes(run, names)
        check_same_data(run, config, fingerprint(dataset.tables, names))
        checkpoint = latest_checkpoint(run)
        first_step = int(load_checkpoint(checkpoint)["global_step"]) if checkpoint else 0
    torch.manual_seed(config.seed)
    module = job.make(processes.world_size, checkpoint is not None)
    if not resume:
        for warning in judge(take_census(module, dataset, num_clips), str(data)):
            if processes.is_first:
                logger.warning("%s", warning)
    if processes.is_first and not resume:
        loading = _begin(module, dataset, num_clips, accelerator, processes, workers)
        held = fingerprint(dataset.tables, names)
        options = {
            **job.options,
            "on_bad_clip": "skip" if skip_bad_clips else "fail",
            **watch.as_options(),
        }
        create_run(run, config, data, names, {**facts, "data_set": held, "options": options})
    else:
        cost = load_cost(dataset, config.optim.batch_size)[0]
        machine = Machine.here(processes.devices)
        loading = choose_loading(cost, machine, accelerator == "cuda", workers)
    if processes.is_first and resume:
        extend_run(run, config)
        truncate_metrics(run, first_step)
        if first_step < config.optim.steps:
            logger.info("resuming %s after step %d of %d", run, first_step, config.optim.steps)
        else:
            logger.info("%s has all its %d steps; for more: --extend-to N", run, first_step)
    order = None
    if isinstance(config, TaskConfig) and config.class_balanced and not overfit:
        balance = balance_classes(dataset, config.seed, config.head)
        order = balance.clips
        if processes.is_first:
            logger.info("%s", balance)
    kinds = [module.kind_of(step) for step in range(config.optim.steps)]
    sampler = StepSampler(num_clips, kinds, config.seed, first_step, processes.rank, order)
    loader = build_loader(dataset, sampler, loading)
    callbacks = build_callbacks(
        config, job.command, run, dataset, processes, progress, watch, held_out
    )
    trainer = build_trainer(config, run, accelerator, first_step, processes, callbacks, watch)
    fit(trainer, module, loader, checkpoint)
    if processes.is_first:
        _export_encoder(module, callbacks, run)


def _begin(
    module: StepModule,
    dataset: NuscenesDataset,
    num_clips: int,
    accelerator: str,
    processes: Processes,
    workers: int | None,
) -> Loading:
    """Say what a new run will be and cost, and choose how to load for it."""
    config = module.config
    try:
        estimate, clip = estimate_cost(module, dataset, accelerator)
    except torch.OutOfMemoryError as error:
        raise ValueError(_no_memory(config, dataset[0], error)) from error
    logger.info("%s", describe(config, clip, num_clips, processes.world_size))
    machine = Machine.here(processes.devices)
    loading = choose_loading(estimate.load, machine, accelerator == "cuda", workers)
    logger.info("%s", describe_cost(estimate, config.optim, accelerator, loading))
    return loading


def _no_memory(config: RunConfig, clip: Clip, error: torch.OutOfMemoryError) -> str:
    """That the first step did not fit, and what would help."""
    reason = f"the first step does not fit into memory ({str(error).splitlines()[0]})"
    if isinstance(config, TaskConfig):
        return f"{reason}: {describe_savings(config, clip)}"
    return f"{reason}: try --optim.batch-size 1, --precision bf16, --encoder.checkpoint-blocks"


def _export_encoder(module: StepModule, callbacks: list[pl.Callback], run: Path) -> None:
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
