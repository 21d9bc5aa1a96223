import numpy as np
import pytest
import torch

from mim4d.viz.canvas import Canvas
from mim4d.viz.overlay import Overlay
from mim4d.viz.top import draw_from_above, frame_colours
from tests.viz.clips import make_clip

SIDE = 400


def dark_pixels(point: list[float]) -> tuple[float, float]:
    """Mean row and column of what one point of all frames adds to the picture."""
    pictures = []
    for points in (torch.zeros(0, 3), torch.tensor([point])):
        canvas = Canvas(SIDE, SIDE)
        axes = canvas.axes(0, 0, SIDE, SIDE)
        draw_from_above(axes, make_clip([0.0], points=points), 20.0, 5.0, Overlay())
        pictures.append(canvas.pixels())
    rows, columns = np.nonzero((pictures[0] != pictures[1]).any(axis=-1))
    return float(rows.mean() + 0.5), float(columns.mean() + 0.5)


@pytest.mark.parametrize(
    ("point", "row", "column"),
    [
        ([13.0, 0.0, 0.0], SIDE * 7 / 40, SIDE / 2),  # forward is up
        ([0.0, 13.0, 0.0], SIDE / 2, SIDE * 7 / 40),  # left is left
        ([-13.0, -7.0, 0.0], SIDE * 33 / 40, SIDE * 27 / 40),
    ],
)
def test_forward_is_up_and_left_is_left(point: list[float], row: float, column: float) -> None:
    found_row, found_column = dark_pixels(point)
    assert found_row == pytest.approx(row, abs=1.5)
    assert found_column == pytest.approx(column, abs=1.5)


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_every_frame_has_its_own_colour(frames: int) -> None:
    assert len({str(c) for c in frame_colours(make_clip([0.0], frames))}) == frames


def test_a_velocity_arrow_stays_inside() -> None:
    boxes = torch.tensor([[10.0, 0.0, 1.0, 4.0, 2.0, 2.0, 0.0, 300.0, 0.0]])
    canvas = Canvas(SIDE, 2 * SIDE)
    axes = canvas.axes(0, SIDE, SIDE, SIDE)
    axes.set_axis_off()
    draw_from_above(axes, make_clip([0.0], boxes=boxes), 20.0, 5.0, Overlay(colours={0: "red"}))
    assert (canvas.pixels()[: SIDE - 2] == 255).all()
