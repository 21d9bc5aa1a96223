"""One pre-training run: data, model, estimate, training, what is left behind."""

import logging
import resource
import signal
import sys
import time
import warnings
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from mim4d.build import build_dataset, build_model
from mim4d.config import Device, RunConfig
from mim4d.data.clip import Clip, collate
from mim4d.data.loader import LoadCost, Loading, Machine, build_loader, choose_loading
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.errors import DataError
from mim4d.files import replacing
from mim4d.training.callbacks import Checkpoints, MetricsFile, Progress
from mim4d.training.checkpoint import (
    ENCODER_FILE,
    AtomicCheckpointIO,
    latest_checkpoint,
    load_checkpoint,
)
from mim4d.training.devices import choose_accelerator
from mim4d.training.modules import PretrainingModule
from mim4d.training.optim import build_optimizer
from mim4d.training.record import (
    config_differences,
    create_run,
    read_config,
    read_record,
    refuse_existing,
    truncate_metrics,
)
from mim4d.training.sampling import StepSampler, StepShape

logger = logging.getLogger(__name__)
_TRAINING = SceneChoice("train")


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, measured on its own first clip.

    Attributes:
        step_s: One step, without loading.
        load: What loading a batch costs.
        peak_bytes: Largest memory.
    """

    step_s: float
    load: LoadCost
    peak_bytes: int

    def seconds_per_step(self, workers: int) -> float:
        """Without loader processes the step waits for its clips; they may also be too few."""
        if workers == 0:
            return self.step_s + self.load.load_s
        return max(self.step_s, self.load.load_s / workers)


def pretrain(
    config: RunConfig,
    data: Path,
    run: Path,
    *,
    version: str | None = None,
    resume: bool = False,
    overfit: int = 0,
    scenes: SceneChoice = _TRAINING,
    device: Device = "auto",
    workers: int | None = None,
    skip_bad_clips: bool = False,
    progress: bool = True,
) -> None:
    """Train and leave a run folder.

    Args:
        config: The resolved configuration.
        data: Folder of a data set in the nuScenes format.
        run: The run folder; must not hold a run unless `resume`.
        version: Version folder of the data set; found by itself where there is only one.
        resume: Continue the run from its newest checkpoint, exactly as if it had not stopped.
        overfit: Train on only so many clips (0: on all).
        scenes: Scenes to train on.
        device: Where to train.
        workers: Loader processes; None decides.
        skip_bad_clips: Skip, count and report clips that cannot be read instead of stopping.
        progress: Show a progress bar.

    Raises:
        ValueError: For anything wrong with the data, the configuration or the run folder.
    """
    if overfit < 0 or (workers is not None and workers < 0):
        raise ValueError(f"--overfit {overfit} and --workers {workers}: expected 0 or more")
    if resume:
        _check_resumable(config, run, data, overfit)
    else:
        refuse_existing(run)
    dataset = build_dataset(
        config, data, scenes, version, on_bad_clip="skip" if skip_bad_clips else "fail"
    )
    names = sorted({dataset.scene_name(i) for i in range(len(dataset))})
    num_clips = min(overfit, len(dataset)) if overfit else len(dataset)
    torch.manual_seed(config.seed)
    module = PretrainingModule(build_model(config), config)
    accelerator = choose_accelerator(device)
    checkpoint, first_step = None, 0
    if resume:
        _check_same_scenes(run, names)
        checkpoint = latest_checkpoint(run)
        first_step = int(load_checkpoint(checkpoint)["global_step"]) if checkpoint else 0
        truncate_metrics(run / "metrics.jsonl", first_step)
        cost = load_cost(dataset, config.optim.batch_size)[0]
        loading = choose_loading(cost, Machine.here(), accelerator == "cuda", workers)
        logger.info("continuing %s after step %d of %d", run, first_step, config.optim.steps)
    else:
        estimate, clip = estimate_cost(module, dataset, accelerator)
        logger.info("%s", describe(config, clip, num_clips))
        loading = choose_loading(estimate.load, Machine.here(), accelerator == "cuda", workers)
        logger.info("%s", describe_cost(estimate, config.optim.steps, accelerator, loading))
        create_run(run, config, data, names, overfit)
    optim = config.optim
    shape = StepShape(optim.batch_size)
    sampler = StepSampler(num_clips, shape, optim.steps, config.seed, first_step)
    loader = build_loader(dataset, sampler, loading)
    _quiet_lightning()
    trainer = _trainer(config, run, accelerator, first_step, progress)
    _fit(trainer, module, loader, checkpoint)
    if dataset.num_skipped:
        logger.warning("%d clips could not be read and were skipped", dataset.num_skipped)
    if trainer.is_global_zero:
        weights = {k: v.contiguous() for k, v in module.model.encoder.state_dict().items()}
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


def load_cost(dataset: NuscenesDataset, batch_size: int) -> tuple[LoadCost, Clip]:
    """Time the loading of the first clip, its file in the cache; a step's time is not known."""
    dataset[0]  # the first reading warms the file cache
    start = time.perf_counter()
    clip = dataset[0]
    load_s = batch_size * (time.perf_counter() - start)
    return LoadCost(load_s, batch_size * clip.num_bytes, None), clip


