"""Given depths in the place of the depth head's."""

from dataclasses import replace

import pytest
import torch

from mim4d.models.given_depth import exact_probs
from tests.toy import toy_clip, toy_config, toy_model

CENTRES = torch.tensor([2.0, 4.0, 8.0])


def test_pixels_are_shared_between_the_centres_around_them() -> None:
    """One cell of four pixels: at a centre, between two, without depth, and beyond the bins."""
    depths = torch.tensor([[[2.0, 5.0], [0.0, 9.0]]])
    probs = exact_probs(depths, CENTRES, (1, 1))
    assert probs.flatten().tolist() == pytest.approx([1 / 4, 3 / 16, 1 / 16])


@torch.no_grad()
def test_given_depths_take_the_heads_place_where_there_are_some() -> None:
    config, clip = toy_config(frames=1), toy_clip(0, frames=1)
    encoder = toy_model(config).eval().encoder
    own = encoder.encode(clip)
    depths = torch.full((1, 1, 3, 64, 96), encoder.depth_head.bins.centres_m[3].item())
    depths[:, :, 0, :, :48] = 0.0  # sky, where the head's own answer stands
    given = encoder.encode(replace(clip, given_depths=depths))
    half = given.depth_probs.shape[-1] // 2
    torch.testing.assert_close(
        given.depth_probs[0, 0, 0, ..., :half], own.depth_probs[0, 0, 0, ..., :half]
    )
    assert (given.depth_probs[0, 0, 1:, 3] == 1).all()
    assert not torch.equal(given.volumes, own.volumes)
    unknown = encoder.encode(replace(clip, given_depths=torch.zeros_like(depths)))
    torch.testing.assert_close(unknown.volumes, own.volumes)
