"""Clips at the edge of sense: each has a defined result, and never a NaN in loss or gradient."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.config import LossConfig, PhotometricConfig
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.records import Reconstruction, StepChoices
from tests.toy import toy_clip, toy_config, toy_draw, toy_model, toy_objective

LOSS = LossConfig(
    relative_distance_weight=1.0,
    eikonal_weight=0.1,
    depth_weight=0.1,
    photometric_weight=1.0,
    sweep_weight=1.0,
    sweep_distance_weight=1.0,
    depth_sweep_weight=1.0,
    smoothness_weight=1.0,
)
PHOTOMETRIC = PhotometricConfig(
    sources=3, downscale=2, patch_side=3, patch_step_px=1.0, sweep_depths=8, temperature=0.05
)


def standing(clip: Clip) -> Clip:
    """The car does not move: every frame's pose is the key frame's."""
    still = clip.ref_from_ego[:, clip.key : clip.key + 1]
    cameras = clip.ref_from_camera[:, clip.key : clip.key + 1]
    return replace(
        clip,
        ref_from_ego=still.expand_as(clip.ref_from_ego).clone(),
        ref_from_camera=cameras.expand_as(clip.ref_from_camera).clone(),
    )


def looking_away(clip: Clip) -> Clip:
    """Cameras a kilometre above the grid that look up: they see nothing of it."""
    poses = clip.ref_from_camera.clone()
    poses[..., :3, :3] = torch.eye(3)
    poses[..., 2, 3] = 1000.0
    return replace(clip, ref_from_camera=poses)


def beside_the_grid(clip: Clip) -> Clip:
    """One camera sees nothing of the grid, the others are as they were."""
    away = looking_away(clip).ref_from_camera[:, :, :1]
    return replace(clip, ref_from_camera=torch.cat([away, clip.ref_from_camera[:, :, 1:]], dim=2))


def without_images(clip: Clip) -> Clip:
    """A frame that exists but lost its images."""
    present = clip.image_present.clone()
    present[:, 0] = False
    images = clip.images.clone()
    images[:, 0] = 0
    return replace(clip, image_present=present, images=images)


def all_padding(clip: Clip) -> Clip:
    """An image without a single pixel of picture, among others."""
    sizes = clip.image_sizes.clone()
    sizes[:, 1, 0] = 0
    return replace(clip, image_sizes=sizes)


def slivers(clip: Clip) -> Clip:
    """Pictures within one patch, so that often no patch of theirs is visible."""
    return replace(clip, image_sizes=torch.full_like(clip.image_sizes, 20))


def without_points(clip: Clip) -> Clip:
    return replace(
        clip, points_ref=clip.points_ref[:, :, :0], valid_points=clip.valid_points[..., :0]
    )


def _run(clip: Clip) -> tuple[MaskedVideoModel, StepChoices, Reconstruction, dict[str, Tensor]]:
    model = toy_model(toy_config())
    choices, targets = toy_draw(model, clip)
    reconstruction = model(clip, choices)
    losses = toy_objective(model, LOSS, PHOTOMETRIC)(reconstruction, targets, clip)
    losses["loss"].backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    return model, choices, reconstruction, losses


CASES = [
    standing,
    looking_away,
    beside_the_grid,
    without_images,
    all_padding,
    slivers,
    without_points,
]


@pytest.mark.parametrize("change", CASES)
@pytest.mark.slow
def test_loss_and_gradients_are_finite(change: Callable[[Clip], Clip]) -> None:
    _run(change(toy_clip(1)))
    _run(collate([toy_clip(2), change(toy_clip(1))]))


def test_a_standing_car_starts_from_the_plain_mean_of_the_other_frames() -> None:
    clip = standing(toy_clip(1))
    model = toy_model(toy_config()).eval()
    encoded = model.encoder.encode(clip)
    rebuilt = model.rebuild(encoded, clip, torch.tensor([[1]])).volume
    torch.testing.assert_close(
        rebuilt, encoded.volumes[:, [0, 2]].mean(dim=1), atol=2e-5, rtol=1e-4
    )


def test_no_ray_meets_the_grid_no_loss_and_no_gradient() -> None:
    model, choices, reconstruction, losses = _run(looking_away(toy_clip(1)))
    assert not choices.rays.valid.any()
    assert not reconstruction.direct.colours.any()
    assert losses["colour"] == losses["distance"] == losses["predicted_colour"] == 0
    assert model.decoder is not None
    rendered = [*model.renderer.parameters(), *model.decoder.parameters()]
    assert not any(p.grad is not None and p.grad.any() for p in rendered)


def test_a_camera_beside_the_grid_changes_no_other() -> None:
    model = toy_model(toy_config()).eval()
    clip = toy_clip(1)
    present = clip.image_present.clone()
    present[:, :, 0] = False
    seen, absent = (
        model.encoder(c) for c in (beside_the_grid(clip), replace(clip, image_present=present))
    )
    torch.testing.assert_close(seen, absent)
    _, choices, _, _ = _run(beside_the_grid(clip))
    by_camera = choices.rays.valid.view(3, 3, -1).any(dim=-1)
    assert by_camera.tolist() == [[False, True, True]] * 3


def test_a_frame_that_lost_its_images_is_no_source() -> None:
    """Else its empty volume would be averaged in."""
    clip = without_images(toy_clip(1))
    model = toy_model(toy_config()).eval()
    encoded = model.encoder.encode(clip)
    rebuilt = model.rebuild(encoded, clip, torch.tensor([[1]])).volume
    absent = clip.frame_present.clone()
    absent[:, 0] = False
    expected = model.rebuild(
        encoded, replace(clip, frame_present=absent), torch.tensor([[1]])
    ).volume
    assert torch.equal(rebuilt, expected)
    _, choices, _, _ = _run(clip)
    assert choices.rays.valid.any(dim=1).tolist() == [False, True, True]


def test_an_image_that_is_all_padding_gives_no_ray_and_no_feature() -> None:
    clip = all_padding(toy_clip(1))
    _, choices, _, _ = _run(clip)
    assert not choices.rays.valid.view(3, 3, -1)[1, 0].any()
    assert not choices.visible[0, 1, 0].any()


def test_no_visible_patch_at_all() -> None:
    clip = slivers(toy_clip(1))
    model = toy_model(toy_config())
    choices, targets = toy_draw(model, clip)
    choices = replace(choices, visible=torch.zeros_like(choices.visible))
    losses = toy_objective(model, LOSS, PHOTOMETRIC)(model(clip, choices), targets, clip)
    losses["loss"].backward()
    assert losses["loss"].isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
