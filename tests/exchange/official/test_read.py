import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mim4d.exchange.official.checkpoint_layout import LayoutError
from mim4d.exchange.official.read import choose_weights, read_state
from tests.exchange.official.conftest import State


def test_reads_an_mmcv_file(state: State, checkpoint: Path) -> None:
    read = read_state(checkpoint)
    assert list(read) == list(state)
    assert all(torch.equal(read[key], value) for key, value in state.items())


def test_reads_a_bare_state_dict_of_several_processes(state: State, tmp_path: Path) -> None:
    path = tmp_path / "bare.pth"
    torch.save({f"module.{key}": value for key, value in state.items()}, path)
    assert list(read_state(path)) == list(state)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert list(read_state(path)) == list(state)


class Hostile:
    """Would make a file when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["meta", "state_dict", "optimizer"])
def test_nothing_in_a_file_is_run(state: State, tmp_path: Path, place: str, zipped: bool) -> None:
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    content: dict[str, Any] = {"state_dict": dict(state), "meta": {}, "optimizer": {}}
    content[place]["x"] = Hostile(trace)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="holds more than tensors and plain values; nothing of it"):
        read_state(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the file would have done it
    assert trace.exists()


@pytest.mark.parametrize("kept", [0, 10, 5_000, -1_000])
def test_a_truncated_file_is_refused(checkpoint: Path, kept: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"official\.pth: cannot be read .* it is damaged"):
        read_state(checkpoint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"epoch": 3}, "entry 'epoch' is a int, not a tensor"),
        ({"state_dict": {"a": "b"}}, "entry 'a' is a str, not a tensor"),
        ({"state_dict": {3: torch.zeros(1)}}, "entry 3 is a Tensor"),
        ({"a": torch.tensor([1.0, np.nan])}, "a holds values that are not finite"),
        ({"a": torch.zeros(3).to_sparse()}, "a is no plain tensor"),
        ({"a": torch.zeros(3, device="meta")}, "a is no plain tensor"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        read_state(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth: no such file"):
        read_state(tmp_path / "nowhere.pth")


def with_average(state: State) -> State:
    """The state dict with averages that are the weights and one more; statistics have none."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    learned = {k: v for k, v in state.items() if not k.endswith(statistics)}
    return state | {f"ema_{k.replace('.', '_')}": v + 1 for k, v in learned.items()}


def test_raw_or_averaged_weights(state: State) -> None:
    both = with_average(state)
    raw, averaged = choose_weights(both, "raw"), choose_weights(both, "ema")
    assert list(raw.state) == list(averaged.state) == list(state)
    for key, value in state.items():
        same = key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(raw.state[key], value)
        assert torch.equal(averaged.state[key], value if same else value + 1)
    averages = [key for key in both if key.startswith("ema_")]
    assert [verdict.name for verdict in raw.rest] == averages
    assert {verdict.fate for verdict in raw.rest} == {"unused"}
    assert {verdict.fate for verdict in averaged.rest} == {"mapped"}


def test_the_published_averages(published: dict[str, State]) -> None:
    both = published["vs0.1_pretrain"]
    assert len(choose_weights(both, "ema").rest) == 498
    assert len(choose_weights(both, "raw").state) == 504
    with pytest.raises(LayoutError, match=r"no averaged weights of \d+ .*take --weights raw"):
        choose_weights(published["vs0.075_pretrain"], "ema")


def test_averages_that_do_not_fit_are_refused(state: State) -> None:
    stray = with_average(state) | {"ema_something_else": torch.zeros(1)}
    with pytest.raises(LayoutError, match="unknown key ema_something_else"):
        choose_weights(stray, "raw")
    wrong = with_average(state) | {"ema_input_proj_bias": torch.zeros(1)}
    with pytest.raises(LayoutError, match=r"ema_input_proj_bias: is \(1,\)"):
        choose_weights(wrong, "raw")
    some = with_average(state)
    del some["ema_input_proj_bias"]
    with pytest.raises(LayoutError, match=r"of 1 of its .* the first being input_proj\.bias"):
        choose_weights(some, "ema")
