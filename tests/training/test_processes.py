"""What is asked for against how the command was started."""

import os
import socket
from datetime import timedelta

import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from mim4d.errors import MachineError
from mim4d.training import meeting
from mim4d.training.meeting import environment_of
from mim4d.training.processes import OWN, Processes


@pytest.fixture(autouse=True)
def plain_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started = [name for name in os.environ if name.startswith(("SLURM_", "OMPI_", "PMI_", "MPI_"))]
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", OWN, *started):
        monkeypatch.delenv(name, raising=False)


def test_the_first_process_and_those_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Processes.here(1, "cpu") == Processes(1, 1, 0)
    first = Processes.here(4, "cpu")
    assert first == Processes(4, 1, 0)
    assert first.is_first
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert Processes.here(4, "cpu") == Processes(4, 1, 3)


def test_torchrun_on_two_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": 5, "LOCAL_RANK": 1, "WORLD_SIZE": 8, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    processes = Processes.here(4, "cpu")
    assert processes == Processes(4, 2, 5)
    assert processes.world_size == 8
    with pytest.raises(ValueError, match="torchrun started 4 processes"):
        Processes.here(1, "cpu")


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"--devices 3: this machine has 2 \(cuda\)"):
        Processes.here(3, "cuda")
    with pytest.raises(ValueError, match="expected at least 1"):
        Processes.here(0, "cpu")


SLURM = {"SLURM_JOB_ID": "4711", "SLURM_NNODES": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, object]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(
    ("variables", "devices", "expected"),
    [
        # Alone in a job of several tasks; as one of two tasks; on the second of two machines.
        ({**SLURM, "SLURM_NTASKS": 4}, 1, (1, 1, 0, "us")),
        ({**SLURM, "SLURM_NTASKS": 4, "SLURM_STEP_NUM_TASKS": 1}, 1, (1, 1, 0, "us")),
        ({**SLURM, "SLURM_NTASKS": 1}, 4, (4, 1, 0, "us")),
        ({**SLURM, "SLURM_NTASKS": 2, "SLURM_PROCID": 1, "SLURM_LOCALID": 1}, 2, (2, 1, 1, "srun")),
        (
            {**SLURM, "SLURM_NTASKS": 4, "SLURM_NNODES": 2, "SLURM_PROCID": 3},
            2,
            (2, 2, 3, "srun"),
        ),
        (
            {
                f"OMPI_COMM_WORLD_{k}": v
                for k, v in zip(
                    ("SIZE", "RANK", "LOCAL_SIZE", "LOCAL_RANK"), (4, 2, 2, 0), strict=True
                )
            },
            2,
            (2, 2, 2, "mpirun"),
        ),
        (
            {"PMI_SIZE": 2, "PMI_RANK": 1, "MPI_LOCALNRANKS": 2, "MPI_LOCALRANKID": 1},
            2,
            (2, 1, 1, "mpirun"),
        ),
        # One that the first process started, inside a job.
        ({**SLURM, "SLURM_NTASKS": 2, OWN: 1, "LOCAL_RANK": 1}, 2, (2, 1, 1, "us")),
    ],
)
def test_whoever_started_us(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, object],
    devices: int,
    expected: tuple[int, int, int, str],
) -> None:
    set_all(monkeypatch, variables)
    found = Processes.here(devices, "cpu")
    assert (found.devices, found.nodes, found.rank, found.started_by) == expected
    own = expected[3] == "us"
    assert isinstance(environment_of(found), LightningEnvironment) == own


@pytest.mark.parametrize(
    ("variables", "devices", "message"),
    [
        ({**SLURM, "SLURM_NTASKS": 4, "SLURM_STEP_NUM_TASKS": 4}, 1, "srun started 4 processes"),
        ({**SLURM, "SLURM_NTASKS": 4, "SLURM_PROCID": 2}, 2, "srun started 4 processes"),
        ({**SLURM, "SLURM_NTASKS": "four"}, 1, "SLURM_NTASKS is 'four'"),
    ],
)
def test_other_numbers_of_processes_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, object], devices: int, message: str
) -> None:
    set_all(monkeypatch, variables)
    with pytest.raises(ValueError, match=message):
        Processes.here(devices, "cpu")


@pytest.mark.slow
def test_tasks_that_wait_in_vain_say_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "WAIT", timedelta(seconds=1))
    monkeypatch.setattr("os.environ", dict(os.environ))
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)
    alone = Processes(2, 1, 0, 0, "srun")
    with pytest.raises(MachineError, match=r"the others did not come to 127\.0\.0\.1:\d+ within"):
        meeting.meet(alone, "cpu")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        os.environ["MASTER_PORT"] = str(taken.getsockname()[1])
        with pytest.raises(MachineError, match="the port is taken") as caught:
            meeting.meet(alone, "cpu")
    assert "\n" not in str(caught.value)
