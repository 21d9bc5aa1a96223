"""The exposure of a frame: known moments, hidden cells, and the channels it gives a volume."""

from dataclasses import replace

import torch

from mim4d.build.trunk import build_video_encoder
from mim4d.config.lift import EXPOSURE_CHANNELS
from mim4d.config.presets import preset
from mim4d.data.clip import Clip
from mim4d.models.exposure import add_exposure, seen_colours
from tests.toy import toy_clip


def test_moments_of_what_is_seen(seed: torch.Generator) -> None:
    images = torch.rand(2, 3, 3, 4, 6, generator=seed)
    seen = torch.rand(2, 3, 4, 6, generator=seed) < 0.5
    mean, std = seen_colours(images, seen)
    for frame in range(2):
        colours = images[frame].permute(0, 2, 3, 1)[seen[frame]]  # k 3
        torch.testing.assert_close(mean[frame], colours.mean(dim=0))
        torch.testing.assert_close(std[frame], colours.std(dim=0, correction=0))
    assert not torch.stack(seen_colours(images, torch.zeros_like(seen))).any()


def exposure_of(clip: Clip, visible: torch.Tensor | None = None) -> torch.Tensor:
    config = preset("toy")
    config = replace(config, lift=replace(config.lift, exposure=True))
    torch.manual_seed(0)
    encoder = build_video_encoder(config).eval()
    with torch.no_grad():
        return encoder(clip, visible)[:, :, -EXPOSURE_CHANNELS:, 0, 0, 0]


def test_hidden_patches_absent_images_and_padding_say_nothing() -> None:
    clip = toy_clip(0)
    h, w = clip.images.shape[-2:]
    sizes, present = clip.image_sizes.clone(), clip.image_present.clone()
    sizes[:, :, 0], present[:, :, 1] = torch.tensor([h - 8, w - 24]), False
    clip = replace(clip, image_sizes=sizes, image_present=present)
    visible = torch.ones(*sizes.shape[:3], h // 32, w // 32, dtype=torch.bool)
    visible[..., 0, 0] = False
    changed = clip.images.clone()
    changed[:, :, 0, :, h - 8 :], changed[:, :, 0, :, :, w - 24 :] = 255, 255
    changed[:, :, 1], changed[..., :32, :32] = 255, 255
    assert not torch.equal(changed, clip.images)
    other = exposure_of(replace(clip, images=changed), visible)
    torch.testing.assert_close(other, exposure_of(clip, visible), rtol=0, atol=0)
    assert not torch.equal(exposure_of(clip), exposure_of(clip, visible))


def test_grey_images_by_hand() -> None:
    """Half black, half white: mean 0.5, standard deviation 0.5; in usual units 0.25 and 3."""
    images = torch.zeros(1, 1, 3, 2, 2)
    images[..., 1] = 1
    volume = torch.rand(1, 2, 1, 2, 3)
    out = add_exposure(volume, images, torch.ones(1, 1, 2, 2, dtype=torch.bool))
    assert torch.equal(out[:, :2], volume)
    expected = torch.tensor([0.25, 0.25, 0.25, 3.0]).reshape(1, 4, 1, 1, 1).expand(1, 4, 1, 2, 3)
    torch.testing.assert_close(out[:, 2:], expected)


def test_volumes_of_a_clip_end_with_their_frames_exposure() -> None:
    config = preset("toy")
    config = replace(config, lift=replace(config.lift, exposure=True))
    encoder, clip = build_video_encoder(config).eval(), toy_clip(0)
    with torch.no_grad():
        volumes = encoder(clip)
        learned = build_video_encoder(preset("toy")).eval()
        learned.load_state_dict(encoder.state_dict())  # it has no weights of its own
        own = learned(clip)
    assert volumes.shape[2] == config.lift.channels == own.shape[2] + EXPOSURE_CHANNELS
    torch.testing.assert_close(volumes[:, :, :-EXPOSURE_CHANNELS], own)
    exposure = volumes[:, :, -EXPOSURE_CHANNELS:]
    assert torch.equal(exposure, exposure[..., :1, :1, :1].expand_as(exposure))
    mean = exposure[:, :, :3, 0, 0, 0] * 0.2 + 0.45
    expected = clip.images.float().div(255).mean(dim=(2, 4, 5))
    torch.testing.assert_close(mean, expected, atol=1e-4, rtol=1e-4)
