"""Trunk and head together: gradients, batches, a frozen trunk, and frames beside the key frame."""

from dataclasses import replace

import pytest
import torch

from mim4d.build.tasks import build_task
from mim4d.config import EncoderConfig, TaskConfig
from mim4d.config.presets import task_preset
from mim4d.config.values import Frozen
from mim4d.data.clip import collate
from mim4d.training.modules import TaskModule
from tests.tasks.scene import Box, clip_with

_BATCH_NORMS = EncoderConfig(
    "resnet18", (1, 1, 1, 1), (8, 16, 16, 16), init="fan_in", neck_channels=8, drop_path_rate=0.5
)


def _module(config: TaskConfig) -> TaskModule:
    torch.manual_seed(0)
    task, model = build_task(config)
    return TaskModule(model, task, config)


@pytest.mark.parametrize("frozen", ["nothing", "image_encoder", "trunk"])
def test_every_trained_parameter_gets_a_gradient(frozen: Frozen) -> None:
    module = _module(replace(task_preset("toy", "vehicles"), frozen=frozen))
    with torch.no_grad():  # a residual that starts at zero lets nothing through
        for parameter in module.model.encoder.depth_head.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    module.step_losses(clip_with(Box(5.0, 3.0)), step=0)["loss"].backward()
    optimizer = module.configure_optimizers()["optimizer"]
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    silent = [
        name
        for name, p in module.named_parameters()
        if id(p) in trained and (p.grad is None or not p.grad.any())
    ]
    assert silent == []
    kept = [name for name, p in module.named_parameters() if id(p) not in trained]
    start = {
        "nothing": "-",
        "image_encoder": "model.encoder.image_encoder.",
        "trunk": "model.encoder.",
    }
    below = [name for name, _ in module.named_parameters() if name.startswith(start[frozen])]
    assert kept == below


def test_two_clips_at_once_equal_two_of_one() -> None:
    module = _module(task_preset("toy", "vehicles"))
    clips = [clip_with(Box(5.0, 3.0)), clip_with(Box(-9.0, 1.0), Box(3.0, 9.0), seed=1)]
    both = module.step_losses(collate(clips), step=0)
    single = [module.step_losses(clip, step=0) for clip in clips]
    for name, value in both.items():
        mean = (single[0][name] + single[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)


def test_a_frozen_trunk_stays_in_evaluation_mode() -> None:
    """Neither running statistics nor dropped branches: two passes are the same bit for bit."""
    config = replace(task_preset("toy", "vehicles"), frozen="trunk", encoder=_BATCH_NORMS)
    module = _module(config).train()
    assert not any(part.training for part in module.model.encoder.modules())
    assert module.model.head.training
    before = {name: value.clone() for name, value in module.model.encoder.state_dict().items()}
    clip = clip_with(Box(5.0, 3.0))
    first, second = (module.step_losses(clip, step=0)["loss"] for _ in range(2))
    assert torch.equal(first, second)
    after = module.model.encoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    moving = _module(replace(config, frozen="nothing")).train()
    moving.step_losses(clip, step=0)
    moved = moving.model.encoder.state_dict()
    assert any(not torch.equal(value, moved[name]) for name, value in before.items())


def test_frames_beside_the_key_frame_are_not_read() -> None:
    module = _module(task_preset("toy", "vehicles")).eval()
    clip = clip_with(Box(5.0, 3.0), frames=3)
    images = clip.images.clone()
    images[:, [0, 2]] = 0
    output = module.model(clip)
    assert torch.equal(output, module.model(replace(clip, images=images)))
    assert torch.equal(output, module.model(clip.key_frame()))
