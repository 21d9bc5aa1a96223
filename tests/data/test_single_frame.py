import pytest
import torch

from mim4d.build.trunk import build_video_encoder
from mim4d.config.presets import preset
from mim4d.data.single_frame import single_frame
from tests.toy import toy_clip


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
    images, cameras = torch.zeros(1, 2, 3, 40, 64, dtype=torch.uint8), torch.zeros(1, 2, 3, 3)
    poses = torch.eye(4).expand(1, 2, 4, 4)
    with pytest.raises(ValueError, match=r"multiples of 32, got 40 x 64"):
        single_frame(images, cameras, poses)
    with pytest.raises(ValueError, match="ego_from_camera: holds values that are not finite"):
        single_frame(images[..., :32, :], cameras, poses * torch.nan)
