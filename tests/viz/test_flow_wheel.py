"""Colours of velocities, and the wheel that explains them."""

import colorsys

import pytest
import torch

from mim4d.viz.canvas import Canvas
from mim4d.viz.flow_wheel import STANDING, draw_wheel, flow_colours, full_speed


def test_the_hue_is_the_direction_and_its_strength_the_speed() -> None:
    velocities = torch.tensor([[0.0, 0], [10, 0], [0, 10], [-10, 0], [0, -10], [2.5, 0], [40, 0]])
    still, forward, left, back, right, slow, fast = flow_colours(velocities, 10.0)
    assert still.tolist() == pytest.approx([STANDING] * 3)
    hues = [colorsys.rgb_to_hsv(*colour.tolist())[0] for colour in (forward, left, back, right)]
    assert hues == pytest.approx([0, 0.25, 0.5, 0.75], abs=1e-5)
    # At a quarter of full speed a colour is half as far from grey; above it, all the way.
    torch.testing.assert_close(slow - STANDING, (forward - STANDING) / 2)
    torch.testing.assert_close(fast, forward)


@pytest.mark.parametrize(
    ("speeds", "expected"), [([], 2), ([1.0, 4.9], 5), ([5.1] * 3, 10), ([99.0], 30)]
)
def test_full_speed_is_round(speeds: list[float], expected: float) -> None:
    assert full_speed(torch.tensor(speeds)) == expected


def test_a_direction_in_the_wheel_is_that_of_the_picture() -> None:
    side = 236
    canvas = Canvas(side, side)
    draw_wheel(canvas, 0, 0, side, 8.0)
    pixels = torch.from_numpy(canvas.pixels()).float() / 255
    metres = side / 2 / 1.18 / 8.0  # pixels per m/s
    for x, y in ((6.0, 0.0), (0.0, 6.0), (-4.5, 2.0), (1.0, -3.0)):
        row, column = int(side / 2 - x * metres), int(side / 2 - y * metres)
        expected = flow_colours(torch.tensor([x, y]), 8.0)
        torch.testing.assert_close(pixels[row, column], expected, rtol=0, atol=0.04)
    assert pixels[3, 3].min() == 1
