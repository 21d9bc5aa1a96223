"""How batches are read ahead of the steps: processes, batches in waiting, pinned memory.

What enters are a data set, a sampler of batches and what loading and a step cost; what leaves is
torch's loader. Each process computes on one thread. None of these choices changes a batch: what is
read depends on the sampler alone.
"""

import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil
from torch.utils.data import DataLoader, Dataset, Sampler

from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.data.carried_errors import CarryingLoader
from mim4d.data.clip import Clip, collate

PREFETCH = 2
"""Batches that each process reads ahead."""

_HEADROOM = 1.5
_MOST = 16
_MOST_UNASKED = 8


@dataclass(frozen=True)
class Machine:
    """What this process may use.

    Attributes:
        cores: Processor cores.
        free_bytes: Memory for batches in waiting: a quarter of what is free, at most what is left
            of the shared memory through which processes hand them over.
    """

    cores: int
    free_bytes: int

    @classmethod
    def here(cls, processes: int = 1) -> "Machine":
        """As it is now: the share of one of several training processes."""
        affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        free = psutil.virtual_memory().available // 4
        shared = Path("/dev/shm")
        if shared.is_dir():
            free = min(free, psutil.disk_usage(str(shared)).free)
        return cls(max(1, cores // processes), free // processes)


@dataclass(frozen=True)
class LoadCost:
    """What one batch costs.

    Attributes:
        load_s: Time to read it in one process.
        num_bytes: Its size.
        step_s: Time of the step that uses it; None if that is not known.
    """

    load_s: float
    num_bytes: int
    step_s: float | None


@dataclass(frozen=True)
class Loading:
    """How to load.

    Attributes:
        workers: Processes that read; 0 reads between the steps.
        pin_memory: Whether batches are put into page-locked memory, from which a GPU copies faster.
    """

    workers: int
    pin_memory: bool


def choose_loading(
    cost: LoadCost, machine: Machine, on_gpu: bool, workers: int | None = None
) -> Loading:
    """As many processes as keep the steps from waiting, and no more than the machine has room for.

    Steps on the CPU need the cores themselves: loading gets half of them, or none of two.

    Args:
        cost: Of a batch.
        machine: What may be used.
        on_gpu: Whether the steps run on a GPU.
        workers: Processes; None chooses.
    """
    if workers is None:
        cores = machine.cores
        room = max(1, cores - 1) if on_gpu else (cores // 2 if cores > 2 else 0)
        in_memory = machine.free_bytes // (cost.num_bytes * (PREFETCH + 1))
        needed = _MOST_UNASKED
        if cost.step_s is not None:
            needed = max(1, math.ceil(_HEADROOM * cost.load_s / cost.step_s))
        workers = min(room, in_memory, needed, _MOST)
    return Loading(workers, pin_memory=on_gpu)


def build_loader(
    dataset: Dataset[Clip], sampler: Sampler[list[ClipRequest]], loading: Loading
) -> "DataLoader[Clip]":
    """Batches in the sampler's order, and errors too; the same whatever the number of processes."""
    return CarryingLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=loading.workers,
        pin_memory=loading.pin_memory,
        prefetch_factor=PREFETCH if loading.workers else None,
        persistent_workers=loading.workers > 0,
        worker_init_fn=_leave_interrupts_to_the_first,
    )


def _leave_interrupts_to_the_first(worker: int) -> None:
    """A key press reaches all processes of a terminal; the one that trains ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
