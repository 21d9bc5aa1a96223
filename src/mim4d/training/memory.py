"""The largest memory that has been taken so far."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_bytes(accelerator: str = "cpu", with_children: bool = False) -> int:
    """Largest memory so far: of this process on a CPU, of the device elsewhere.

    Args:
        accelerator: `cuda` asks for the device's.
        with_children: The largest of any one process, if one that this has started and that has
            ended took more.
    """
    if accelerator == "cuda":
        return torch.cuda.max_memory_allocated()
    who = [resource.RUSAGE_SELF] + [resource.RUSAGE_CHILDREN] * with_children
    peak = max(resource.getrusage(each).ru_maxrss for each in who)
    # Linux counts in KiB, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak() -> None:
    """Forget the largest memory so far, where the system can: on Linux, and of a GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
