"""How many processes train together, and which of them this one is.

The first process starts the others of its machine (they run the same command line again), or all
are started from outside: by `torchrun`, by SLURM's `srun` or by `mpirun`. Every process has its own
device and its own clips.
"""

import os
from dataclasses import dataclass, field
from typing import Literal

import torch

Starter = Literal["us", "torchrun", "srun", "mpirun"]

OWN = "MIM4D_STARTS_PROCESSES"
"""Set by the first process for those it starts, which may lie inside a job of a cluster."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run.

    Attributes:
        devices: Processes on this machine, one per device.
        nodes: Machines.
        rank: Number of this process among all; 0 writes what the run leaves behind.
        local_rank: Number among those of this machine.
        started_by: Who started the processes.
    """

    devices: int = 1
    nodes: int = 1
    rank: int = 0
    local_rank: int = field(default=0, compare=False)
    started_by: Starter = field(default="us", compare=False)

    @property
    def world_size(self) -> int:
        """Processes in all."""
        return self.devices * self.nodes

    @property
    def is_first(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    @classmethod
    def here(cls, devices: int, accelerator: str) -> "Processes":
        """What was asked for, checked against the machine and the way the command was started.

        Raises:
            ValueError: If there are fewer devices, or another number of processes was started.
        """
        _check_devices(devices, accelerator)
        started = None if OWN in os.environ else _started_outside(devices)
        if started is None:
            return cls._of_our_own(devices)
        if started.here != devices:
            raise ValueError(
                f"--devices {devices}: {started.by} started {started.here} processes on this "
                f"machine, which would write the same --out; give --devices {started.here}, or "
                f"start mim4d without {started.by}"
            )
        nodes = started.size // devices
        if devices * nodes == 1:
            return cls()
        return cls(devices, nodes, started.rank, started.local_rank, started.by)

    @classmethod
    def _of_our_own(cls, devices: int) -> "Processes":
        if devices == 1:
            return cls()
        rank = int(os.environ.get("LOCAL_RANK", "0"))  # set for those that the first one starts
        return cls(devices, 1, rank, rank)


@dataclass(frozen=True)
class _Started:
    """Processes started from outside: by whom, and how many there are, in all and here."""

    by: Starter
    size: int
    rank: int
    here: int
    local_rank: int


def _started_outside(devices: int) -> _Started | None:
    """What the environment says of other processes; None if this one stands alone."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        names = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
        return _Started("torchrun", *(_number(name) for name in names))
    for names in (
        tuple(f"OMPI_COMM_WORLD_{what}" for what in ("SIZE", "RANK", "LOCAL_SIZE", "LOCAL_RANK")),
        ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
    ):
        if _number(names[0]) > 1 and all(name in os.environ for name in names):
            return _Started("mpirun", *(_number(name) for name in names))
    return _started_by_slurm(devices)


def _started_by_slurm(devices: int) -> _Started | None:
    """The tasks of a step; None in a job whose tasks are no processes of this command.

    A job has its number of tasks in the environment also where the command was not started by
    `srun`; only then a step is known, or a number above 0.
    """
    rank, nodes = _number("SLURM_PROCID"), max(_number("SLURM_NNODES", 1), 1)
    tasks = _number("SLURM_STEP_NUM_TASKS") or _number("SLURM_NTASKS", _number("SLURM_NPROCS"))
    by_srun = _number("SLURM_STEP_NUM_TASKS") > 1 or rank > 0
    if tasks <= 1 or not (by_srun or devices > 1):
        return None
    return _Started("srun", tasks, rank, max(tasks // nodes, 1), _number("SLURM_LOCALID"))


def _number(name: str, otherwise: int = 0) -> int:
    text = os.environ.get(name, "").partition("(")[0]  # SLURM writes 4(x2) for two machines of 4
    try:
        return int(text) if text else otherwise
    except ValueError:
        raise ValueError(f"${name} is {text!r}; expected a whole number") from None


def _check_devices(devices: int, accelerator: str) -> None:
    if devices < 1:
        raise ValueError(f"--devices {devices}: expected at least 1")
    there = torch.cuda.device_count() if accelerator == "cuda" else 1
    if accelerator != "cpu" and devices > there:
        raise ValueError(f"--devices {devices}: this machine has {there} ({accelerator})")
