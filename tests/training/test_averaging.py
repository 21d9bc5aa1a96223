"""The average of the weights, by hand."""

import pytest
import torch
from torch import nn

from mim4d.training import averaging
from mim4d.training.averaging import averaging_share, move_average


def test_shares_by_hand() -> None:
    assert averaging_share(0, 0.01) == 1.0  # nothing is left of the random start
    assert averaging_share(10, 0.01) == 0.5
    assert averaging_share(990, 0.01) == 0.01
    assert averaging_share(10_000, 0.01) == 0.01


def test_the_average_is_a_weighted_mean_of_the_weights_after_each_step() -> None:
    """Shares 1 and 10 / 11 of the weights 2 and 13 leave 2 / 11 + 130 / 11 = 12."""
    model = nn.Linear(1, 1, bias=False)
    average = {name: torch.full_like(v, 1e6) for name, v in model.state_dict().items()}
    for step, weight in enumerate((2.0, 13.0)):
        nn.init.constant_(model.weight, weight)
        move_average(average, model, averaging_share(step, 1e-4))
    assert average["weight"].item() == pytest.approx(12.0)
    assert model.weight.item() == 13.0


def test_buffers_are_copied_and_what_is_frozen_stays() -> None:
    model = nn.BatchNorm1d(2)
    model.weight.requires_grad_(False)
    average = {name: v.clone() for name, v in model.state_dict().items()}
    model(torch.tensor([[1.0, 2.0], [3.0, 5.0]]))
    move_average(average, model, 0.3)
    assert average["num_batches_tracked"].item() == 1
    assert model.running_mean is not None
    assert torch.equal(average["running_mean"], model.running_mean)
    assert torch.equal(average["weight"], torch.ones(2))


def test_without_the_private_function_the_average_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Linear(7, 5)
    start = {name: torch.rand_like(value) for name, value in model.state_dict().items()}
    one, two = ({name: v.clone() for name, v in start.items()} for _ in range(2))
    move_average(one, model, 0.3)
    assert averaging._LERP_ALL is not None
    monkeypatch.setattr(averaging, "_LERP_ALL", None)
    move_average(two, model, 0.3)
    assert all(torch.equal(one[name], two[name]) for name in start)
    assert not torch.equal(one["weight"], start["weight"])
