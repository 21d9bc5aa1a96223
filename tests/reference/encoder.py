"""Slow twins of the masked encoders: every single layer is masked, norms see visible cells only."""

from typing import Any

import torch
from torch import Tensor, nn

from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.efficientnet import MaskedEfficientNet
from mim4d.models.encoder.resnet import MaskedResNet


def hide(x: Tensor, visible: Tensor) -> Tensor:
    """Zero the hidden cells, cell by cell."""
    x = x.clone()
    patch = x.shape[-1] // visible.shape[-1]
    for image, row, column in (~visible).nonzero().tolist():
        top, left = row * patch, column * patch
        x[image, :, top : top + patch, left : left + patch] = 0
    return x


def pointwise(layer: nn.Module, x: Tensor, channel_first: bool, visible: Tensor) -> Tensor:
    """Apply a layer to the visible positions alone, gathered one by one, and scatter them back."""
    patch = x.shape[-1] // visible.shape[-1]
    pixels = visible.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
    gathered = x.permute(0, 2, 3, 1)[pixels]
    result: Tensor
    result = layer(gathered[:, :, None, None])[:, :, 0, 0] if channel_first else layer(gathered)
    out = x.new_zeros(*pixels.shape, result.shape[1])
    out[pixels] = result
    return out.permute(0, 3, 1, 2)


def encode(encoder: MaskedConvNeXt, images: Tensor, visible: Tensor) -> list[Tensor]:
    """Features of `encoder` in evaluation mode."""
    x = hide((images - encoder.mean) / encoder.std, visible)
    for layer in encoder.stem:
        x = _layer(layer, x, visible)
    features = []
    for index, stage in enumerate(encoder.stages):
        for layer in stage.downsample if isinstance(stage.downsample, nn.Sequential) else ():
            x = _layer(layer, x, visible)
        blocks: Any = stage.blocks
        for block in blocks:
            y = hide(block.conv_dw(x), visible)
            y = pointwise(block.norm, y, block.use_conv_mlp, visible)
            y = pointwise(block.mlp, y, block.use_conv_mlp, visible)
            if block.gamma is not None:
                y = y * block.gamma[:, None, None]
            x = x + hide(y, visible)
        if index in encoder.out_stages:
            norm = encoder.out_norms[encoder.out_stages.index(index)]
            features.append(pointwise(norm, x, True, visible))
    return features


def _layer(layer: nn.Module, x: Tensor, visible: Tensor) -> Tensor:
    """A convolution with its output masked, or a layer that acts on each position by itself."""
    if isinstance(layer, nn.Conv2d):
        return hide(layer(x), visible)
    return pointwise(layer, x, True, visible)


def encode_resnet(encoder: MaskedResNet, images: Tensor, visible: Tensor) -> list[Tensor]:
    """Features of a masked ResNet, in the mode each norm is in."""
    x = hide((images - encoder.mean) / encoder.std, visible)
    x = _norm(encoder.bn1, encoder.conv1(x), visible).relu()
    x = hide(pool_visible(x, visible), visible)
    features = []
    for index in range(encoder.out_stages[-1] + 1):
        blocks: Any = encoder.get_submodule(f"layer{index + 1}")
        for block in blocks:
            y = x
            for number in (1, 2, 3) if hasattr(block, "conv3") else (1, 2):
                y = y if number == 1 else y.relu()
                y = hide(getattr(block, f"conv{number}")(y), visible)
                y = _norm(getattr(block, f"bn{number}"), y, visible)
            if block.downsample is not None:
                x = _norm(block.downsample[1], hide(block.downsample[0](x), visible), visible)
            x = (x + y).relu()
        if index in encoder.out_stages:
            norm = encoder.out_norms[encoder.out_stages.index(index)]
            features.append(pointwise(norm, x, True, visible))
    return features


def pool_visible(x: Tensor, visible: Tensor) -> Tensor:
    """3×3 max pooling of stride 2 in which hidden positions are −∞, window by window."""
    patch = x.shape[-1] // visible.shape[-1]
    pixels = visible.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
    low = torch.where(pixels[:, None], x, -torch.inf)
    rows = []
    for top in range(-1, x.shape[-2] - 1, 2):
        windows = [
            low[..., max(top, 0) : top + 3, max(left, 0) : left + 3].amax((-2, -1))
            for left in range(-1, x.shape[-1] - 1, 2)
        ]
        rows.append(torch.stack(windows, dim=-1))
    pooled = torch.stack(rows, dim=-2)
    return torch.where(pooled.isinf(), 0.0, pooled)


def encode_efficientnet(
    encoder: MaskedEfficientNet, images: Tensor, visible: Tensor
) -> list[Tensor]:
    """Features of a masked EfficientNet, in the mode each norm is in."""
    x = hide((images - encoder.mean) / encoder.std, visible)
    x = _norm(encoder.bn1, hide(encoder.conv_stem(x), visible), visible)
    features = []
    stride = 2
    stages = {4: 0, 8: 1, 16: 2, 32: 3}
    groups: Any = list(encoder.blocks)
    for place, group in enumerate(groups):
        for block in group:
            stride *= block.conv_dw.stride[0]
            y = x
            for layer, norm in _layers(block):
                if layer is _layers(block)[-1][0]:
                    y = excite_visible(block.se, y, visible)
                y = _norm(norm, hide(layer(y), visible), visible)
            x = x + y if block.has_skip else y
        following = groups[place + 1][0].conv_dw.stride[0] if place + 1 < len(groups) else 2
        if following == 2 and stages.get(stride) in encoder.out_stages:
            out_norm = encoder.out_norms[encoder.out_stages.index(stages[stride])]
            features.append(pointwise(out_norm, x, True, visible))
    return features


def excite_visible(excite: Any, x: Tensor, visible: Tensor) -> Tensor:
    """Squeeze-and-excitation, image by image, over the visible positions alone."""
    if isinstance(excite, nn.Identity):
        return x
    patch = x.shape[-1] // visible.shape[-1]
    pixels = visible.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
    scaled = []
    for image, shown in zip(x, pixels, strict=True):
        mean = image[:, shown].mean(dim=1) if shown.any() else image.new_zeros(len(image))
        hidden = excite.act1(excite.conv_reduce(mean[None, :, None, None]))
        scaled.append(image * excite.gate(excite.conv_expand(hidden))[0])
    return torch.stack(scaled)


def _layers(block: Any) -> list[tuple[Any, Any]]:
    """Convolutions of an EfficientNet block and their norms, in order."""
    if hasattr(block, "conv_pwl"):
        return [
            (block.conv_pw, block.bn1),
            (block.conv_dw, block.bn2),
            (block.conv_pwl, block.bn3),
        ]
    return [(block.conv_dw, block.bn1), (block.conv_pw, block.bn2)]


def _norm(norm: nn.Module, x: Tensor, visible: Tensor) -> Tensor:
    """A batch norm (and its activation) over the gathered visible positions."""
    return pointwise(norm, x, True, visible)


def weighted_sum(features: list[Tensor], seed: int = 0) -> Tensor:
    """A loss that depends on every feature in its own way."""
    generator = torch.Generator().manual_seed(seed)
    terms = [(f * torch.randn(f.shape, generator=generator)).sum() for f in features]
    return torch.stack(terms).sum()
