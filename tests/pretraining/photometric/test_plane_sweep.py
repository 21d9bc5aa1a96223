"""The plane sweep finds the depth, and its losses reward the distributions that do."""

import math

import pytest
import torch

from mim4d.pretraining.photometric.patch_cost import Patch, static_costs
from mim4d.pretraining.photometric.plane_sweep import (
    PlaneSweep,
    cell_probs,
    explained,
    likely_distance,
    log_depths,
    plane_sweep_costs,
)
from tests.pretraining.scene import SQUARE_M, WALL_M, look

PATCH = Patch(3, 1.5)
PIXELS = torch.tensor([[[14.5, 10.5], [50.5, 38.5], [32.5, 24.5]]])
DEPTHS = log_depths(2.5, 40.0, 33)  # ratio 2^(1/8): 5, 10 and 20 m are among them


def _sweep(*positions: tuple[float, float, float]) -> PlaneSweep:
    views, partners, _ = look(*positions)
    static = static_costs(views, partners, PIXELS, PATCH)
    return plane_sweep_costs(views, partners, PIXELS, DEPTHS, PATCH, static)


def test_log_depths() -> None:
    assert DEPTHS[[0, 8, 16, 32]].tolist() == pytest.approx([2.5, 5.0, 10.0, 40.0])
    assert (DEPTHS[1:] / DEPTHS[:-1]).tolist() == pytest.approx([2 ** (1 / 8)] * 32)


def test_the_sweep_is_least_at_the_truth() -> None:
    sweep = _sweep((0.0, 0.0, 0.0), (-0.6, 0.1, 0.0), (0.1, 0.0, 1.5))
    assert sweep.counts.all()
    found = DEPTHS[sweep.costs.argmin(dim=-1)][0]
    assert found.tolist() == pytest.approx([WALL_M, WALL_M, SQUARE_M])


def test_a_standing_camera_teaches_nothing() -> None:
    assert not _sweep((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)).counts.any()


def test_depths_that_no_source_sees_cost_the_mean() -> None:
    sweep = _sweep((0.0, 0.0, 0.0), (-2.0, 0.0, 0.0))
    # At 2.5 m the camera two metres to the left sees nothing of the middle.
    costs = sweep.costs[0, 2]
    assert costs[0] == costs[1]
    seen = costs[costs != costs[0]]
    assert costs[0].item() == pytest.approx(seen.mean().item(), rel=1e-4)


def test_costs_at() -> None:
    sweep = PlaneSweep(
        torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[[0.1, 0.5, 0.3]]]), torch.ones(1, 1).bool()
    )
    depths = torch.tensor([[[0.5, 1.0, math.sqrt(2), 2.0, math.sqrt(8), 4.0, 90.0]]])
    expected = [0.1, 0.1, 0.3, 0.5, 0.4, 0.3, 0.3]
    assert sweep.costs_at(depths).flatten().tolist() == pytest.approx(expected)


def test_explained_is_between_least_and_expected_cost() -> None:
    probs = torch.tensor([[[0.2, 0.3, 0.5]]])
    costs = torch.tensor([[[0.1, 0.4, 0.6]]])
    valid = torch.ones(1, 1, dtype=torch.bool)
    assert explained(probs, costs, valid, 1e3).item() == pytest.approx(0.44, rel=1e-3)
    assert explained(probs, costs, valid, 1e-4).item() == pytest.approx(0.1, abs=2e-3)
    tau = 0.2
    by_hand = -tau * math.log(
        sum(p * math.exp(-c / tau) for p, c in ((0.2, 0.1), (0.3, 0.4), (0.5, 0.6)))
    )
    assert explained(probs, costs, valid, tau).item() == pytest.approx(by_hand, rel=1e-5)
    assert explained(probs, costs, ~valid, tau).item() == 0.0


def test_explained_moves_towards_the_posterior(seed: torch.Generator) -> None:
    """d loss / d logits = τ (p − p·e^(−c/τ) / Σ …)."""
    logits = torch.randn(1, 1, 6, generator=seed, dtype=torch.float64, requires_grad=True)
    costs, tau = torch.rand(1, 1, 6, generator=seed, dtype=torch.float64), 0.1
    valid = torch.ones(1, 1, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(explained(logits.softmax(-1), costs, valid, tau), logits)
    probs = logits.detach().softmax(-1)
    posterior = probs * (-costs / tau).exp()
    posterior = posterior / posterior.sum()
    torch.testing.assert_close(gradient, tau * (probs - posterior))
    flat = explained(logits.softmax(-1), torch.full_like(costs, 0.3), valid, tau)
    assert torch.autograd.grad(flat, logits)[0].abs().max() < 1e-12


def test_likely_distance_by_hand() -> None:
    distances = torch.tensor([2.0, 4.0, 8.0, 30.0])
    probs = torch.tensor([0.1, 0.5, 0.1, 0.3])
    # Flat costs: the median of the weights, whatever share passes through to 30 m.
    assert likely_distance(probs, torch.full((4,), 0.5), distances, 0.05).item() == 4.0
    # 8 m is so much cheaper that it outweighs all others.
    costs = torch.tensor([0.5, 0.5, 0.1, 0.5])
    assert likely_distance(probs, costs, distances, 0.05).item() == 8.0
    assert (
        likely_distance(torch.tensor([0.0, 0.0, 0.0, 1.0]), costs, distances, 0.05).item() == 30.0
    )


def test_cell_probs() -> None:
    """A map of 2 × 3 cells over an image of 8 × 12 pixels."""
    probs = torch.arange(6.0).view(1, 1, 2, 3)
    pixels = torch.tensor([[[0.5, 0.5], [11.5, 7.5], [4.0, 3.9], [12.0, 8.0]]])
    assert cell_probs(probs, pixels, (8, 12)).flatten().tolist() == [0.0, 5.0, 1.0, 5.0]
