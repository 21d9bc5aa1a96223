"""Batch norm that sees visible positions only; hidden cells leave as zeros.

Weights, running statistics and the mode (training or not) are those of an ordinary batch norm of
torch or timm, so that published weights load as they are. Statistics are taken over all visible
positions of the batch, never in half precision: with batch norm in training mode a batch of two is
*not* two batches of one.
"""

import torch
from jaxtyping import Bool, Float, Int
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.models.encoder.hide import hide, visible_positions


def masked_batch_norm(
    norm: nn.BatchNorm2d,
    x: Float[Tensor, "m c hf wf"],
    visible: Bool[Tensor, "m hp wp"] | None,
    track: bool = True,
) -> Float[Tensor, "m c hf wf"]:
    """Normalise visible positions, with timm's activation where it is part of the norm.

    Args:
        norm: Holds weights, running statistics and mode. In training the statistics are those of
            the visible positions, and the running ones follow them; else the running ones are used.
        x: Any values in hidden cells; they count for nothing and come back as zeros.
        visible: The mask; None shows everything.
        track: Whether running statistics follow. False when activation checkpointing computes the
            same values a second time.
    """
    if norm.training and visible is not None:
        y = _by_visible_statistics(norm, x, visible, track)
    else:
        y = _by_dense_statistics(norm, x, track)
    if isinstance(norm, BatchNormAct2d):
        y = norm.act(y)
    return hide(y, visible)


def _by_dense_statistics(norm: nn.BatchNorm2d, x: Tensor, track: bool) -> Tensor:
    """Batch norm as torch has it: by all positions in training, else by running statistics."""
    mean, var = _running(norm)
    momentum = _count_batch(norm) if norm.training and track else 0.0
    if not track:
        # The kernel keeps what it is given for the backward pass, so a repeated forward must hand
        # over the same tensors; copies take its update away.
        mean, var = mean.clone(), var.clone()
    return F.batch_norm(x, mean, var, norm.weight, norm.bias, norm.training, momentum, norm.eps)


def _by_visible_statistics(
    norm: nn.BatchNorm2d, x: Tensor, visible: Bool[Tensor, "m hp wp"], track: bool
) -> Tensor:
    """(x − μ) / sqrt(σ² + ε) · w + b with μ and σ² (biased) over the visible positions."""
    positions = visible_positions(visible, x)
    count = positions.sum()
    axes, full = (0, 2, 3), x.to(torch.promote_types(x.dtype, torch.float32))
    mean = (full * positions).sum(axes, keepdim=True) / count.clamp(min=1)
    centred = (full - mean) * positions
    var = centred.square().sum(axes, keepdim=True) / count.clamp(min=1)
    if track:
        _follow(norm, mean.detach().flatten(), var.detach().flatten(), count)
    scale = norm.weight[:, None, None] * (var + norm.eps).rsqrt()
    return torch.addcmul(norm.bias[:, None, None], centred, scale).to(x.dtype)


@torch.no_grad()
def _follow(
    norm: nn.BatchNorm2d,
    mean: Float[Tensor, " c"],
    var: Float[Tensor, " c"],
    count: Int[Tensor, ""],
) -> None:
    """Move the running statistics towards those of a batch, as torch does (unbiased variance).

    A batch without any visible position moves nothing.
    """
    running_mean, running_var = _running(norm)
    share = _count_batch(norm) * (count > 0)
    running_mean += share * (mean - running_mean)
    running_var += share * (var * count / (count - 1).clamp(min=1) - running_var)


def _count_batch(norm: nn.BatchNorm2d) -> float:
    """Count one more batch; returns its share in the running statistics."""
    counter = norm.num_batches_tracked
    if counter is not None:
        counter += 1
    if norm.momentum is None:  # a plain average over all batches
        return 1.0 / float(counter) if counter is not None else 0.0
    return norm.momentum


def _running(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, var = norm.running_mean, norm.running_var
    if mean is None or var is None:
        raise ValueError("masked_batch_norm: expected a norm that tracks running statistics")
    return mean, var
