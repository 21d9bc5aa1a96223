"""Depth distributions: their median."""

import pytest
import torch

from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.depth_probs import head_distances, median_depth
from tests.toy import toy_clip, toy_config, toy_model

CENTRES = torch.tensor([2.0, 4.0, 8.0])  # bins of 1 to 3, 3 to 6 and 6 to 10 m


@pytest.mark.parametrize(
    ("probs", "expected"),
    [
        ([0.0, 1.0, 0.0], 4.5),  # half of the way through its bin
        ([0.5, 0.25, 0.25], 3.0),
        ([0.25, 0.75, 0.0], 4.0),
        ([0.0, 0.0, 1.0], 8.0),
        ([0.1, 0.2, 0.7], 6 + 4 * 0.2 / 0.7),
    ],
)
def test_the_median_lies_where_half_is_reached(probs: list[float], expected: float) -> None:
    assert median_depth(torch.tensor(probs), CENTRES).item() == pytest.approx(expected)


def test_the_heads_distance_is_along_the_ray() -> None:
    """A wall at depth 10 m everywhere: the distance grows towards the corners."""
    config, clip = toy_config(), toy_clip(0)
    view = EvaluatedView.of(config, stride=8)
    bins = toy_model(config).encoder.depth_head.bins
    nearest = (bins.centres_m - 10).abs().argmin()
    probs = torch.zeros(3, bins.num, 4, 6)
    probs[:, nearest] = 1.0
    distances = head_distances(probs, bins, clip, view)
    depth = bins.centres_m[nearest].item()
    pixels = view.images(view.rays_and_pixels(clip)[1][0])
    offset = (pixels - torch.tensor([48.0, 32.0])) / (0.6 * 96)  # from `toy_clip`
    expected = depth * (1 + offset.square().sum(dim=-1)).sqrt()
    torch.testing.assert_close(distances, expected, rtol=1e-4, atol=1e-4)
