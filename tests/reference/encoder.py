"""Slow twin of the masked encoder: every single layer is masked, norms see visible cells only."""

from typing import Any

import torch
from torch import Tensor, nn

from mim4d.models.masked_encoder import MaskedConvNeXt


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


def weighted_sum(features: list[Tensor], seed: int = 0) -> Tensor:
    """A loss that depends on every feature in its own way."""
    generator = torch.Generator().manual_seed(seed)
    terms = [(f * torch.randn(f.shape, generator=generator)).sum() for f in features]
    return torch.stack(terms).sum()
