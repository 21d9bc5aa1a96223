from collections.abc import Callable
from typing import Any

import pytest
import torch

import mim4d
from mim4d.build.trunk import build_video_encoder
from mim4d.config.presets import preset
from mim4d.data.single_frame import single_frame
from tests.toy import toy_clip, toy_config, toy_model


def test_gives_the_volume_that_a_clip_of_a_data_set_gives() -> None:
    """A clip of one frame has its car's axes as `ref`, so nothing but images and cameras counts."""
    clip = toy_clip(0, frames=1)
    torch.manual_seed(0)
    encoder = build_video_encoder(preset("toy")).eval()
    made = single_frame(clip.images[:, 0], clip.intrinsics[:, 0], clip.ref_from_camera[:, 0])
    with torch.no_grad():
        assert torch.equal(encoder(made), encoder(clip))


def test_padding_shows_nothing() -> None:
    clip = toy_clip(0, frames=1)
    sizes = torch.tensor([32, 96]).expand(1, 3, 2)
    given = (clip.images[:, 0], clip.intrinsics[:, 0], clip.ref_from_camera[:, 0])
    made = single_frame(*given, sizes)
    assert made.image_sizes.tolist() == [[[[32, 96]] * 3]]
    encoder = build_video_encoder(preset("toy")).eval()
    with torch.no_grad():
        assert not torch.equal(encoder(made), encoder(clip))


def test_batch_of_two_is_two_batches_of_one() -> None:
    clips = [toy_clip(seed, frames=1) for seed in (0, 1)]
    parts = [(c.images[:, 0], c.intrinsics[:, 0], c.ref_from_camera[:, 0]) for c in clips]
    both = single_frame(*(torch.cat(pair) for pair in zip(*parts, strict=True)))
    encoder = build_video_encoder(preset("toy")).eval()
    with torch.no_grad():
        alone = torch.cat([encoder(single_frame(*part)) for part in parts])
        torch.testing.assert_close(encoder(both), alone, rtol=1e-4, atol=1e-5)


def test_bad_input_is_refused() -> None:
    images, cameras = torch.zeros(1, 2, 3, 40, 64, dtype=torch.uint8), torch.ones(1, 2, 3, 3)
    poses = torch.eye(4).expand(1, 2, 4, 4)
    with pytest.raises(ValueError, match=r"multiples of 32, got 40 x 64"):
        single_frame(images, cameras, poses)
    with pytest.raises(ValueError, match="ego_from_camera: holds values that are not finite"):
        single_frame(images[..., :32, :], cameras, poses * torch.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, k, p: (i / 255, k, p), "expected uint8 levels 0 to 255, got torch.float32"),
        (lambda i, k, p: (i.movedim(2, -1), k, p), "move the colours"),
        (lambda i, k, p: (i[0, 0], k, p), "expected ... 3 h w"),
        (lambda i, k, p: (i, k[0], p), r"intrinsics: expected the shape \(1, 3, 3, 3\)"),
        (lambda i, k, p: (i, k, p[:, :2]), "ego_from_camera: expected the shape"),
        (lambda i, k, p: (i, k / torch.tensor([[96], [96], [1]]), p), "not a share"),
        (lambda i, k, p: (i, k.mT, p), "0, 0, 1 as the last row"),
        (lambda i, k, p: (i, k, p.mT), "0, 0, 0, 1 as the last row"),
        (lambda i, k, p: (i, k, 2 * p), "0, 0, 0, 1 as the last row"),
    ],
)
def test_what_would_be_misread_is_refused(change: Callable[..., Any], message: str) -> None:
    clip = toy_clip(0, frames=1)
    parts = clip.images[:, 0], clip.intrinsics[:, 0], clip.ref_from_camera[:, 0]
    with pytest.raises(ValueError, match=message):
        single_frame(*change(*parts))


def test_encode_images_takes_colours_or_levels() -> None:
    encoder = toy_model(toy_config()).encoder.eval()
    levels = toy_clip(0, frames=1).images[0, 0]
    expected = encoder.encode_images(levels)[0]
    torch.testing.assert_close(encoder.encode_images(levels / 255)[0], expected)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    for wrong, message in (
        (levels.float(), "divide levels by 255"),
        ((levels / 255 - mean) / 0.225, "do not normalise"),
        (levels.int(), "got torch.int32"),
        (levels[0], r"add an axis: images\[None\]"),
        (levels.movedim(1, -1), "move the colours"),
        (levels[:, :1], "expected m 3 h w"),
        (levels / 255 * torch.nan, "got values from nan"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.encode_images(wrong)


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere", "no such run folder"), (__file__, "cannot be read"), ("step.ckpt", "no such run")],
)
def test_load_encoder_says_what_it_takes(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mim4d.load_encoder(source)
