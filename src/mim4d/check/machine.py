"""What this machine offers to training: one page, from Python to the codecs of images.

Nothing is trained and no data set is needed. Each fact has a severity as a check's findings have:
`error`, training cannot run here; `warning`, it will be slow or may end; `remark`, good to know.
"""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
import torch.nn.functional as F
from PIL import features

from mim4d.check.findings import Severity
from mim4d.data.loader import Machine
from mim4d.data.tables.column_cache import default_cache_dir
from mim4d.version import installed_version

GIB = 2**30
PYTHONS = ((3, 11), (3, 14))
MIN_MEMORY, MIN_SHARED, MIN_DISK = 4 * GIB, GIB, 5 * GIB
MAX_BF16_ERROR = 0.02
"""Largest deviation of bf16 from fp32, over the largest value; 8 bits of mantissa give 0.004."""
_CLUSTER = ("SLURM_JOB_ID", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "WORLD_SIZE")


@dataclass(frozen=True)
class Fact:
    """One line of the page."""

    name: str
    found: str
    severity: Severity = "remark"


def examine_machine() -> list[Fact]:
    """Everything, in the order in which a person would ask."""
    return [
        *_software(),
        *_devices(),
        *_processor(),
        *_memory(),
        *_disks(),
        *_half_precision("cuda" if torch.cuda.is_available() else "cpu"),
        *_codecs(),
        *_cluster(),
    ]


def status_of(facts: list[Fact]) -> int:
    """0: nothing worse than remarks; 1: warnings; 2: errors."""
    found = {fact.severity for fact in facts}
    return 2 if "error" in found else 1 if "warning" in found else 0


def page(facts: list[Fact]) -> str:
    """The facts as lines, those that are no remarks marked."""
    width = max(len(fact.name) for fact in facts)
    marks = {"error": "error    ", "warning": "warning  ", "remark": ""}
    return "\n".join(f"{f.name:<{width}}  {marks[f.severity]}{f.found}" for f in facts)


def _software() -> Iterator[Fact]:
    running = sys.version_info[:2]
    known = PYTHONS[0] <= running <= PYTHONS[1]
    severity: Severity = "remark" if known else "warning"
    yield Fact("python", f"{platform.python_version()} on {platform.platform()}", severity)
    yield Fact("mim4d", f"{installed_version()}, torch {torch.__version__}")


def _devices() -> Iterator[Fact]:
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            yield Fact("device", f"cuda:{index} {found.name}, {found.total_memory / GIB:.0f} GiB")
    elif torch.version.cuda is not None and Path("/proc/driver/nvidia").is_dir():
        yield Fact("device", "a GPU whose driver torch cannot use: training runs on cpu", "warning")
    elif torch.backends.mps.is_available():
        yield Fact("device", "mps")
    else:
        yield Fact("device", "cpu alone: enough for `mim4d demo` and tests")


def _processor() -> Iterator[Fact]:
    machine, threads = Machine.here(), torch.get_num_threads()
    asked = os.environ.get("OMP_NUM_THREADS")
    note = f" (OMP_NUM_THREADS={asked})" if asked else ""
    severity: Severity = "warning" if threads > machine.cores else "remark"
    yield Fact("threads", f"{threads} of {machine.cores} cores{note}", severity)


def _memory() -> Iterator[Fact]:
    memory = psutil.virtual_memory()
    severity: Severity = "warning" if memory.available < MIN_MEMORY else "remark"
    found = f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f} GiB"
    yield Fact("memory", found, severity)
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = psutil.disk_usage(str(shared)).free
        little = free < MIN_SHARED
        advice = ": give a container more (docker run --shm-size=8g), or --workers 0"
        yield Fact(
            "shared memory",
            f"{free / GIB:.1f} GiB free{advice if little else ''}",
            "warning" if little else "remark",
        )
    machine = Machine.here()
    clip = 6 * 3 * 3 * 256 * 448  # 3 frames of 6 cameras, a byte a colour
    fit = min(machine.cores, machine.free_bytes // (3 * clip))
    yield Fact("loaders", f"{fit} processes have room for batches of 3 x 6 images of 256x448")


def _disks() -> Iterator[Fact]:
    cache = default_cache_dir()
    there = cache
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        yield Fact(
            "cache",
            f"{cache} cannot be written: tables are read anew by every process; set MIM4D_CACHE",
            "warning",
        )
    else:
        free = psutil.disk_usage(str(there)).free
        severity: Severity = "warning" if free < MIN_DISK else "remark"
        yield Fact("cache", f"{cache}, {free / GIB:.0f} GiB free", severity)
    here = Path.cwd()
    free, writable = psutil.disk_usage(str(here)).free, os.access(here, os.W_OK)
    worse: Severity = "warning" if free < MIN_DISK else "remark"
    yield Fact(
        "disk", f"{free / GIB:.0f} GiB free in {here}{'' if writable else ', read-only'}", worse
    )


def _half_precision(device: str) -> Iterator[Fact]:
    """Bf16 against fp32 for what the networks are made of: is it right here, and is it faster?"""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    image, kernel = random(2, 64, 32, 56), random(64, 64, 3, 3) / 24
    image = image.to(memory_format=torch.channels_last)
    rows, weight = random(1024, 256), random(256, 256) / 16
    volume, kernel3 = random(1, 32, 4, 24, 24), random(32, 32, 3, 3, 3) / 29
    operators: dict[str, Callable[[], torch.Tensor]] = {
        "conv2d": lambda: F.conv2d(image, kernel, padding=1),
        "linear": lambda: F.gelu(F.linear(rows, weight)),
        "conv3d": lambda: F.conv3d(volume, kernel3, padding=1),
    }
    for name, run in operators.items():
        full, full_s = _timed(run, device)
        with torch.autocast(device, torch.bfloat16):
            half, half_s = _timed(run, device)
        error = float((half.float() - full).abs().max() / full.abs().max())
        found = f"{name}: {full_s / half_s:.2g} times the speed of fp32, off by {error:.1%}"
        right = error < MAX_BF16_ERROR
        if not right or half_s > full_s:
            found += f": {'slower' if right else 'wrong'} here, stay with --precision fp32"
        yield Fact("bf16", found, "remark" if right else "warning")


def _timed(run: Callable[[], torch.Tensor], device: str) -> tuple[torch.Tensor, float]:
    """What it gives, and the shortest of a few times that it took."""
    run()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = run()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _codecs() -> Iterator[Fact]:
    has = {"JPEG": features.check("jpg"), "PNG": features.check("zlib")}
    has["WebP"] = features.check("webp")
    missing = [name for name, there in has.items() if not there]
    turbo = ", by libjpeg-turbo" if features.check_feature("libjpeg_turbo") else ""
    if {"JPEG", "PNG"} & set(missing):
        yield Fact("images", f"Pillow reads no {' and no '.join(missing)}", "error")
    else:
        names = ", ".join(name for name, there in has.items() if there)
        yield Fact("images", f"{names}{turbo}")


def _cluster() -> Iterator[Fact]:
    found = [f"{name}={os.environ[name]}" for name in _CLUSTER if name in os.environ]
    if found:
        yield Fact("cluster", ", ".join(found))
