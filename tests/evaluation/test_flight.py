"""A moved camera: where it is, and that it sees the same from the same place."""

import torch

from mim4d.evaluation import EvaluatedView, frame_volumes, render_frame
from mim4d.evaluation.flight import camera_path, fly, moved_left
from tests.evaluation.test_rendered_clip import OneClip
from tests.toy import toy_clip, toy_config, toy_model


def test_the_path_goes_through_the_cameras_and_stays_rigid() -> None:
    """The car of the toy drives 1 m a frame; the first camera looks ahead."""
    path = camera_path(toy_clip(0), 1, 4)
    assert path.shape == (9, 4, 4)
    x = path[:, 0, 3]
    assert (x.diff() > 0.24).all()
    torch.testing.assert_close(path[4, :3, 3], torch.tensor([0.5, 0.0, 1.5]), atol=1e-5, rtol=0)
    rotations = path[:, :3, :3]
    identity = torch.eye(3).expand(9, 3, 3)
    torch.testing.assert_close(rotations @ rotations.mT, identity, atol=1e-5, rtol=0)


def test_left_of_a_camera_that_looks_ahead_is_along_y() -> None:
    pose = camera_path(toy_clip(0), 1, 1)[1:2]
    moved = moved_left(pose, 2.0)
    torch.testing.assert_close(moved[0, :3, 3], torch.tensor([0.5, 2.0, 1.5]), atol=1e-5, rtol=0)
    assert torch.equal(moved[:, :3, :3], pose[:, :3, :3])


def test_at_the_frame_itself_it_sees_what_evaluation_renders() -> None:
    config = toy_config()
    model, view = toy_model(config).eval(), EvaluatedView.of(config, stride=8)
    moments = list(fly(model, OneClip(), 0, view, "cpu", steps=1, aside_m=1.0))
    assert [round(moment.time_s, 2) for moment in moments] == [-0.5, 0.0, 0.5]
    clip = toy_clip(0)
    volume = frame_volumes(model, clip, view.frame).direct
    expected = render_frame(model.renderer, volume, clip, view)
    now = moments[1]
    torch.testing.assert_close(now.on_path.distances_m, expected.distances_m[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(now.on_path.colours, expected.colours[0], atol=1e-3, rtol=0)
    assert not torch.allclose(now.aside.distances_m, now.on_path.distances_m, rtol=1e-3)
    assert now.image.shape == (64, 96, 3)
