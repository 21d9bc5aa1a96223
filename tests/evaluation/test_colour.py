"""Colour in parts, and what averages of the images give."""

import math
from dataclasses import replace

import pytest
import torch

from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.colour import ColourCollector, averaged, colour_references, visible_mean
from mim4d.evaluation.truth import FrameTruth
from tests.toy import toy_clip, toy_config


def test_known_pixels_and_sky_are_measured_apart() -> None:
    """Half of an image has a distance and is off by 0.1, the other half by 0.01."""
    d = torch.full((1, 2, 4), 5.0)
    d[:, :, 2:] = math.nan
    no, shown = torch.zeros(1, 2, 4, dtype=torch.bool), torch.ones(1, 2, 4, dtype=torch.bool)
    truth = FrameTruth(d, no, no, torch.zeros(1, 2, 4, 3), shown, None)
    drawn = torch.full((1, 2, 4, 3), 0.1)
    drawn[:, :, 2:] = 0.01
    collector = ColourCollector()
    collector.add(drawn, truth)
    scores = collector.scores()
    assert scores.psnr_known_db == pytest.approx(20.0, abs=1e-4)
    assert scores.psnr_sky_db == pytest.approx(40.0, abs=1e-3)
    assert scores.psnr_db == pytest.approx(-10 * math.log10((0.01 + 0.0001) / 2), abs=1e-4)
    assert scores.ssim is None


def test_windows_average_what_counts() -> None:
    image = torch.arange(6.0).view(1, 1, 2, 3).expand(1, 3, 2, 3)
    counted = torch.tensor([[[True, True, True], [True, False, True]]])
    found = averaged(image, counted, (2, 2))[0, 0]
    # Left square: 0, 1 and 3 (4 does not count); the right one is cut off: 2 and 5.
    torch.testing.assert_close(found, torch.tensor([[4 / 3, 4 / 3, 3.5]] * 2))


def test_references_use_the_picture_alone() -> None:
    """Left half 51, right half 204, padding below must not count."""
    clip, view = toy_clip(0, frames=1), EvaluatedView.of(toy_config(frames=1), stride=8)
    images = torch.zeros_like(clip.images)
    images[..., :32, :48], images[..., :32, 48:] = 51, 204
    sizes = torch.tensor([32, 96]).expand_as(clip.image_sizes)
    found = colour_references(replace(clip, images=images, image_sizes=sizes), view)
    assert {name: each.shape for name, each in found.items()} == dict.fromkeys(
        ("image_mean", "row_means", "blocks_32", "blocks_16", "blocks_8"), (3, 8, 12, 3)
    )
    torch.testing.assert_close(found["image_mean"], torch.full((3, 8, 12, 3), 0.5))
    torch.testing.assert_close(found["row_means"], torch.full((3, 8, 12, 3), 0.5))
    blocks = found["blocks_16"][0, 0, :, 0]
    torch.testing.assert_close(blocks, torch.tensor([0.2] * 6 + [0.8] * 6))
    visible = torch.zeros(3, 2, 3, dtype=torch.bool)
    visible[:, 0, 0] = True  # of the left half
    seen = visible_mean(replace(clip, images=images), view, visible, 32)
    torch.testing.assert_close(seen, torch.full((3, 8, 12, 3), 0.2))
