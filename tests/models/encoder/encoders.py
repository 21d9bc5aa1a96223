"""Small encoders of every family, for tests."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.efficientnet import MaskedEfficientNet
from mim4d.models.encoder.masked_encoder import EncoderOptions, MaskedEncoder
from mim4d.models.encoder.masking import draw_patch_mask, enlarge_mask
from mim4d.models.encoder.resnet import MaskedResNet

# Both kinds of blocks, grouped convolutions, squeeze-and-excitation, TensorFlow's padding.
WITH_BATCH_NORM = ["resnet18", "resnext50_32x4d", "efficientnet_b0", "tf_efficientnet_lite0"]
ALL = ["convnext_atto", *WITH_BATCH_NORM]
# For laws that neither block shapes nor paddings bear on: a model of each family.
FAMILIES = ["convnext_atto", "resnet18", "efficientnet_b0"]
DEPTHS, WIDTHS = (1, 1, 2, 1), (16, 16, 24, 32)


def build(name: str, **options: Any) -> MaskedEncoder:
    """An encoder of small stages.

    EfficientNets have no choice of widths; theirs end after the second stage, which has all kinds
    of blocks in it and few of the weights, unless the options say otherwise.
    """
    stages = (0, 1) if "efficientnet" in name else (0, 1, 2, 3)
    chosen = EncoderOptions(**({"out_stages": stages} | options))
    if name.startswith("convnext"):
        return MaskedConvNeXt(name, chosen, DEPTHS, WIDTHS, layer_scale_init=1.0)
    if name.startswith("res"):
        return MaskedResNet(name, chosen, DEPTHS, WIDTHS)
    return MaskedEfficientNet(name, chosen)


def timm_twin(name: str) -> Any:
    """timm's own model of the same layers, without classifier."""
    if name.startswith("convnext"):
        return timm.create_model(name, num_classes=0, depths=DEPTHS, dims=WIDTHS)
    if name.startswith("res"):
        return timm.create_model(name, num_classes=0, layers=DEPTHS, channels=WIDTHS)
    return timm.create_model(name, num_classes=0)


def perturbed(name: str, **options: Any) -> MaskedEncoder:
    """With random biases and scales, and running statistics that nearly fit, so that all matter."""
    return deepcopy(_perturbed(name, tuple(options.items())))


@lru_cache
def _perturbed(name: str, chosen: tuple[tuple[str, Any], ...]) -> MaskedEncoder:
    torch.manual_seed(0)
    return perturb(build(name, **dict(chosen)))


def perturb(encoder: MaskedEncoder) -> MaskedEncoder:
    """See `perturbed`; changes the encoder itself."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            spread = 0.1 * parameter.std() if parameter.ndim == 4 else 0.1
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
        norms = batch_norms(encoder)
        for norm in norms:  # ResNet's residual branches start at zero
            norm.weight.add_(0.5 * (norm.weight.mean() < 0.5))
            norm.train().momentum = 1.0
        encoder(torch.rand(2, 3, 64, 96, generator=generator))
        for norm in norms:
            norm.momentum = 0.1
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean += 0.1 * torch.randn(norm.num_features, generator=generator)
            norm.running_var *= 0.8 + 0.4 * torch.rand(norm.num_features, generator=generator)
    encoder.train()
    return encoder


def batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


def running(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all running statistics."""
    return {k: v.clone() for k, v in module.state_dict().items() if "running" in k or "num_" in k}


def batch(generator: torch.Generator, m: int = 2) -> tuple[Tensor, Tensor]:
    images = torch.rand(m, 3, 64, 96, generator=generator)
    return images, draw_patch_mask((m,), (2, 3), 0.4, generator)


def hidden_positions(visible: Tensor, feature: Tensor) -> Tensor:
    hidden = ~enlarge_mask(visible, feature.shape[-2] // visible.shape[-2])[:, None]
    return hidden.expand_as(feature)
