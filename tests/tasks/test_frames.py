"""Several frames become one volume: order, ego motion, absent frames, the decoder's way."""

from dataclasses import replace

import torch

from mim4d.build.tasks import build_task
from mim4d.config import FlowConfig, TaskConfig
from mim4d.config.presets import task_preset
from mim4d.config.values import Join
from mim4d.temporal.warp import warp_volume
from tests.tasks.scene import Box, clip_with


def _config(join: Join, frames: int = 3, flow: bool = False) -> TaskConfig:
    config = task_preset("toy", "vehicles")
    clip = replace(config.clip, frames=frames, key=frames - 1)
    return replace(config, clip=clip, join=join, flow=FlowConfig(enabled=flow))


def test_frames_are_joined_in_the_key_frame_s_axes() -> None:
    torch.manual_seed(0)
    model = build_task(_config("concatenate"))[1].eval()
    clip = replace(clip_with(Box(5.0, 3.0), frames=3), key=2)
    moved = clip.ref_from_ego.clone()
    moved[:, 0, 0, 3], moved[:, 1, 0, 3], moved[:, 2] = -4.0, -2.0, torch.eye(4)
    clip = replace(clip, ref_from_ego=moved)
    volumes = model.encoder(clip)
    own, oldest, newer = model.look(clip).volume.chunk(3, dim=1)
    torch.testing.assert_close(own, volumes[:, 2])
    ego_from_ref = torch.linalg.inv(moved)
    for t, joined in enumerate((oldest, newer)):
        warped, valid = warp_volume(volumes[:, t], ego_from_ref[:, t], model.encoder.grid)
        assert not valid.all()
        torch.testing.assert_close(joined, warped * valid.unsqueeze(1))
    absent = replace(clip, frame_present=torch.tensor([[False, True, True]]))
    own_too, none, _ = model.look(absent).volume.chunk(3, dim=1)
    torch.testing.assert_close(own_too, own)
    assert not none.any()


def test_the_decoder_s_answer_stands_beside_the_key_frame() -> None:
    for flow in (False, True):
        torch.manual_seed(0)
        model = build_task(_config("decoder", flow=flow))[1].eval()
        clip = replace(clip_with(Box(5.0, 3.0), frames=3), key=2)
        own, rebuilt = model.look(clip).volume.chunk(2, dim=1)
        torch.testing.assert_close(own, model.encoder(clip)[:, 2])
        assert rebuilt.shape == own.shape
        darker = clip.images.clone()
        darker[:, 2] //= 2
        _, same = model.look(replace(clip, images=darker)).volume.chunk(2, dim=1)
        torch.testing.assert_close(same, rebuilt)
        assert torch.equal(model(clip), model(clip))


def test_heads_do_not_see_the_exposure() -> None:
    """Four more channels in every volume, and what a head reads stays what it was."""
    for join in ("key", "concatenate", "decoder"):
        config = _config(join)
        model = build_task(replace(config, lift=replace(config.lift, exposure=True)))[1].eval()
        clip = replace(clip_with(Box(5.0, 3.0), frames=3), key=2)
        assert model.encoder(clip).shape[2] == config.lift.volume_channels + 4
        volume = model.look(clip).volume
        assert volume.shape[1] == model.join.out_channels
        own = model.encoder(clip)[:, 2, : config.lift.volume_channels]
        torch.testing.assert_close(volume[:, : own.shape[1]], own)
        model(clip)
