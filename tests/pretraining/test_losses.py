import math

import pytest
import torch

from mim4d.pretraining.losses import (
    colour_l1,
    depth_cross_entropy,
    distance_l1,
    distance_log,
    distances_to_surface,
    eikonal,
    free_space,
    inverse_depth_smoothness,
    masked_mean,
    near_surface_sdf,
    obstacle_weights,
    termination,
)

VALID = torch.tensor([[True, False]])


def test_masked_mean():
    values = torch.tensor([[1.0, float("nan"), 3.0]], requires_grad=True)
    mean = masked_mean(values, torch.tensor([[True, False, True]]))
    mean.backward()
    assert mean.item() == 2.0
    assert values.grad is not None
    assert values.grad.tolist() == [[0.5, 0.0, 0.5]]
    assert masked_mean(values, torch.zeros(1, 3, dtype=torch.bool)).item() == 0.0


def test_masked_mean_counts_every_clip_once():
    """Not every value once: (mean(1, 3) + 6 + nothing) / 3, where pooling would give 10 / 3."""
    values = torch.tensor([[1.0, 3.0], [6.0, 9.0], [7.0, 8.0]], requires_grad=True)
    valid = torch.tensor([[True, True], [True, False], [False, False]])
    mean = masked_mean(values, valid)
    mean.backward()
    assert mean.item() == pytest.approx(8 / 3)
    third = 1 / 3
    expected = torch.tensor([[third / 2, third / 2], [third, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(values.grad, expected)
    assert (
        masked_mean(values.unflatten(1, (2, 1)), valid.unflatten(1, (2, 1))).item() == mean.item()
    )


def test_colour_and_distance_by_hand():
    colours = torch.tensor([[[0.5, 0.5, 0.5], [9.0, 9.0, 9.0]]])
    assert colour_l1(colours, torch.tensor([[[0.5, 0.8, 0.5], [0.0, 0.0, 0.0]]]), VALID).item() == (
        pytest.approx(0.1)
    )
    assert distance_l1(torch.tensor([[5.0, 9.0]]), torch.tensor([[7.0, 0.0]]), VALID).item() == 2.0


def test_eikonal_by_hand():
    gradient = torch.tensor([[[[0.0, 3.0, 0.0], [0.0, 0.0, 1.0]], [[9.0] * 3] * 2]])
    assert eikonal(gradient, VALID).item() == pytest.approx((4 + 0) / 2)
    zero = torch.zeros(1, 2, 1, 3, requires_grad=True)
    eikonal(zero, VALID).backward()
    assert zero.grad is not None
    assert torch.isfinite(zero.grad).all()


def test_losses_along_the_ray_by_hand():
    """Surface measured at 10 m, τ = 2 m, samples at 5, 9 and 13 m; the second ray has no target."""
    samples = torch.tensor([[[5.0, 9.0, 13.0]] * 2])
    sdf = torch.tensor([[[0.5, 0.25, 7.0], [9.0, 9.0, 9.0]]])
    target = torch.tensor([[10.0, 0.0]])
    # Only the sample at 5 m is free space: 2 − 0.5. Only that at 9 m is near: |0.25 − 1|.
    assert free_space(sdf, samples, target, VALID, 2.0).item() == 1.5
    assert near_surface_sdf(sdf, samples, target, VALID, 2.0).item() == 0.75


def test_a_factor_too_near_costs_what_the_same_factor_too_far_costs():
    target = torch.tensor([[8.0, 0.0]])
    for distance in (4.0, 16.0):
        loss = distance_log(torch.tensor([[distance, 5.0]]), target, VALID)
        assert loss.item() == pytest.approx(math.log(2))


def _termination(weights, at, target, valid=True):
    """One ray that leaves the box at 30 m, scale 0.5."""
    return termination(
        torch.tensor([[weights]]),
        torch.tensor([[at]]),
        torch.tensor([[target]]),
        torch.tensor([[30.0]]),
        torch.tensor([[valid]]),
        0.5,
    ).item()


def test_termination_by_hand():
    assert _termination([0.0, 1.0], [5.0, 10.0], 10.0) == pytest.approx(0, abs=1e-6)
    # Half of the light ends at half the distance, the other half where it was measured to end.
    assert _termination([0.5, 0.5], [5.0, 10.0], 10.0) == pytest.approx(
        -math.log(0.5 * 0.5**2 + 0.5), rel=1e-5
    )
    # Nothing stops the ray: right where nothing was met, off by ln 3 where something is at 10 m.
    assert _termination([0.0, 0.0], [5.0, 10.0], 30.0) == pytest.approx(0, abs=1e-6)
    assert _termination([0.0, 0.0], [5.0, 10.0], 10.0) == pytest.approx(2 * math.log(3), rel=1e-5)
    assert _termination([0.5, 0.5], [5.0, 10.0], 10.0, valid=False) == 0


def test_termination_pulls_the_light_to_the_return_and_away_from_clear_rays():
    at, far = torch.tensor([[[5.0, 10.0, 20.0]] * 2]), torch.tensor([[30.0, 30.0]])
    weights = torch.full((1, 2, 3), 0.3, requires_grad=True)
    valid = torch.ones(1, 2, dtype=torch.bool)
    termination(weights, at, torch.tensor([[10.0, 30.0]]), far, valid, 0.1).backward()
    assert weights.grad is not None
    hit, clear = weights.grad[0]
    assert hit.argmin() == 1
    assert hit[1] < 0
    assert (clear > 0).all()


def test_distances_to_a_plane_are_exact():
    """A wall at x = 10 m met at an angle, the road from 1.5 m above, and a grazed wall."""
    direction = torch.tensor([[[0.8, 0.6, 0.0], [0.6, 0.0, -0.8], [0.0, 1.0, 0.0]]])
    samples = torch.tensor([1.0, 12.0, 14.0])
    along = torch.tensor([12.5, 1.875, 12.5]).view(1, 3, 1) - samples
    heights = 1.5 + direction[..., 2:] * samples
    gradient = torch.tensor([-2.0, 0.0, 0.0]).expand(1, 3, 3, 3)
    on_road = torch.tensor([[False, True, False]])
    found = distances_to_surface(along, heights, on_road, direction, gradient)
    torch.testing.assert_close(found[0, 0], 10 - 0.8 * samples)
    torch.testing.assert_close(found[0, 1], 1.5 - 0.8 * samples)
    torch.testing.assert_close(found[0, 2], 0.2 * along[0, 2])
    sdf = found + 0.25
    target, valid = torch.tensor([[12.5, 1.875, 12.5]]), torch.ones(1, 3, dtype=torch.bool)
    loss = near_surface_sdf(sdf, samples.expand(1, 3, 3), target, valid, 2.0, found)
    assert loss.item() == pytest.approx(0.25)


def test_depth_cross_entropy_by_hand():
    # Bins at 1, 2, 3 m. A depth of 2.25 m is three quarters bin 2 and one quarter bin 3.
    probs = torch.tensor([0.5, 0.25, 0.25]).reshape(1, 3, 1, 1).repeat(1, 1, 1, 3)
    depths = torch.tensor([[[1.0, 2.25, 7.0]]])
    valid = torch.ones(1, 1, 3, dtype=torch.bool)
    loss = depth_cross_entropy(probs, depths, valid, 1.0, 3.0)
    first, second = math.log(2), math.log(4)
    # 7 m lies beyond the bins and does not count.
    assert loss.item() == pytest.approx((first + second) / 2)
    assert depth_cross_entropy(probs, depths, ~valid, 1.0, 3.0).item() == 0.0


def test_depth_cross_entropy_is_least_at_the_truth():
    depths = torch.full((1, 1, 1), 2.25)
    valid = torch.ones(1, 1, 1, dtype=torch.bool)
    at = [
        depth_cross_entropy(torch.tensor(p).reshape(1, 3, 1, 1), depths, valid, 1.0, 3.0).item()
        for p in ([1e-3, 0.749, 0.25], [1e-3, 0.25, 0.749], [0.25, 0.749, 1e-3])
    ]
    assert at[0] == min(at)


def test_smoothness_by_hand():
    """Inverse depths of a slanted plane cost nothing; a bump costs, less so at a colour edge."""
    column = torch.arange(4.0)
    plane = (1 + 0.1 * column + 0.2 * torch.arange(3.0)[:, None])[None]
    grey, all_valid = torch.full((1, 3, 3, 4), 0.5), torch.ones(1, 3, 4, dtype=torch.bool)
    assert inverse_depth_smoothness(plane, grey, all_valid).item() == pytest.approx(0, abs=1e-6)

    row = torch.tensor([1.0, 1.0, 4.0, 2.0])  # mean 2; second differences 3 and -5
    bump = row.expand(1, 3, 4)
    by_hand = (3 + 5) / 2 / 2
    assert inverse_depth_smoothness(bump, grey, all_valid).item() == pytest.approx(by_hand / 2)
    edge = grey.clone()
    edge[..., 2] = 0.6  # second difference 0.1 and -0.2 of all channels
    weighed = (3 * math.exp(-1) + 5 * math.exp(-2)) / 2 / 2
    assert inverse_depth_smoothness(bump, edge, all_valid).item() == pytest.approx(weighed / 2)
    partly = all_valid.clone()
    partly[..., 0] = False  # mean of the rest 7/3; only 1, 4, 2 is left
    assert inverse_depth_smoothness(bump, grey, partly).item() == pytest.approx(5 / (7 / 3) / 2)


def test_obstacles_count_more_by_hand() -> None:
    # A car at 6 m before road at 10 m; the road itself; a wall at 30 m; a car below no road.
    measured = torch.tensor([[6.0, 9.8, 30.0, 12.0]])
    ground = torch.tensor([[10.0, 10.0, 60.0, torch.inf]])
    weights = obstacle_weights(measured, ground, extra=3.0)
    assert weights.tolist() == [[4.0, 1.0, 1.0, 4.0]]
    valid = torch.tensor([[True, True, True, False]])
    errors = torch.tensor([[2.0, 1.0, 0.0, 7.0]])
    assert masked_mean(errors, valid, weights).item() == pytest.approx((4 * 2 + 1) / 6)
    assert distance_l1(errors, torch.zeros(1, 4), valid, weights).item() == pytest.approx(1.5)
    assert masked_mean(errors, valid, torch.ones(1, 4)) == masked_mean(errors, valid)
