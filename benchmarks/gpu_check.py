"""Does a GPU machine train the same as the CPU, and how fast? One script, made for ten minutes.

Makes a small world, pre-trains on it and fine-tunes BEV segmentation, once on the device and once
on the CPU from the same seeds, and compares the losses of every step and the IoUs. Then times steps
of larger presets on the device. Everything goes to OUT/gpu_check.json; the exit status is 1 if the
losses of the first steps differ by more than the tolerance. Without a GPU the device is the CPU
too: that tries the script, and says nothing about GPUs.

    python benchmarks/gpu_check.py --out OUT [--steps 20] [--timed demo cvt_setting2]
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mim4d.config import Device, PretrainConfig, TaskConfig
from mim4d.config.presets import preset, task_preset
from mim4d.evaluation.task import evaluate_task
from mim4d.files import write_text
from mim4d.runs.metrics_file import read_metrics
from mim4d.training.finetune import finetune
from mim4d.training.loop import pretrain
from mim4d.world.generate import generate_world

TASK = "bev_segmentation"
COMPARED_STEPS = 5
"""Later steps drift apart by rounding alone."""
TOLERANCE = 2e-3
"""Relative; both in fp32, the GPU with its own order of sums."""
Run = dict[str, Any]


def shortened(config: PretrainConfig | TaskConfig, steps: int) -> Any:
    optim = replace(config.optim, steps=steps, warmup_steps=min(2, steps - 1))
    return replace(config, optim=optim, precision="fp32")


def train_both(out: Path, world: Path, device: Device, steps: int) -> Run:
    """A pre-training and a task of the smallest presets on one device."""
    folder = out / ("cpu" if device == "cpu" else "device")
    start = time.perf_counter()
    pretrain(shortened(preset("toy"), steps), world, folder / "run", device=device, progress=False)
    middle = time.perf_counter()
    config = shortened(task_preset("toy", TASK), steps)
    finetune(config, world, folder / TASK, init=folder / "run", device=device, progress=False)
    end = time.perf_counter()
    rows = evaluate_task(folder / TASK, world, max_clips=4, device=device).rows
    return {
        "pretraining_s": middle - start,
        "finetuning_s": end - middle,
        "pretraining": read_metrics(folder / "run")["loss"].tolist(),
        "finetuning": read_metrics(folder / TASK)["loss"].tolist(),
        "IoU": {name: row["IoU"] for name, row in rows.items()},
    }


def time_preset(out: Path, world: Path, name: str, device: Device, steps: int) -> Run:
    """Seconds of a step of a task's preset, loading included, and the largest memory."""
    config = task_preset(name, TASK)
    optim = replace(config.optim, steps=steps, warmup_steps=0)
    run = out / "timed" / name
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    finetune(replace(config, optim=optim), world, run, init=None, device=device, progress=False)
    seconds = read_metrics(run)["seconds"][steps // 2 :]
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {"s_per_step": float(seconds.mean()), "batch": optim.batch_size, "peak_bytes": peak}


def largest_difference(a: list[float], b: list[float]) -> float:
    pairs = zip(a[:COMPARED_STEPS], b[:COMPARED_STEPS], strict=True)
    return max(abs(x - y) / max(abs(y), 1e-9) for x, y in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder for everything")
    parser.add_argument("--steps", type=int, default=20, help="of the compared runs")
    parser.add_argument("--timed", nargs="*", default=["demo", "cvt_setting2"], help="presets")
    parser.add_argument("--timed-steps", type=int, default=6)
    options = parser.parse_args()
    device: Device = "cuda" if torch.cuda.is_available() else "auto"
    world = options.out / "world"
    generate_world(world, scenes=2, held_out=1, seed=0, samples_per_scene=4, image_hw=(96, 160))
    found = {
        "device": train_both(options.out, world, device, options.steps),
        "cpu": train_both(options.out, world, "cpu", options.steps),
    }
    differences = {
        part: largest_difference(found["device"][part], found["cpu"][part])
        for part in ("pretraining", "finetuning")
    }
    timed = {
        name: time_preset(options.out, world, name, device, options.timed_steps)
        for name in options.timed
    }
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU (no GPU here)"
    facts = {"machine": platform.platform(), "device": name, "torch": torch.__version__}
    report = {"facts": facts, "runs": found, "differences": differences, "timed": timed}
    write_text(options.out / "gpu_check.json", json.dumps(report, indent=2) + "\n")
    print(f"device: {name}")
    for part, difference in differences.items():
        print(f"{part}: losses of {COMPARED_STEPS} steps differ by at most {difference:.1e}")
    for name, row in timed.items():
        print(f"{name}: {row['s_per_step']:.3f} s a step of {row['batch']} clips")
    good = max(differences.values()) <= TOLERANCE
    print("the device trains as the CPU does" if good else "THE DEVICE TRAINS OTHERWISE")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
