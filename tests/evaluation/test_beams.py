"""LiDAR beams of a frame: which places are asked."""

from dataclasses import replace

import pytest
import torch

from mim4d.data.frame_sweep import FrameSweep
from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.beams import count_beams, frame_beams, looked_at
from tests.toy import toy_clip, toy_config, toy_model


def test_a_camera_looks_at_what_its_image_shows_from_near_m_on() -> None:
    """Cameras at (0.5, 0, 1.5) look along 0, 120 and 240 degrees, 79.6 degrees wide."""
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    points = torch.tensor(
        [
            [5.5, 0.0, 1.5],  # straight ahead
            [5.5, 4.1, 1.5],  # 39.4 of 39.8 degrees aside
            [5.5, 4.3, 1.5],  # 40.7 degrees: between two cameras
            [1.4, 0.0, 1.5],  # 0.9 m ahead, nearer than rays begin
            [-4.5, 0.0, 1.5],  # behind, where no camera looks
            [5.5, 0.0, 4.5],  # above the image (29.1 degrees)
        ]
    )
    assert looked_at(points, clip, view).tolist() == [True, True, False, False, False, False]
    gone = clip.image_present.clone()
    gone[0, 1, 0] = False
    sizes = clip.image_sizes * gone.unsqueeze(-1)
    assert not looked_at(points, replace(clip, image_present=gone, image_sizes=sizes), view).any()


def test_beams_start_at_the_sensor_and_are_asked_where_a_camera_looks() -> None:
    clip, view = toy_clip(0), EvaluatedView.of(toy_config(), stride=4)
    sensor = torch.tensor([0.0, 0.0, 1.5])
    returns = torch.tensor([[10.5, 0.0, 1.5], [-8.0, 0.0, 1.5]])  # the second is looked at by none
    beams = frame_beams(FrameSweep(returns, sensor), clip, view)
    assert beams.returns_m.tolist() == pytest.approx([10.5])
    x = beams.points[0, :, 0]
    torch.testing.assert_close(x, beams.distances)
    assert torch.equal(beams.asked[0], x >= 1.5 - 1e-4)  # 1 m from the camera on
    model = toy_model(toy_config()).eval()
    volume = torch.zeros(1, 8, 4, 16, 16)
    last = model.renderer.field.sdf_decoder.linear_layers()[-1]
    with torch.no_grad():
        last.weight[0], last.bias[0] = 0.0, 0.0
    # With the decoder silenced the SDF is height above the road: all of the beam is free.
    counts = count_beams(model.renderer, volume, beams)
    assert {t: c[:3].tolist() for t, c in counts.items()} == {0.4: [0, 0, 1], 0.8: [0, 0, 1]}
    assert torch.equal(counts[0.4][3], counts[0.4][4])
