"""What a model says about a frame."""

import torch

from mim4d.evaluation import EvaluatedView, predict_frame
from tests.toy import toy_clip, toy_config, toy_model


def test_both_volumes_are_rendered_for_every_camera() -> None:
    config = toy_config()
    model = toy_model(config).eval()
    view = EvaluatedView.of(config, stride=8)
    prediction = predict_frame(model, toy_clip(1), view)
    assert prediction.rebuilt is not None
    for rendered in (prediction.direct, prediction.rebuilt):
        assert rendered.colours.shape == (3, 8, 12, 3)
        assert rendered.distances_m.shape == (3, 8, 12)
        assert (rendered.distances_m > 0).all()
    assert not torch.equal(prediction.direct.distances_m, prediction.rebuilt.distances_m)


def test_a_clip_of_one_frame_has_nothing_to_rebuild() -> None:
    config = toy_config(frames=1)
    view = EvaluatedView.of(config, stride=8)
    prediction = predict_frame(toy_model(config).eval(), toy_clip(1, frames=1), view)
    assert prediction.rebuilt is None
    assert prediction.direct.distances_m.shape == (3, 8, 12)
