"""Every parameter that is trained gets a gradient, in all variants: none costs memory for nothing,
and several processes need not look for unused ones. What half precision changes is small."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.config import ClipConfig, EncoderConfig, LossConfig, PretrainConfig
from mim4d.config.presets import demo_no_lidar
from mim4d.training.modules import PretrainingModule
from tests.toy import toy_clip, toy_config, toy_model


def _single_frame(config: PretrainConfig) -> PretrainConfig:
    mask = replace(config.mask, dropped_frame="any")
    return replace(config, clip=ClipConfig(1, 0, None, 64, 96), mask=mask)


VARIANTS: dict[str, Callable[[PretrainConfig], PretrainConfig]] = {
    "toy": lambda c: c,
    "frozen stages": lambda c: replace(c, encoder=replace(c.encoder, frozen_stages=2)),
    "two lifted levels": lambda c: replace(c, encoder=replace(c.encoder, lift_levels=2)),
    "resnet": lambda c: replace(
        c,
        encoder=EncoderConfig(
            "resnet18", (1, 1, 1, 1), (8, 16, 16, 16), init="fan_in", neck_channels=8
        ),
    ),
    "efficientnet": lambda c: replace(
        c,
        encoder=EncoderConfig(
            "efficientnet_lite0",
            mask_token=True,
            checkpoint_blocks=True,
            levels=(1,),
            neck_channels=8,
        ),
    ),
    "mask token": lambda c: replace(c, encoder=replace(c.encoder, mask_token=True)),
    "rays in chunks": lambda c: replace(c, render=replace(c.render, chunk_rays=50)),
    "blocks computed again": lambda c: replace(
        c, encoder=replace(c.encoder, checkpoint_blocks=True)
    ),
    "copy": lambda c: replace(c, temporal=replace(c.temporal, decoder="copy")),
    "mean": lambda c: replace(c, temporal=replace(c.temporal, decoder="mean")),
    "simple depth head": lambda c: replace(c, lift=replace(c.lift, depth_head="simple")),
    "aspp depth head": lambda c: replace(c, lift=replace(c.lift, depth_head="aspp")),
    "no importance samples": lambda c: replace(c, render=replace(c.render, num_importance=0)),
    "no lidar": lambda c: replace(
        c, render=replace(c.render, use_lidar=False), loss=LossConfig(distance_weight=0.0)
    ),
    "single frame": _single_frame,
}


def _module(config: PretrainConfig) -> PretrainingModule:
    """Some parts start at zero (attention offsets, a residual's last layer): a nudge lets
    gradients through."""
    module = PretrainingModule(toy_model(config), config)
    parts = [module.model.encoder.depth_head, module.model.decoder]
    with torch.no_grad():
        for parameter in (p for part in parts if part is not None for p in part.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return module


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_trained_parameter_gets_a_gradient(variant: str) -> None:
    config = VARIANTS[variant](toy_config())
    module = _module(config)
    module.step_losses(toy_clip(7, config.clip.frames), step=0)["loss"].backward()
    optimizer = module.configure_optimizers()["optimizer"]
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    silent = [
        name
        for name, parameter in module.named_parameters()
        if id(parameter) in trained and (parameter.grad is None or not parameter.grad.any())
    ]
    assert silent == []
    frozen = [p for p in module.parameters() if id(p) not in trained]
    assert all(not p.requires_grad and p.grad is None for p in frozen)
    assert bool(frozen) == (variant == "frozen stages")


def _gradient(config: PretrainConfig) -> tuple[dict[str, Tensor], Tensor]:
    module = _module(config)
    losses = module.step_losses(toy_clip(7), step=0)
    losses["loss"].backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(g.dtype == torch.float32 for g in gradients)
    return losses, torch.cat([g.flatten() for g in gradients])


@pytest.mark.slow
def test_a_step_in_half_precision_is_close_to_one_in_full() -> None:
    """bf16 keeps 8 bits: a step differs in the percents, not in its direction."""
    config = toy_config()
    full, gradient = _gradient(config)
    half, rounded = _gradient(replace(config, precision="bf16"))
    for name, value in full.items():
        assert half[name].item() == pytest.approx(value.item(), rel=0.02), name
    assert torch.cosine_similarity(gradient, rounded, dim=0) > 0.99
    assert not torch.equal(gradient, rounded)


def _without_lidar(config: PretrainConfig) -> PretrainConfig:
    loss = replace(
        demo_no_lidar().loss, photometric_weight=1.0, sweep_weight=1.0, sweep_distance_weight=1.0
    )
    return replace(config, loss=loss, render=replace(config.render, use_lidar=False))


@pytest.mark.slow
@pytest.mark.parametrize("with_lidar", [True, False])
@pytest.mark.parametrize("part", ["encoder.image_encoder", "encoder.depth_head", "decoder"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
def test_a_model_gone_wild_gives_a_loss_that_is_not_finite_and_no_other_error(
    part: str, value: float, with_lidar: bool
) -> None:
    """What is not finite must arrive at the loss, where the run is stopped and the clips saved:
    as an index on the way it would end in an error about indices."""
    config = toy_config() if with_lidar else _without_lidar(toy_config())
    module = PretrainingModule(toy_model(config), config)
    with torch.no_grad():
        for parameter in module.model.get_submodule(part).parameters():
            parameter.fill_(value)
    losses = module.step_losses(toy_clip(7), step=0)
    losses["loss"].backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert not all(bool(each.isfinite().all()) for each in [losses["loss"], *gradients])
