"""What a run will cost, measured on its own first clip before anything of the run exists."""

import time
from copy import deepcopy
from dataclasses import dataclass, replace

import torch

from mim4d.config import OptimConfig, PretrainConfig, RunConfig, TaskConfig
from mim4d.config.values import Frozen
from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.data.clip import Clip, collate
from mim4d.data.loader import LoadCost, Loading
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.progress import duration
from mim4d.training.memory import peak_bytes
from mim4d.training.sampling import StepKind, StepShape
from mim4d.training.step_module import StepModule

_TRAINED: dict[Frozen, str] = {
    "nothing": "trunk and head",
    "image_encoder": "trunk and head without the image encoder",
    "trunk": "the head alone",
}


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, measured on its own first clip.

    Attributes:
        step_s: One step, without loading; where steps differ, their mean over the run.
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


def load_cost(dataset: NuscenesDataset, batch_size: int) -> tuple[LoadCost, Clip]:
    """Time the loading of the first clip, its file in the cache; a step's time is not known."""
    dataset[0]  # the first reading warms the file cache
    start = time.perf_counter()
    clip = dataset[0]
    load_s = batch_size * (time.perf_counter() - start)
    return LoadCost(load_s, batch_size * clip.num_bytes, None), clip


def estimate_cost(
    module: StepModule, dataset: NuscenesDataset, accelerator: str
) -> tuple[Estimate, Clip]:
    """Time two steps of each kind of a copy of the model on the first clip.

    Nothing of the run is touched. They are like the last of their kind: what a schedule leaves out
    at first costs time and memory, too.
    """
    cost, clip = load_cost(dataset, module.config.optim.batch_size)
    probe = deepcopy(module).to(accelerator)
    optimizer = probe.configure_optimizers()["optimizer"]
    total_s, by_kind_s = 0.0, []
    for kind, steps in steps_by_kind(module).items():
        batch = first_batch(dataset, kind).to(accelerator)
        for _ in range(2):
            start = time.perf_counter()
            probe.step_losses(batch, step=steps[-1])["loss"].backward()
            optimizer.step()
            if accelerator == "cuda":
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
        total_s += seconds * len(steps)
        by_kind_s.append(seconds)
    mean_s = total_s / module.config.optim.steps
    return Estimate(mean_s, replace(cost, step_s=min(by_kind_s)), peak_bytes(accelerator)), clip


def steps_by_kind(module: StepModule) -> dict[StepKind, list[int]]:
    """All steps of a run, by what they read."""
    found: dict[StepKind, list[int]] = {}
    for step in range(module.config.optim.steps):
        found.setdefault(module.kind_of(step), []).append(step)
    return found


def first_batch(dataset: NuscenesDataset, kind: StepKind, index: int = 0) -> Clip:
    """A batch of one clip, read as such a step reads it, as often as a forward pass has clips."""
    clip = dataset[ClipRequest(index, seed=0, key_alone=kind.key_alone)]
    return collate([clip] * kind.shape.batch_size)


def describe(config: RunConfig, clip: Clip, num_clips: int, world_size: int = 1) -> str:
    """What will be trained on what, in a line."""
    _, t, n, _, h, w = clip.images.shape
    optim = config.optim
    shape = StepShape(optim.batch_size, optim.accumulate, world_size)
    factors = [f"{optim.batch_size} clip(s)"]
    factors += [f"{optim.accumulate} micro-steps"] * (optim.accumulate > 1)
    factors += [f"{world_size} processes"] * (world_size > 1)
    size = factors[0]
    if len(factors) > 1:
        size = f"{shape.clips_per_step} clips ({' × '.join(factors)})"
    frames = f"{t} frames" if t > 1 else f"1 frame{_of_one_frame(config)}"
    return (
        f"{config.preset}: {optim.steps} steps of {size}, drawn "
        f"from {num_clips}; a clip is {frames} × {n} cameras at {h}×{w}; {_learned(config)}"
    )


def _of_one_frame(config: RunConfig) -> str:
    return " (none is dropped or rebuilt)" if isinstance(config, PretrainConfig) else ""


def _learned(config: RunConfig) -> str:
    """What is learned from what, in words."""
    match config:
        case PretrainConfig():
            alone = config.depth_alone_steps
            of_them = (
                f"; {alone} of the steps teach depth alone, from single frames" if alone else ""
            )
            return f"distances are learned from {teachers(config)}{of_them}"
        case TaskConfig():
            trained = _TRAINED[config.frozen]
            ways = ", in the images as well" if config.learns_in_images else ""
            ways += ", and depth from LiDAR" if config.depth_loss_weight > 0 else ""
            ways += ", with depths given" if config.given_depth else ""
            return f"the task {config.task} is learned from labels{ways}, by {trained}"
    raise TypeError(f"{type(config).__name__} configures no run that can be described")


def teachers(config: PretrainConfig) -> str:
    """What teaches distances, in words."""
    found = ["LiDAR"] if config.loss.lidar_weights else []
    if config.loss.compares_images:
        found.append("other images")
    return " and ".join(found) or "colours alone, which takes long"


def describe_cost(
    estimate: Estimate, optim: OptimConfig, accelerator: str, loading: Loading
) -> str:
    """The estimate in a line; with several processes that of each, were it alone."""
    step_s = estimate.seconds_per_step(loading.workers) * optim.accumulate
    readers = f"by {loading.workers} processes" if loading.workers else "between the steps"
    return (
        f"about {step_s:.2f} s a step on {accelerator}, {duration(step_s * optim.steps)} in all, "
        f"and {estimate.peak_bytes / 2**30:.1f} GiB of memory; a batch is read in "
        f"{estimate.load.load_s:.2f} s {readers}"
    )
