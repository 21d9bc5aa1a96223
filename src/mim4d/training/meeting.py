"""How the processes of a run find each other, or say in a line why they do not.

Those that `torchrun` or we start are brought together by torch and Lightning; tasks of SLURM and
MPI are told here who they are, and meet within half a minute or end.
"""

import os
from datetime import timedelta

import torch.distributed as dist
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from mim4d.errors import MachineError
from mim4d.training.processes import OWN, Processes

WAIT = timedelta(seconds=30)
STEP_WAIT = timedelta(minutes=30)
"""The longest that one process waits for another during training."""

_FIRST_PORT, _PORTS = 15000, 10000


def environment_of(processes: Processes) -> ClusterEnvironment:
    """What Lightning should take for the cluster, whatever the variables around it say."""
    if processes.world_size == 1 or processes.started_by == "us":
        return LightningEnvironment()
    return TorchElasticEnvironment()  # reads what `torchrun`, or `meet`, has set


def meet(processes: Processes, accelerator: str) -> None:
    """Bring processes together that neither we nor `torchrun` started; prepare to start our own.

    Raises:
        MachineError: If they do not all come within `WAIT`, or the port is taken.
    """
    if processes.world_size == 1 or processes.started_by == "torchrun":
        return
    if processes.started_by == "us":
        if OWN not in os.environ:
            os.environ[OWN] = "1"
            # Where ours meet is for us to choose: a port that the environment names may belong to
            # another run on this machine.
            for name in ("MASTER_ADDR", "MASTER_PORT"):
                os.environ.pop(name, None)
        return
    address, port = _place(processes)
    os.environ |= {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "RANK": str(processes.rank),
        "LOCAL_RANK": str(processes.local_rank),
        "WORLD_SIZE": str(processes.world_size),
    }
    size, first = processes.world_size, processes.is_first
    try:
        store = dist.TCPStore(address, port, size, first, timeout=WAIT, wait_for_workers=True)
    except (dist.DistError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:160]
        raise MachineError(
            f"process {processes.rank} of {size}: the others did not come to {address}:{port} "
            f"within {WAIT.seconds} s, or the port is taken ({reason}). Start all of them with "
            f"{processes.started_by}, or leave --devices out; MASTER_PORT chooses another port"
        ) from error
    store.set_timeout(STEP_WAIT)
    backend = "nccl" if accelerator == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=store, rank=processes.rank, world_size=size, timeout=STEP_WAIT
    )


def _place(processes: Processes) -> tuple[str, int]:
    """Address and port at which the first process waits, the same for all."""
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if address is None:
        nodes = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST")
        address = "127.0.0.1"
        if processes.nodes > 1:
            if not nodes:
                raise ValueError("several machines: set MASTER_ADDR to the first one's name")
            address = SLURMEnvironment.resolve_root_node_address(nodes)
    if port is None:
        # A number that all processes of the run have in common, and other runs have not.
        job = os.environ.get("SLURM_JOB_ID", "")
        common = int(job) if job.isdigit() else (os.getppid() if processes.nodes == 1 else 910)
        port = str(_FIRST_PORT + common % _PORTS)
    return address, int(port)
