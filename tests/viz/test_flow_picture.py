"""The picture of scene flow: colours where they belong, and words that are true."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mim4d.evaluation.flow.from_above import Cells, FlowClip, FlowMap
from mim4d.viz.canvas import Canvas
from mim4d.viz.flow_picture import draw_flow
from mim4d.viz.flow_wheel import STANDING, flow_colours
from tests.evaluation.rows import flow_row
from tests.viz.clips import make_clip

CELLS = Cells(reach_m=16.0, count=16)
FORWARD, LEFT = torch.tensor([8.0, 0.0]), torch.tensor([0.0, 8.0])


def one_mover(x: float, y: float, velocity: Tensor, held: bool = True) -> FlowMap:
    """A block of 3 × 3 squares of 2 m that moves, and a wall 13 m to the right that stands."""
    near = (CELLS.centres - torch.tensor([x, y])).abs().amax(dim=-1) < 3
    wall = CELLS.centres[..., 1] == -13
    velocities = near.unsqueeze(-1) * velocity
    return FlowMap((near & held) | wall, velocities)


def flow_clip(found: FlowMap, truth: FlowMap | None) -> FlowClip:
    row = None if truth is None else flow_row(0.4)
    clip = make_clip([0.0, 120.0], frames=3)
    return FlowClip(clip, 1, CELLS, found, truth, "exact scene flow", torch.zeros(0, 9), row)


@dataclass(frozen=True)
class Drawn:
    """A picture and its pixels, in RGB from 0 to 1."""

    canvas: Canvas
    pixels: np.ndarray

    @classmethod
    def of(cls, shown: FlowClip) -> "Drawn":
        canvas = draw_flow(shown, "title")
        return cls(canvas, canvas.pixels() / 255)


def colours_at(drawn: Drawn, panel: int, x: float, y: float) -> tuple[np.ndarray, Tensor]:
    """The pixels of one square of a map, and the one in its corner."""
    figure, pixels = drawn.canvas.figure, drawn.pixels
    axes = [a for a in figure.axes if a.get_ylabel().startswith("x of the car")][panel]
    spots = []
    for along, across in ((x - 0.8, y - 0.8), (x + 0.8, y + 0.8)):
        column, from_below = axes.transData.transform((across, along))
        spots.append((round(len(pixels) - from_below), round(column)))
    (bottom, right), (top, left) = spots
    block = pixels[top : bottom + 1, left : right + 1]
    return block, torch.from_numpy(block[-1, -1]).float()


def words_of(drawn: Drawn) -> str:
    figure = drawn.canvas.figure
    texts = [*figure.texts, *(t for axes in figure.axes for t in axes.texts)]
    return "\n".join(text.get_text() for text in texts)


@pytest.mark.slow
def test_what_moves_has_its_colour_at_its_place() -> None:
    found, truth = one_mover(5.0, 7.0, FORWARD), one_mover(-9.0, 3.0, LEFT)
    drawn = Drawn.of(flow_clip(found, truth))
    for panel, (x, y), velocity in ((0, (5.0, 7.0), FORWARD), (1, (-9.0, 3.0), LEFT)):
        block, corner = colours_at(drawn, panel, x, y)
        torch.testing.assert_close(corner, flow_colours(velocity, 10.0), rtol=0, atol=0.02)
        assert (block.max(axis=-1) < 0.4).any()  # its arrow
        _, wall = colours_at(drawn, panel, 3.0, -13.0)
        assert wall.tolist() == pytest.approx([STANDING] * 3, abs=0.01)
        _, nothing = colours_at(drawn, panel, 5.0, -5.0)
        assert nothing.tolist() == [1, 1, 1]
    # Each panel shows its own map.
    assert colours_at(drawn, 0, -9.0, 3.0)[1].min() > 0.8
    words = words_of(drawn)
    assert "normalised EPE 0.40 (zero flow: 1), median angle 22°" in words
    assert "1234 points of 56" in words
    assert "6.2% of static points are wrongly marked as moving" in words
    assert "the frames at −0.5 s, +0.5 s" in words


@pytest.mark.slow
def test_what_moves_where_nothing_is_held_is_pale() -> None:
    found = one_mover(5.0, 7.0, FORWARD, held=False)
    drawn = Drawn.of(flow_clip(found, found))
    _, corner = colours_at(drawn, 0, 5.0, 7.0)
    pale = 0.5 + flow_colours(FORWARD, 10.0) / 2
    torch.testing.assert_close(corner, pale, rtol=0, atol=0.05)


@pytest.mark.slow
def test_boxes_are_outlined_and_missing_truth_is_said() -> None:
    box = torch.tensor([[8.0, 0.0, 1.0, 4.0, 2.0, 1.5, 0.0, 5.0, 0.0]])
    still = FlowMap(torch.zeros(16, 16, dtype=torch.bool), torch.zeros(16, 16, 2))
    shown = flow_clip(still, None)
    plain, outlined = (Drawn.of(replace(shown, boxes_ego=boxes)) for boxes in (box[:0], box))
    # The front of the box is 10 m ahead of the car.
    assert (colours_at(plain, 0, 9.5, 0.0)[0] > 0.8).all()
    assert (colours_at(outlined, 0, 9.5, 0.0)[0].max(axis=-1) < 0.4).any()
    words = words_of(outlined)
    assert "no velocity is known in this frame" in words
    assert "Nothing is known of how things move" in words
