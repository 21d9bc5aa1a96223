"""What a machine can do at best: a matrix product and a copy, per processor second."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

_SIDE = 2048
_BYTES = 2**28
_TRIES = 5


@dataclass(frozen=True)
class Machine:
    """The roof over every part.

    Attributes:
        processor: Its name.
        torch_version: Of torch.
        threads: Threads that were measured with.
        product_gflop_s: Float32 matrix product of 2048 rows, billions of operations a processor
            second.
        copy_gb_s: Copy of 256 MiB, read and written, billions of bytes a processor second.
    """

    processor: str
    torch_version: str
    threads: int
    product_gflop_s: float
    copy_gb_s: float

    def __str__(self) -> str:
        return (
            f"{self.processor}, torch {self.torch_version}, {self.threads} thread(s): "
            f"matrix product {self.product_gflop_s:.1f} GFLOP, copy "
            f"{self.copy_gb_s:.1f} GB a processor second"
        )


def measure_machine(threads: int) -> Machine:
    """The best of a few tries, so that other work counts as little as it can."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a, b = torch.randn(2, _SIDE, _SIDE)
        out = torch.empty(_SIDE, _SIDE)
        product_s = _fastest(lambda: torch.mm(a, b, out=out))
        source = torch.ones(_BYTES // 4)
        target = torch.zeros_like(source)
        copy_s = _fastest(lambda: target.copy_(source))
    finally:
        torch.set_num_threads(before)
    return Machine(
        _processor(),
        torch.__version__,
        threads,
        2 * _SIDE**3 / product_s / 1e9,
        2 * _BYTES / copy_s / 1e9,
    )


def _fastest(work: Callable[[], object]) -> float:
    """Processor seconds of the fastest run."""
    times = []
    for _ in range(_TRIES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
