"""`mim4d bench step`: the time and memory of one training step, split by stage.

Steps are first timed as they are; then the same steps run under torch's profiler, whose labelled
spans give each stage's share. Printed stage times are share × undisturbed time, so the profiler's
own cost, the same for every small operation, does not count as ours.
"""

import statistics
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from mim4d.build.data import build_dataset
from mim4d.build.pretraining import build_model
from mim4d.config import Device, PretrainConfig
from mim4d.data.clip import Clip, collate
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.study.bench.step_memory import stage_peaks
from mim4d.training.allocator import keep_freed_memory
from mim4d.training.devices import choose_accelerator
from mim4d.training.estimate import describe
from mim4d.training.memory import peak_bytes
from mim4d.training.modules import PretrainingModule
from mim4d.training.optim import build_optimizer

STAGES = ("choose", "encode", "lift", "decode", "render", "losses", "backward", "optimiser")
_LOOKED_AT = 64


@dataclass(frozen=True)
class StepTimes:
    """Seconds of each stage of a step.

    Attributes:
        load_s: Reading the batch.
        step_s: Median of the whole step without loading.
        fastest_s: Fastest step.
        slowest_s: Slowest step.
        stages_s: By stage; they add up to `step_s` but for what lies between stages. Empty if not
            asked for.
        stage_bytes: The most that tensors take in each stage above what stood before the step
            (weights, the optimiser's moments, the batch). Empty if not asked for.
        standing_bytes: What these are on top of.
        peak_bytes: Largest memory of the process (CPU) or of the device.
        what: What was measured.
    """

    load_s: float
    step_s: float
    fastest_s: float
    slowest_s: float
    stages_s: dict[str, float]
    stage_bytes: dict[str, int]
    standing_bytes: int
    peak_bytes: int
    what: str

    def __str__(self) -> str:
        lines = [
            self.what,
            f"{'load':<10} {1000 * self.load_s:>8.0f} ms  (not part of the step)",
        ]
        for name, seconds in self.stages_s.items():
            share = seconds / self.step_s
            memory = f"{self.stage_bytes.get(name, 0) / 2**20:>8.0f} MiB at most"
            lines.append(f"{name:<10} {1000 * seconds:>8.0f} ms  {share:>4.0%} {memory}")
        lines.append(
            f"{'step':<10} {1000 * self.step_s:>8.0f} ms  (median; {1000 * self.fastest_s:.0f} to "
            f"{1000 * self.slowest_s:.0f}), peak memory {self.peak_bytes / 2**30:.1f} GiB"
        )
        if self.stage_bytes:
            most, standing = max(self.stage_bytes.values()) / 2**30, self.standing_bytes / 2**30
            lines.append(
                f"tensors    {most + standing:.2f} GiB at most: {most:.2f} in a step, "
                f"{standing:.2f} of weights, the optimiser's moments and the batch"
            )
        return "\n".join(lines)


def bench_step(
    config: PretrainConfig,
    data: Path,
    steps: int,
    version: str | None,
    device: Device,
    *,
    warm_up: int = 2,
    stages: bool = True,
) -> StepTimes:
    """Measure training steps of a preset on the first clips of a data set.

    Args:
        config: The preset.
        data: Folder of the data set.
        steps: How many steps are measured.
        version: Version folder, where there are several.
        device: Where to compute.
        warm_up: Steps before them that are not measured; the first is slower and takes the memory
            of the optimiser.
        stages: Run as many steps again under the profiler, for the stages' shares, and one
            for their memory.

    Raises:
        ValueError: If there is no step to measure.
    """
    if steps < 1:
        raise ValueError(f"--steps {steps}: expected at least 1")
    if warm_up < 0:
        raise ValueError(f"--warm-up {warm_up}: expected 0 or more")
    # Steps of the depth head alone are no whole ones.
    config = replace(config, loss=replace(config.loss, depth_alone_share=0.0))
    accelerator = choose_accelerator(device)
    if accelerator == "cpu":  # as training has it
        keep_freed_memory()
    dataset = build_dataset(config, data, "train", version)
    size = config.optim.batch_size
    indices = _whole_clips(dataset, size)  # the first reading also warms the file cache
    start = time.perf_counter()
    clip = collate([dataset[i] for i in indices])
    load_s = time.perf_counter() - start
    torch.manual_seed(config.seed)
    module = PretrainingModule(build_model(config), config).to(accelerator)
    batch = clip.to(accelerator)
    optimizer, _ = build_optimizer(module.model, module.model.encoder.image_encoder, config.optim)
    times = [_timed_step(module, batch, optimizer, step) for step in range(warm_up + steps)]
    times = times[warm_up:]
    peak = peak_bytes(accelerator)
    shares = _stage_shares(module, batch, optimizer, steps) if stages else {}
    held: dict[str, int] = {}
    if stages:
        held = stage_peaks(
            lambda: _timed_step(module, batch, optimizer, 0), STAGES, accelerator == "cuda"
        )
    step_s = statistics.median(times)
    return StepTimes(
        load_s,
        step_s,
        min(times),
        max(times),
        {name: share * step_s for name, share in shares.items()},
        held,
        _standing_bytes(module, batch, optimizer),
        peak,
        f"{describe(config, clip, len(dataset))}; {accelerator}, {config.precision}, "
        f"{torch.get_num_threads()} threads",
    )


def _whole_clips(dataset: NuscenesDataset, count: int) -> list[int]:
    """The first clips of which every frame exists, repeated if there are too few of them.

    At the start of a scene, frames before the first do not exist.
    """
    looked_at = range(min(len(dataset), _LOOKED_AT))
    whole = (i for i in looked_at if dataset[i].frame_present.all())
    found = list(islice(whole, count)) or [0]
    return [found[k % len(found)] for k in range(count)]


def _timed_step(
    module: PretrainingModule, batch: Clip, optimizer: torch.optim.Optimizer, step: int
) -> float:
    _synchronize()
    start = time.perf_counter()
    loss = module.step_losses(batch, step)["loss"]
    with record_function("backward"):
        loss.backward()
    with record_function("optimiser"):
        torch.nn.utils.clip_grad_norm_(module.parameters(), module.config.optim.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
    _synchronize()
    return time.perf_counter() - start


def _stage_shares(
    module: PretrainingModule, batch: Clip, optimizer: torch.optim.Optimizer, steps: int
) -> dict[str, float]:
    """Each stage's share of the profiled steps."""
    on_device = batch.images.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_device
    with profile(activities=activities) as profiler:
        total = sum(_timed_step(module, batch, optimizer, step) for step in range(steps))
    shares = {name: 0.0 for name in STAGES}
    for event in profiler.key_averages():
        if event.key in shares:
            # Spans on a device are counted where the work runs, not where it is launched.
            microseconds = event.device_time_total if on_device else event.cpu_time_total
            shares[event.key] = max(shares[event.key], microseconds / 1e6 / total)
    return shares


def _standing_bytes(
    module: PretrainingModule, batch: Clip, optimizer: torch.optim.Optimizer
) -> int:
    """Weights, buffers, moments and the batch; gradients come and go within a step."""
    tensors = [*module.parameters(), *module.buffers()]
    for state in optimizer.state.values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return sum(tensor.nbytes for tensor in tensors) + batch.num_bytes


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
