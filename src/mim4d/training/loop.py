"""One pre-training run: data, model, estimate, training, what is left behind."""

import logging
import resource
import sys
import time
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from mim4d.build import build_dataset, build_model
from mim4d.config import RunConfig
from mim4d.data.clip import Clip, collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.training.callbacks import Checkpoints, MetricsFile, Progress
from mim4d.training.checkpoint import AtomicCheckpointIO, latest_checkpoint, load_checkpoint
from mim4d.training.devices import Device, choose_accelerator
from mim4d.training.modules import PretrainingModule
from mim4d.training.record import config_differences, create_run, read_config, truncate_metrics
from mim4d.training.sampling import StepSampler

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, measured on its own first clip."""

    seconds_per_step: float
    peak_bytes: int


def pretrain(
    config: RunConfig,
    data: Path,
    run: Path,
    *,
    version: str | None = None,
    resume: bool = False,
    overfit: int = 0,
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
        device: Where to train.
        workers: Loader processes; None decides.
        skip_bad_clips: Skip, count and report clips that cannot be read instead of stopping.
        progress: Show a progress bar.

    Raises:
        ValueError: For anything wrong with the data, the configuration or the run folder.
    """
    checkpoint = _resume_point(config, run) if resume else None
    dataset = build_dataset(
        config, data, "train", version, on_bad_clip="skip" if skip_bad_clips else "fail"
    )
    num_clips = min(overfit, len(dataset)) if overfit else len(dataset)
    torch.manual_seed(config.seed)
    module = PretrainingModule(build_model(config), config)
    accelerator = choose_accelerator(device)
    if checkpoint is None:
        first = dataset[0]
        logger.info("%s", describe(config, first, num_clips))
        estimate = estimate_cost(module, first, accelerator)
        logger.info("%s", describe_cost(estimate, config.optim.steps, accelerator))
        create_run(run, config, data, sorted({dataset.scene_name(i) for i in range(len(dataset))}))
    first_step = 0
    if checkpoint is not None:
        first_step = int(load_checkpoint(checkpoint)["global_step"])
        truncate_metrics(run / "metrics.jsonl", first_step)
        logger.info("continuing %s after step %d of %d", run, first_step, config.optim.steps)
    loader = build_loader(dataset, config, num_clips, first_step, _num_workers(workers))
    _quiet_lightning()
    trainer = _trainer(config, run, accelerator, first_step, progress)
    trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if dataset.num_skipped:
        logger.warning("%d clips could not be read and were skipped", dataset.num_skipped)
    if trainer.is_global_zero:
        weights = {k: v.contiguous() for k, v in module.model.encoder.state_dict().items()}
        save_file(weights, run / "encoder.safetensors")


def build_loader(
    dataset: NuscenesDataset, config: RunConfig, num_clips: int, first_step: int, workers: int
) -> "DataLoader[Clip]":
    """Batches for the remaining steps; the same whatever the number of workers."""
    sampler = StepSampler(
        num_clips, config.optim.batch_size, config.optim.steps, config.seed, first_step
    )
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=2 if workers else None,
    )


def estimate_cost(module: PretrainingModule, clip: Clip, accelerator: str) -> Estimate:
    """Time two steps of a copy of the model on one batch; nothing of the run is touched."""
    probe = deepcopy(module).to(accelerator)
    batch = collate([clip] * module.config.optim.batch_size).to(accelerator)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        probe.step_losses(batch, step=0)["loss"].backward()
        if accelerator == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    # AdamW keeps two further numbers per weight; gradients were there during the probe.
    moments = 2 * sum(p.numel() * p.element_size() for p in probe.parameters())
    return Estimate(seconds, peak_bytes(accelerator) + moments)


def describe(config: RunConfig, clip: Clip, num_clips: int) -> str:
    """What will be trained on what, in a line."""
    _, t, n, _, h, w = clip.images.shape
    return (
        f"{config.preset}: {config.optim.steps} steps of {config.optim.batch_size} clip(s), drawn "
        f"from {num_clips}; a clip is {t} frames × {n} cameras at {h}×{w}"
    )


def describe_cost(estimate: Estimate, steps: int, accelerator: str) -> str:
    """The estimate in a line."""
    minutes, seconds = divmod(round(estimate.seconds_per_step * steps), 60)
    return (
        f"about {estimate.seconds_per_step:.2f} s a step on {accelerator}, {minutes} min "
        f"{seconds:02d} s in all, and {estimate.peak_bytes / 2**30:.1f} GiB of memory"
    )


def peak_bytes(accelerator: str) -> int:
    """Largest memory so far: of the process on a CPU, of the device elsewhere."""
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def _resume_point(config: RunConfig, run: Path) -> Path:
    recorded = read_config(run)
    if recorded.preset != config.preset:
        raise ValueError(
            f"{run}: holds a run of preset {recorded.preset!r}, not {config.preset!r}; resume it "
            f"with `mim4d pretrain {recorded.preset}`"
        )
    differences = config_differences(recorded, config)
    if differences:
        raise ValueError(
            f"{run}: was started with another configuration (there / here): "
            f"{', '.join(differences)}; resume with the same options or start a new --out"
        )
    checkpoint = latest_checkpoint(run)
    if checkpoint is None:
        raise ValueError(
            f"{run}: has no checkpoint to resume from; it stopped before step "
            f"{config.checkpoint_every}. Remove the folder and start again"
        )
    return checkpoint


def _num_workers(workers: int | None) -> int:
    """One process decodes while the step computes; more only where there are cores to spare."""
    if workers is not None:
        return workers
    cores = torch.get_num_threads()
    return 1 if cores <= 4 else min(8, cores // 2)


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
