"""Twin of the masked ConvNeXt: dense layers times the enlarged mask, norms gather and scatter.

Submanifold sparse convolution emulated by dense operations, layer by layer (SparK, arXiv
2301.03580). Nothing is computed again for the gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def encode_convnext(
    encoder: Any,
    images: Float[Tensor, "m 3 h w"],
    visible: Bool[Tensor, "m hp wp"],
    max_cells: int | None = None,
) -> list[Float[Tensor, "m _c _hf _wf"]]:
    """Features of a `MaskedConvNeXt`, finest first; it counts no visible cells."""
    x = _masked((images - encoder.mean) / encoder.std, visible)
    for layer in encoder.stem:
        x = _layer(layer, x, visible)
    features = []
    for index, stage in enumerate(encoder.stages):
        for layer in stage.downsample if isinstance(stage.downsample, nn.Sequential) else ():
            x = _layer(layer, x, visible)
        for block in stage.blocks:
            x = _block(block, x, visible)
        if index in encoder.out_stages:
            norm = encoder.out_norms[encoder.out_stages.index(index)]
            features.append(_visible_norm(norm, x, visible).contiguous())
    return features


def _enlarged(visible: Tensor, x: Tensor) -> Bool[Tensor, "m hf wf"]:
    """The mask at the resolution of the channel-first map `x`, by repetition."""
    factor = x.shape[-1] // visible.shape[-1]
    return visible.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def _masked(x: Tensor, visible: Tensor) -> Tensor:
    return x * _enlarged(visible, x).unsqueeze(1)


def _visible_norm(norm: Any, x: Float[Tensor, "m c hf wf"], visible: Tensor) -> Tensor:
    """Layer norm of the visible positions alone; zero elsewhere."""
    shown = _enlarged(visible, x).nonzero(as_tuple=True)
    channels_last = x.permute(0, 2, 3, 1)
    rows = channels_last[shown]
    normed = F.layer_norm(rows, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    out = torch.zeros_like(channels_last)
    out[shown] = normed.to(out.dtype)
    return out.permute(0, 3, 1, 2)


def _layer(layer: nn.Module, x: Tensor, visible: Tensor) -> Tensor:
    """A convolution of the stem or between stages, masked, or a norm."""
    if isinstance(layer, nn.Conv2d):
        return _masked(F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding), visible)
    return _visible_norm(layer, x, visible)


def _block(block: Any, x: Float[Tensor, "m c hf wf"], visible: Tensor) -> Tensor:
    """Run a block, masked after its convolution and at its end.

    It is x + DropPath(γ · W₂ GELU(W₁ LN(DW₇ₓ₇ x))).
    """
    conv, mlp = block.conv_dw, block.mlp
    y = F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, groups=conv.groups)
    y = _visible_norm(block.norm, _masked(y, visible), visible).permute(0, 2, 3, 1)
    y = F.gelu(F.linear(y, mlp.fc1.weight.flatten(1), mlp.fc1.bias))
    y = F.linear(y, mlp.fc2.weight.flatten(1), mlp.fc2.bias)
    if block.gamma is not None:
        y = block.gamma * y
    return x + block.drop_path(_masked(y.permute(0, 3, 1, 2), visible))
