"""Flow of what moves: hand numbers and laws."""

import pytest
import torch

from mim4d.metrics.moving_flow import MovingFlow, bev_angle_error


def rows(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_angles_by_hand():
    truth = rows((5, 0, 0), (5, 0, 0), (0, 2, 0), (-3, 0, 0), (5, 0, 0))
    predicted = rows((2, 2, 0), (-4, 0, 9), (0, 0.6, 0), (-0.49, 0, 0), (0.0, 0, 5))
    # The last two are slower than 0.5 m/s seen from above, whatever they say about height.
    expected = torch.tensor([45.0, 180, 0, 90, 90], dtype=torch.float64)
    torch.testing.assert_close(bev_angle_error(predicted, truth), expected, rtol=0, atol=1e-9)


def test_zero_flow_is_one_and_has_no_direction(seed):
    truth = torch.randn(40, 3, generator=seed)
    score = MovingFlow.of(torch.zeros(40, 3), truth, torch.ones(40, dtype=torch.bool))
    assert score.normalised_epe == pytest.approx(1)
    assert score.median_angle_deg == 90
    half = MovingFlow.of(truth / 2, truth, torch.ones(40, dtype=torch.bool))
    assert half.normalised_epe == pytest.approx(0.5)


def test_sums_of_clips_are_one_large_clip(seed):
    predicted, truth = torch.randn(2, 60, 3, generator=seed)
    moving = torch.rand(60, generator=seed) > 0.5
    whole = MovingFlow.of(predicted, truth, moving)
    parts = MovingFlow.of(predicted[:7], truth[:7], moving[:7]) + MovingFlow.of(
        predicted[7:], truth[7:], moving[7:]
    )
    assert parts.normalised_epe == whole.normalised_epe
    assert parts.median_angle_deg == whole.median_angle_deg
    assert parts.num_points == moving.sum()


def test_nothing_that_moves_has_no_value():
    nothing = MovingFlow.of(torch.zeros(3, 3), torch.ones(3, 3), torch.zeros(3, dtype=torch.bool))
    assert (nothing.normalised_epe, nothing.median_angle_deg) == (None, None)
    assert nothing.mean_angle_deg is None
