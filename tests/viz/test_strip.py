"""A held-out clip at a glance."""

import pytest
import torch

from mim4d.evaluation import RenderedFrame
from mim4d.evaluation.rendered_clip import SeenFrame
from mim4d.viz.strip import draw_strip
from tests.viz.clips import make_clip


@pytest.mark.slow
def test_five_rows_of_every_camera() -> None:
    truth = torch.full((3, 8, 12), 10.0)
    truth[:, 0] = torch.nan
    rendered = RenderedFrame(torch.rand(3, 8, 12, 3), torch.full((3, 8, 12), 12.0))
    valid = torch.ones(3, 8, 12, dtype=torch.bool)
    clip = make_clip([0.0, 120.0, -120.0], frames=1)
    canvas = draw_strip(SeenFrame(clip, rendered, truth, "LiDAR", valid))
    words = [text.get_text() for text in canvas.figure.texts]
    assert "error\nAbsRel 0.200" in words
    assert "truth:\nLiDAR" in words
    assert len(canvas.figure.axes) == 5 * 3 + 2  # and two colour bars
