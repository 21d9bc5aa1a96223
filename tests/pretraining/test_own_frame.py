"""Every frame's rays and distances are those of its own cameras, poses and sweep."""

from dataclasses import replace

import torch

from mim4d.data.clip import Clip
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.pretraining.records import StepChoices
from mim4d.pretraining.targets import StepTargets
from tests.toy import toy_clip, toy_config, toy_draw, toy_model


def _draw(clip: Clip) -> tuple[StepChoices, StepTargets]:
    config = toy_config()
    render = replace(config.render, rays_per_camera=160, occlusion_cell_px=None)
    return toy_draw(toy_model(replace(config, render=render)), clip)


def test_rays_of_every_frame_go_through_their_pixel_of_their_own_image() -> None:
    clip = toy_clip(1)
    choices, measured = _draw(clip)
    rays, targets = choices.rays, measured.rays
    assert 0 < targets.valid_distances[0].sum() < rays.valid[0].sum()  # both kinds of rays
    for t in range(clip.num_frames):
        ends_ego = rays.origins[t] + 7 * rays.directions[t]
        ends_ref = transform_points(clip.ref_from_ego[0, t], ends_ego)
        for n in range(clip.num_cameras):
            mine = (targets.camera_index[t] == n) & rays.valid[t]
            camera = transform_points(invert_rigid(clip.ref_from_camera[0, t, n]), ends_ref[mine])
            pixels, depth = project(clip.intrinsics[0, t, n], camera)
            assert (depth > 0).all()
            torch.testing.assert_close(pixels, targets.pixels[t][mine], atol=1e-3, rtol=0)


def test_distances_of_a_frame_are_those_of_its_own_sweep() -> None:
    clip = toy_clip(2)
    points = clip.points_ref.clone()
    points[:, 0] *= 1.5
    plain, other = (_draw(c)[1].rays for c in (clip, replace(clip, points_ref=points)))
    assert not torch.equal(plain.distances[0], other.distances[0])
    for t in (1, 2):
        assert torch.equal(plain.distances[t], other.distances[t])
    # A measured ray ends at a point of that sweep.
    rays = _draw(clip)[0].rays
    for t in range(3):
        inside = plain.valid_distances[t] & (plain.distances[t] < rays.far[t])
        ends = rays.origins[t] + rays.directions[t] * plain.distances[t, :, None]
        sweep = transform_points(invert_rigid(clip.ref_from_ego[0, t]), clip.points_ref[0, t])
        gaps = (ends[inside][:, None] - sweep).norm(dim=-1).amin(dim=1)
        assert inside.any()
        assert gaps.max() < 1e-3


def test_interleaved_forwards_keep_their_own_masks() -> None:
    """No mask lives between calls: a call in between changes nothing."""
    config = toy_config()
    model, between = toy_model(config).eval(), toy_model(config, seed=1).eval()
    clips = [toy_clip(3), toy_clip(4)]
    masks = [toy_draw(model, c, i)[0].visible for i, c in enumerate(clips)]
    alone = model.encoder(clips[0], masks[0])
    volumes = model.encoder(clips[0], masks[0])
    between.encoder(clips[1], masks[1])
    model.encoder(clips[1], masks[1])
    loss = volumes.square().sum()
    loss.backward()
    gradient = [p.grad.clone() for p in model.encoder.parameters() if p.grad is not None]
    model.zero_grad()
    model.encoder(clips[0], masks[0]).square().sum().backward()
    again = [p.grad for p in model.encoder.parameters() if p.grad is not None]
    assert torch.equal(alone, volumes)
    assert all(torch.equal(a, b) for a, b in zip(gradient, again, strict=True))
