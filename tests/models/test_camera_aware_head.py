"""The camera-aware depth head starts at the road and learns to leave it."""

from typing import Any

import torch

from mim4d.models.camera_aware_head import CameraAwareDepthHead
from mim4d.models.camera_rays import CellRays
from mim4d.models.depth_head import DepthBins

BINS = DepthBins(10, 1.0, 10.0)


def _cells(ground_depth: torch.Tensor) -> CellRays:
    directions = torch.zeros(1, 3, *ground_depth.shape[-2:])
    directions[:, 0] = 1
    return CellRays(directions, ground_depth)


def test_the_untrained_head_puts_the_road_where_it_is(seed: torch.Generator) -> None:
    head = CameraAwareDepthHead(4, BINS)
    ground = torch.tensor([[[3.0, 4.5, 50.0, torch.inf]]])
    features = torch.randn(1, 4, 1, 4, generator=seed)
    _, (probs,) = head([features], [_cells(ground)])
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(1, 1, 4))
    logits = probs[0, :, 0].log()
    # At a bin's centre its logit leads all others by 4; between two bins both lead by 2.
    torch.testing.assert_close(logits[2, 0] - logits[0, 0], torch.tensor(4.0))
    torch.testing.assert_close(logits[3, 1] - logits[0, 1], torch.tensor(2.0))
    torch.testing.assert_close(logits[4, 1] - logits[0, 1], torch.tensor(2.0))
    # Beyond the bins and above the horizon nothing is preferred.
    torch.testing.assert_close(probs[0, :, 0, 2:], torch.full((10, 2), 0.1))


def test_every_parameter_gets_a_gradient(seed: torch.Generator) -> None:
    head = CameraAwareDepthHead(4, BINS)
    net: Any = head.depth_net
    with torch.no_grad():
        net[2].weight.normal_(generator=seed)
    features = torch.randn(2, 4, 3, 5, generator=seed)
    cells = CellRays(torch.rand(2, 3, 3, 5, generator=seed), torch.full((2, 3, 5), 4.2))
    projected, probs = head([features], [cells])
    (projected[0].square().sum() + probs[0].square().sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())
