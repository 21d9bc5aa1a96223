import math

import pytest
import torch

from mim4d.data.augment.colour_jitter import ColourJitter

GREY = torch.tensor([60, 60, 60], dtype=torch.uint8)
RED = torch.tensor([200, 40, 40], dtype=torch.uint8)


def changed(jitter: ColourJitter, colour: torch.Tensor) -> list[int]:
    levels: list[int] = jitter.apply(colour.view(1, 3, 1, 1)).flatten().tolist()
    return levels


def test_hand_numbers() -> None:
    assert changed(ColourJitter(brightness=1.5), GREY) == [90, 90, 90]
    assert changed(ColourJitter(brightness=2.0), RED) == [255, 80, 80]  # clipped
    assert changed(ColourJitter(contrast=0.5), GREY) == [94, 94, 94]  # 127.5 − 67.5 / 2 = 93.75
    # Its grey is 0.299 · 200 + 0.701 · 40 = 87.84.
    assert changed(ColourJitter(saturation=0.0), RED) == [88, 88, 88]
    assert changed(ColourJitter(saturation=0.5), RED) == [144, 64, 64]
    assert changed(ColourJitter(brightness=0.5, contrast=2.0), GREY) == [0, 0, 0]


def test_hue_turns_about_the_grey_axis() -> None:
    assert changed(ColourJitter(hue_rad=1.0), GREY) == [60, 60, 60]
    colours = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    turned = ColourJitter(hue_rad=0.5).apply(colours)
    assert (turned - colours).abs().max() > 0.02
    torch.testing.assert_close((turned * weights).sum(1), (colours * weights).sum(1))
    back = ColourJitter(hue_rad=-0.5).apply(turned)
    torch.testing.assert_close(back, colours, atol=1e-5, rtol=0)
    about = ColourJitter(hue_rad=2 * math.pi).apply(colours)
    torch.testing.assert_close(about, colours, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_integers_are_rounded_numbers(layout: torch.memory_format) -> None:
    jitter = ColourJitter(1.1, 0.9, 1.3, -0.2)
    levels = torch.randint(0, 256, (2, 3, 6, 9), dtype=torch.uint8)
    exact = jitter.apply(levels / 255) * 255
    found = jitter.apply(levels.contiguous(memory_format=layout))
    assert found.dtype == torch.uint8
    assert (found.float() - exact).abs().max() < 0.51


def test_the_default_changes_nothing() -> None:
    levels = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)
    assert ColourJitter().changes_nothing
    assert ColourJitter().apply(levels) is levels
    exact = torch.eye(3, 4, dtype=torch.float64)
    torch.testing.assert_close(ColourJitter().matrix(), exact, atol=1e-12, rtol=0)
