"""How many processes train together, and which of them this one is.

The first process starts the others of its machine (they run the same command line again), or all
are started from outside by `torchrun`. Every process has its own device and its own clips.
"""

import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Processes:
    """The processes of a run.

    Attributes:
        devices: Processes on this machine, one per device.
        nodes: Machines.
        rank: Number of this process among all; 0 writes what the run leaves behind.
    """

    devices: int = 1
    nodes: int = 1
    rank: int = 0

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
            ValueError: If there are fewer devices, or `torchrun` started another number.
        """
        _check_devices(devices, accelerator)
        started = int(os.environ.get("LOCAL_WORLD_SIZE", devices))  # set by torchrun
        if started != devices:
            raise ValueError(
                f"--devices {devices}: torchrun started {started} processes on this machine; give "
                f"--devices {started}, or start mim4d without torchrun"
            )
        nodes = 1
        if "LOCAL_WORLD_SIZE" in os.environ:
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        if devices * nodes == 1:
            return cls()
        # RANK comes from torchrun; a process started by the first one has LOCAL_RANK only.
        rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
        return cls(devices, nodes, int(rank))


def _check_devices(devices: int, accelerator: str) -> None:
    if devices < 1:
        raise ValueError(f"--devices {devices}: expected at least 1")
    there = torch.cuda.device_count() if accelerator == "cuda" else 1
    if accelerator != "cpu" and devices > there:
        raise ValueError(f"--devices {devices}: this machine has {there} ({accelerator})")
