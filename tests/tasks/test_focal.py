"""Focal losses by hand."""

import torch

from mim4d.tasks.focal import focal_cost, focal_loss, heat_map_focal


def test_focal_loss_by_hand() -> None:
    """p = 0.5: 0.25 × 0.25 × ln 2 where true, 0.75 × 0.25 × ln 2 where not."""
    found = focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([0.0625, 0.1875]) * torch.log(torch.tensor(2.0)))


def test_the_cost_of_a_class_is_what_it_adds_to_the_loss() -> None:
    logits = torch.tensor([[-1.0, 2.0]])
    none, first = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    added = focal_loss(logits, first).sum() - focal_loss(logits, none).sum()
    torch.testing.assert_close(focal_cost(logits)[0, 0], added)


def test_heat_map_focal_by_hand() -> None:
    heat = torch.tensor([[[1.0, 0.5, 0.0]]])
    p = torch.tensor([[[0.8, 0.5, 0.1]]])
    counted = torch.tensor([[[True, True, False]]])
    expected = torch.tensor([[[-(0.2**2), -(0.5**4) * 0.5**2, 0.0]]])
    expected = expected * torch.tensor([[[0.8, 0.5, 1.0]]]).log()
    torch.testing.assert_close(heat_map_focal(p.logit(), heat, counted), expected)
