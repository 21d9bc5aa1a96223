"""What is asked for against how the command was started."""

import pytest
import torch

from mim4d.training.processes import Processes


@pytest.fixture(autouse=True)
def plain_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
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
