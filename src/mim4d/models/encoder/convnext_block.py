"""One block of timm's ConvNeXt on a masked map: depthwise 7×7, norm, MLP, layer scale."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from timm.layers.activations import GELU, GELUTanh
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from mim4d.models.encoder.batch_statistics import PLAIN, Statistics
from mim4d.models.encoder.hide import hide
from mim4d.models.encoder.residual_rows import ResidualOptions, ResidualWeights, add_residual
from mim4d.models.encoder.visible_rows import VisibleRows


def add_block(
    block: Any,
    x: Float[Tensor, "m c hf wf"],
    visible: Bool[Tensor, "m hp wp"] | None,
    statistics: Statistics = PLAIN,
) -> Float[Tensor, "m c hf wf"]:
    """Add the residual layer by layer, hidden positions included: the plain way.

    Masking the residual is enough. The downsampling patches never straddle two cells, and all that
    follows a depthwise convolution acts on each position by itself: what it makes of a hidden cell
    (biases, and what the 7×7 window carried in from neighbours) reaches no other cell before the
    mask removes it. Values and gradients are those of masking after every single layer. There are
    no batch norms, so `statistics` says nothing.
    """
    y: Tensor = block.conv_dw(x)
    if block.use_conv_mlp:  # 1×1 convolutions on channel-first maps (atto, femto, pico, nano)
        y = block.mlp(block.norm(y))
    else:  # the same formula as linear layers on channel-last maps
        y = block.mlp(block.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    if block.gamma is not None:
        y = y * block.gamma[:, None, None]
    return x + hide(block.drop_path(y), visible)


def add_block_on_rows(
    block: Any, x: Float[Tensor, "m c hf wf"], rows: VisibleRows | None, keep: bool
) -> Float[Tensor, "m c hf wf"]:
    """The same values, computed on visible rows alone; for a block with the usual layers.

    Args:
        block: A block that `has_usual_layers`.
        x: Its input; hidden positions are zero.
        rows: The visible positions; None means all.
        keep: Keep inner values for the backward pass instead of computing them again.
    """
    mlp = block.mlp
    weights = ResidualWeights(
        block.conv_dw.weight,
        block.conv_dw.bias,
        block.norm.weight,
        block.norm.bias,
        mlp.fc1.weight.flatten(1),
        mlp.fc1.bias,
        mlp.fc2.weight.flatten(1),
        mlp.fc2.bias,
        block.gamma,
    )
    # Drop path multiplies each image's residual with one number: it shows on a map of ones.
    drops = block.training and not isinstance(block.drop_path, nn.Identity)
    path_scale = block.drop_path(x.new_ones(len(x), 1, 1, 1)).flatten() if drops else None
    options = ResidualOptions(block.norm.eps, _gelu(mlp.act), keep and torch.is_grad_enabled())
    return add_residual(x, weights, rows, path_scale, options)


def has_usual_layers(block: Any) -> bool:
    """Whether a block is made of the layers that most ConvNeXts have, all with biases.

    Some have another norm or activation (`convnext_zepto_rms`); their blocks are run as they are.
    """
    mlp, norm = block.mlp, block.norm
    return (
        isinstance(norm, nn.LayerNorm)
        and norm.weight is not None
        and type(mlp) is Mlp
        and isinstance(mlp.act, nn.GELU | GELU | GELUTanh)
        and isinstance(mlp.norm, nn.Identity)
        and mlp.drop1.p == mlp.drop2.p == 0
        and isinstance(block.shortcut, nn.Identity)
        and all(layer.bias is not None for layer in (block.conv_dw, norm, mlp.fc1, mlp.fc2))
    )


def _gelu(activation: nn.Module) -> str:
    """How GELU is computed, in torch's words."""
    if isinstance(activation, nn.GELU):
        return activation.approximate
    return "tanh" if isinstance(activation, GELUTanh) else "none"
