"""The decoders that learn nothing: copy of the nearest warped frame, mean of all."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.temporal.sources import Sources, valid_mean


def sources() -> tuple[Tensor, Tensor]:
    """Three constant volumes 1, 2, 3 and a validity that is True everywhere."""
    values = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None, None, None]
    return values.expand(1, 3, 2, 2, 3, 4), torch.ones(1, 3, 2, 3, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("dt_s", "expected"),
    [([-1.0, -0.4, 0.5], 2.0), ([-1.0, -0.5, 0.4], 3.0), ([0.3, 0.5, 1.0], 1.0)],
)
def test_the_nearest_in_time_is_copied_whatever_its_place(
    dt_s: list[float], expected: float
) -> None:
    warped, valid = sources()
    present = torch.ones(1, 3, dtype=torch.bool)
    copied = NearestFrame()(Sources(warped, valid, torch.tensor([dt_s]), present))
    assert copied.shape == (1, 2, 2, 3, 4)
    assert (copied == expected).all()


def test_a_tie_goes_to_the_past_and_a_missing_source_does_not_count() -> None:
    warped, valid = sources()
    dt_s = torch.tensor([[-0.5, 0.5, 1.0]])
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert (NearestFrame()(Sources(warped, valid, dt_s, everything)) == 1).all()
    without_past = torch.tensor([[False, True, True]])
    assert (NearestFrame()(Sources(warped, valid, dt_s, without_past)) == 2).all()
    assert (NearestFrame()(Sources(warped, valid, dt_s, torch.zeros_like(everything))) == 0).all()


def test_a_voxel_that_the_nearest_source_does_not_reach_takes_the_next() -> None:
    warped, valid = sources()
    valid = valid.clone()
    valid[0, 0, 0, 0, 0] = False
    valid[0, :, 1, 0, 0] = False
    dt_s, present = torch.tensor([[-0.1, 0.2, 0.9]]), torch.ones(1, 3, dtype=torch.bool)
    copied = NearestFrame()(Sources(warped, valid, dt_s, present))
    assert (copied[0, :, 0, 0, 0] == 2).all()
    assert (copied[0, :, 1, 0, 0] == 0).all()
    assert (copied[0, :, 1, 2, 3] == 1).all()


def test_the_mean_is_over_present_and_valid_sources() -> None:
    warped, valid = sources()
    valid = valid.clone()
    valid[0, 2, 0, 0, 0] = False
    present = torch.tensor([[True, False, True]])
    mean = MeanFrame()(Sources(warped, valid, torch.tensor([[-0.5, 0.1, 0.5]]), present))
    assert (mean[0, :, 0, 0, 0] == 1).all()
    assert (mean[0, :, 1, 1, 1] == 2).all()


def test_valid_mean_by_hand() -> None:
    warped = torch.tensor([2.0, 4.0, 9.0]).view(1, 3, 1, 1, 1, 1)
    valid = torch.tensor([True, True, False]).view(1, 3, 1, 1, 1)
    present = torch.tensor([[True, False, True]])
    sources = Sources(warped, valid, torch.zeros(1, 3), torch.ones_like(present))
    assert valid_mean(sources).item() == 3
    assert valid_mean(replace(sources, present=present)).item() == 2
    assert valid_mean(replace(sources, valid=torch.zeros_like(valid))).item() == 0
