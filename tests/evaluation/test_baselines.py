"""Distances that need no learning."""

import torch

from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.baselines import flat_ground, pixel_constants
from tests.toy import toy_clip, toy_config


def test_pixel_constants_by_hand() -> None:
    """The constants themselves: mean and median over scenes, camera by camera, without NaN."""
    seen = torch.stack([torch.full((1, 1, 2), value) for value in (2.0, 2.0, 20.0)])
    seen[0, 0, 0, 1] = torch.nan
    by_pixel = pixel_constants(seen)
    assert by_pixel["pixel_mean"][0, 0].tolist() == [8.0, 11.0]
    assert by_pixel["pixel_median"][0, 0].tolist() == [2.0, 2.0]
    seen[:, 0, 0, 1] = torch.nan
    assert pixel_constants(seen)["pixel_mean"][0, 0].tolist() == [8.0, 8.0]


def test_flat_ground_by_hand() -> None:
    """Cameras 1.5 m above the road: depth is 1.5 f / (v − c) below the horizon."""
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    found = flat_ground(clip, view)
    far = view.rays(clip).far[0].unflatten(0, found.shape)
    # Focal length 57.6 px, centre (48, 32); cell (i, j) at pixel (4 j + 2, 4 i + 2).
    v = (torch.arange(16) * 4 + 2 - 32.0).unsqueeze(1)
    u = (torch.arange(24) * 4 + 2 - 48.0).unsqueeze(0)
    depth = torch.where(v > 0, 1.5 * 57.6 / v, torch.inf)
    distance = depth * ((u / 57.6) ** 2 + (v / 57.6) ** 2 + 1).sqrt()
    torch.testing.assert_close(found, distance.expand(3, -1, -1).minimum(far), rtol=1e-4, atol=1e-4)
    assert (found < far).any()
    assert (found[:, :8] == far[:, :8]).all()
