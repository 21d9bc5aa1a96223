"""Matching against trying all assignments, losses by hand."""

from itertools import permutations

import pytest
import torch

from mim4d.tasks.map_losses import LineWeights, cell_loss, line_losses, match

WEIGHTS = LineWeights(2.0, 5.0, 0.005)


def _two_lines() -> tuple[torch.Tensor, torch.Tensor]:
    """Two true lines of four points in both directions: orders and classes."""
    lines = torch.rand(2, 4, 2, generator=torch.Generator().manual_seed(1))
    return torch.stack([lines, lines.flip(1)], dim=1), torch.tensor([0, 2])


def test_the_cheapest_assignment_is_found(seed: torch.Generator) -> None:
    orders, classes = _two_lines()
    points = torch.rand(3, 4, 2, generator=seed)
    logits = torch.randn(3, 3, generator=seed)
    found = match(logits, points, classes, orders, WEIGHTS)

    def cost(q: int, k: int) -> float:
        sure = logits[q, classes[k]].double().sigmoid()
        named = 0.25 * (1 - sure) ** 2 * -sure.log() - 0.75 * sure**2 * -(1 - sure).log()
        away = min((points[q] - order).abs().sum() for order in orders[k])
        return float(2 * named + 5 * away)

    best = min(permutations(range(3), 2), key=lambda p: cost(p[0], 0) + cost(p[1], 1))
    pairs = dict(zip(found.true.tolist(), found.drawn.tolist(), strict=True))
    assert (pairs[0], pairs[1]) == best


def test_a_line_drawn_backwards_costs_nothing() -> None:
    orders, classes = _two_lines()
    logits = torch.full((2, 3), -20.0)
    logits[0, 2] = logits[1, 0] = 20.0
    drawn = torch.stack([orders[1, 1], orders[0, 0]])
    losses = line_losses(logits, drawn, classes, orders, WEIGHTS)
    assert {name: round(float(loss), 6) for name, loss in losses.items()} == {
        "classes": 0.0,
        "points": 0.0,
        "direction": 0.0,
    }


def test_points_by_hand() -> None:
    """One line 0.1 beside the truth: 4 points × 0.1 × weight 5; parallel, so no turn."""
    line = torch.stack([torch.linspace(0, 0.9, 4), torch.full((4,), 0.5)], dim=-1)
    orders = torch.stack([line, line.flip(0)])[None]
    drawn = (line + torch.tensor([0.0, 0.1]))[None]
    losses = line_losses(torch.zeros(1, 3), drawn, torch.tensor([1]), orders, WEIGHTS)
    assert float(losses["points"]) == pytest.approx(5 * 0.4)
    assert float(losses["direction"]) == pytest.approx(0, abs=1e-7)
    turned = line_losses(torch.zeros(1, 3), drawn.flip(2), torch.tensor([1]), orders, WEIGHTS)
    assert float(turned["direction"]) == pytest.approx(0.005 * 3, rel=1e-3)


def test_without_truth_everything_is_none_of_the_classes() -> None:
    logits, points = torch.zeros(2, 3, requires_grad=True), torch.rand(2, 4, 2, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    losses = line_losses(logits, points, none, torch.zeros(0, 6, 4, 2), WEIGHTS)
    torch.stack(list(losses.values())).sum().backward()
    assert float(losses["points"].detach()) == 0
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_points_that_are_not_finite_become_a_loss_that_is_not() -> None:
    """So that the run stops with the message that names step and batch."""
    orders, classes = _two_lines()
    points = torch.full((3, 4, 2), torch.nan)
    losses = line_losses(torch.zeros(3, 3), points, classes, orders, WEIGHTS)
    assert not losses["points"].isfinite()


def test_cells_on_lines_weigh_four_times() -> None:
    logits = torch.zeros(1, 1, 1, 2)
    on = torch.tensor([[[[True, False]]]])
    assert float(cell_loss(logits, on)) == pytest.approx(float(torch.log(torch.tensor(2.0)) * 2.5))
