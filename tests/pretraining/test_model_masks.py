"""Which patches are hidden, and through which pixels rays may go."""

from dataclasses import replace

import torch
from torch import Tensor

from mim4d.config import MaskConfig
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.ray_choice import RaysOn
from mim4d.pretraining.records import StepChoices
from mim4d.pretraining.targets import StepTargets
from tests.toy import toy_clip, toy_config, toy_draw, toy_model

PATCH_PX = 32


def _model(mask: MaskConfig, rays_on: RaysOn = "everywhere") -> MaskedVideoModel:
    config = toy_config(3)
    render = replace(config.render, rays_on=rays_on, rays_per_camera=30)
    return toy_model(replace(config, mask=mask, render=render))


def _choices(model: MaskedVideoModel, clip: Clip, seed: int = 0) -> StepChoices:
    return toy_draw(model, clip, seed)[0]


def _at_rays(mask: Tensor, targets: StepTargets) -> Tensor:
    """A mask `m n h w` at every ray's pixel."""
    u, v = targets.rays.pixels.floor().long().unbind(-1)
    m = torch.arange(len(mask))[:, None].expand_as(u)
    return mask[m, targets.rays.camera_index, v, u]


def _visible_pixels(choices: StepChoices) -> Tensor:
    cells = choices.visible.flatten(0, 1)
    return cells.repeat_interleave(PATCH_PX, -1).repeat_interleave(PATCH_PX, -2)


def test_a_mask_may_be_shared_over_time() -> None:
    clip = collate([toy_clip(1), toy_clip(2)])
    for shared in (False, True):
        visible = _choices(_model(MaskConfig(0.5, shared_over_time=shared)), clip).visible
        assert (visible.sum(dim=(-2, -1)) == 3).all()
        assert torch.equal(visible[:, :1].expand_as(visible), visible) == shared
        assert not torch.equal(visible[:, :, 0], visible[:, :, 1])
        assert not torch.equal(visible[0], visible[1])


def test_ratio_zero_hides_nothing() -> None:
    assert _choices(_model(MaskConfig(0.0)), toy_clip(1)).visible.all()


def test_rays_on_hidden_patches_only() -> None:
    clip = collate([toy_clip(1), toy_clip(2)])
    for rays_on in ("everywhere", "hidden"):
        choices, targets = toy_draw(_model(MaskConfig(0.3), rays_on), clip)
        seen = _at_rays(_visible_pixels(choices), targets)
        assert choices.rays.valid.sum() > 0.9 * choices.rays.valid.numel()
        assert seen[choices.rays.valid].any() == (rays_on == "everywhere")
        # LiDAR's rays are among them.
        assert targets.rays.valid_distances.any()


def test_a_camera_without_a_hidden_cell_gives_no_rays() -> None:
    clip = toy_clip(3)
    sizes = clip.image_sizes.clone()
    sizes[:, :, 0] = 32  # a picture of one cell; the rest is padding
    clip = replace(clip, image_sizes=sizes)
    seen = set()
    for seed in range(12):
        choices = _choices(_model(MaskConfig(0.3), "hidden"), clip, seed)
        is_visible = choices.visible[0, :, 0, 0, 0]
        has_rays = choices.rays.valid.view(3, 3, 30)[:, 0].any(dim=-1)
        assert torch.equal(has_rays, ~is_visible)
        seen |= set(is_visible.tolist())
    assert seen == {True, False}


def test_no_ray_into_the_sky_nor_the_car_nor_what_is_shown() -> None:
    clip = collate([toy_clip(1), toy_clip(2)])
    in_sky = torch.zeros(2, 3, 3, 64, 96, dtype=torch.bool)
    in_sky[1, 2, :, :40] = True
    in_sky[0, 0, 1] = True
    on_body = torch.zeros(2, 3, 64, 96, dtype=torch.bool)
    on_body[:, 2, 50:] = True
    clip = replace(clip, in_sky=in_sky, on_body=on_body)
    choices, targets = toy_draw(_model(MaskConfig(0.5), "hidden"), clip)
    valid = choices.rays.valid
    assert not _at_rays(in_sky.flatten(0, 1), targets)[valid].any()
    assert not _at_rays(on_body.repeat_interleave(3, dim=0), targets)[valid].any()
    assert not _at_rays(_visible_pixels(choices), targets)[valid].any()
    by_image = valid.view(2, 3, 3, 30).any(dim=-1)
    assert not by_image[0, 0, 1]
    assert by_image[1, 0].all()


def test_the_sky_of_one_clip_says_nothing_of_another() -> None:
    """A batch draws as its clips do, masks and all."""
    clips = [toy_clip(1), toy_clip(2)]
    sky = torch.zeros(1, 3, 3, 64, 96, dtype=torch.bool)
    clips = [replace(c, in_sky=sky | (i == 1)) for i, c in enumerate(clips)]
    choices = _choices(_model(MaskConfig()), collate(clips))
    assert choices.rays.valid.view(2, 3, -1).any(dim=(1, 2)).tolist() == [True, False]