def estimate_cost(
    module: PretrainingModule, dataset: NuscenesDataset, accelerator: str
) -> tuple[Estimate, Clip]:
    """Time two steps of a copy of the model on the first clip; nothing of the run is touched."""
    size = module.config.optim.batch_size
    cost, clip = load_cost(dataset, size)
    probe = deepcopy(module).to(accelerator)
    batch = collate([clip] * size).to(accelerator)
    optimizer, _ = build_optimizer(
        probe.model, probe.model.encoder.image_encoder, module.config.optim
    )
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        probe.step_losses(batch, step=0)["loss"].backward()
        optimizer.step()
        if accelerator == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return Estimate(seconds, replace(cost, step_s=seconds), peak_bytes(accelerator)), clip


def describe(config: RunConfig, clip: Clip, num_clips: int) -> str:
    """What will be trained on what, in a line."""
    _, t, n, _, h, w = clip.images.shape
    frames = f"{t} frames" if t > 1 else "1 frame (none is dropped or rebuilt)"
    return (
        f"{config.preset}: {config.optim.steps} steps of {config.optim.batch_size} clip(s), drawn "
        f"from {num_clips}; a clip is {frames} × {n} cameras at {h}×{w}"
    )


def describe_cost(estimate: Estimate, steps: int, accelerator: str, loading: Loading) -> str:
    """The estimate in a line."""
    step_s = estimate.seconds_per_step(loading.workers)
    minutes, seconds = divmod(round(step_s * steps), 60)
    readers = f"by {loading.workers} processes" if loading.workers else "between the steps"
    return (
        f"about {step_s:.2f} s a step on {accelerator}, {minutes} min {seconds:02d} s in all, and "
        f"{estimate.peak_bytes / 2**30:.1f} GiB of memory; a batch is read in "
        f"{estimate.load.load_s:.2f} s {readers}"
    )


def peak_bytes(accelerator: str) -> int:
    """Largest memory so far: of the process on a CPU, of the device elsewhere."""
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def _check_resumable(config: RunConfig, run: Path, data: Path, overfit: int) -> None:
    """Refuse to continue a run with anything that would make it another run."""
    recorded = read_config(run)
    if recorded.preset != config.preset:
        raise ValueError(
            f"{run}: holds a run of preset {recorded.preset!r}, not {config.preset!r}; resume it "
            f"with `mim4d pretrain {recorded.preset}`"
        )
    record = read_record(run)
    differences = config_differences(recorded, config)
    for name, here in (("data", str(data.resolve())), ("overfit", overfit)):
        if record[name] != here:
            differences.append(f"{name} ({record[name]} / {here})")
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


def _trainer(
    config: RunConfig, run: Path, accelerator: str, first_step: int, progress: bool
) -> pl.Trainer:
    callbacks: list[pl.Callback] = [
        MetricsFile(run / "metrics.jsonl"),
        Checkpoints(run, config.checkpoint_every),
    ]
    if progress:
        callbacks.append(Progress(f"pretrain {config.preset}"))
    return pl.Trainer(
        accelerator=accelerator,
        devices=1,
        precision="32-true",  # the encoder runs its networks in half precision by itself
        max_steps=config.optim.steps,
        max_epochs=-1,
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
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.*")
