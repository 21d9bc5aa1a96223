"""Batch norm that sees visible positions only; hidden cells leave as zeros.

Weights, running statistics and the mode (training or not) are those of an ordinary batch norm of
torch or timm, so that published weights load as they are. Statistics are taken over all visible
positions of the batch, never in half precision: with batch norm in training mode a batch of two is
*not* two batches of one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mim4d.models.encoder.batch_statistics import PLAIN, Statistics, running
from mim4d.models.encoder.hide import hide, visible_positions
from mim4d.models.encoder.visible_rows import map_rows, visible_rows
from mim4d.tensors.counting import can_count


def masked_batch_norm(
    norm: nn.BatchNorm2d,
    x: Float[Tensor, "m c hf wf"],
    visible: Bool[Tensor, "m hp wp"] | None,
    statistics: Statistics = PLAIN,
) -> Float[Tensor, "m c hf wf"]:
    """Normalise visible positions, with timm's activation where it is part of the norm.

    Args:
        norm: Holds weights, running statistics and mode. In training the statistics are those of
            the visible positions, and the running ones follow them; else the running ones are used.
        x: Any values in hidden cells; they count for nothing and come back as zeros.
        visible: The mask; None shows everything.
        statistics: What those of a batch do in training.
    """
    if norm.training and visible is not None:
        by_visible = normalise_rows if can_count(visible) else normalise_masked
        y = by_visible(norm, x, visible, statistics)
    else:
        y = hide(_by_dense_statistics(norm, x, statistics), visible)
    # The activations of these families leave zero as it is.
    return norm.act(y) if isinstance(norm, BatchNormAct2d) else y


def _by_dense_statistics(norm: nn.BatchNorm2d, x: Tensor, statistics: Statistics) -> Tensor:
    """Batch norm as torch has it: by all positions in training, else by running statistics."""
    (mean, var), share = running(norm), 0.0
    weight, bias = _weights(norm)
    if norm.training and statistics.renormalise_after is not None:
        full = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        batch_mean, batch_var = _mean_and_variance(full)
        scale, shift = statistics.correction(norm, batch_mean, batch_var)
        weight, bias = weight * scale, bias + weight * shift
    if norm.training and statistics.track:
        share = statistics.count(norm)
    if not statistics.track:
        # The kernel keeps what it is given for the backward pass, so a repeated forward must hand
        # over the same tensors; copies take its update away.
        mean, var = mean.clone(), var.clone()
    return F.batch_norm(x, mean, var, weight, bias, norm.training, share, norm.eps)


def normalise_masked(
    norm: nn.BatchNorm2d,
    x: Float[Tensor, "m c hf wf"],
    visible: Bool[Tensor, "m hp wp"],
    statistics: Statistics = PLAIN,
) -> Float[Tensor, "m c hf wf"]:
    """(x − μ) / sqrt(σ² + ε) · w + b with μ and σ² (biased) over the visible positions.

    The plain way, in which no shape depends on what the mask holds.
    """
    positions = visible_positions(visible, x)
    count = positions.sum()
    axes, full = (0, 2, 3), x.to(torch.promote_types(x.dtype, torch.float32))
    mean = (full * positions).sum(axes, keepdim=True) / count.clamp(min=1)
    centred = (full - mean) * positions
    var = centred.square().sum(axes, keepdim=True) / count.clamp(min=1)
    weight, bias = _weights(norm)
    if statistics.renormalise_after is not None:
        scale, shift = statistics.correction(norm, mean.flatten(), var.flatten())
        weight, bias = weight * scale, bias + weight * shift
    if statistics.track:
        unbiased = var.detach().flatten() * count / (count - 1).clamp(min=1)
        _follow(norm, statistics, mean.detach().flatten(), unbiased, count)
    slope = weight[:, None, None] * (var + norm.eps).rsqrt()
    return hide(torch.addcmul(bias[:, None, None], centred, slope).to(x.dtype), visible)


def normalise_rows(
    norm: nn.BatchNorm2d,
    x: Float[Tensor, "m c hf wf"],
    visible: Bool[Tensor, "m hp wp"],
    statistics: Statistics = PLAIN,
) -> Float[Tensor, "m c hf wf"]:
    """The same on the gathered rows of the visible positions; channels lie innermost after it.

    Torch's kernels for dense batch norms, forward and backward, do the work in a fifth of the
    passes over memory that single operations and their derivatives take.
    """
    rows = visible_rows(visible, x.shape[-2])
    assert rows is not None
    count = len(rows.index)
    correct = None
    if statistics.renormalise_after is not None:
        correct = partial(statistics.correction, norm)
    y, mean, var = _NormaliseRows.apply(x, norm.weight, norm.bias, rows.index, norm.eps, correct)
    if statistics.track:
        var = var if count > 1 else torch.zeros_like(var)
        _follow(norm, statistics, mean, var, torch.tensor(count))
    return y


class _NormaliseRows(torch.autograd.Function):
    """Gather, batch norm, scatter; with the mean and the unbiased variance of the rows.

    `correct` says by mean and biased variance how normalised rows are scaled and shifted before
    weight and bias, which costs one look at the rows and changes the kernel's own weights alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        index: Tensor,
        eps: float,
        correct: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        rows = map_rows(x).index_select(0, index)
        rows = rows.to(torch.promote_types(x.dtype, torch.float32))
        mean, var = (rows.new_zeros(rows.shape[1]) for _ in range(2))  # of share 1 in the running
        out = torch.zeros_like(x)
        centre = inverse = mean
        scale = shift = None
        if len(index):
            if correct is not None:
                scale, shift = correct(*_mean_and_variance(rows))
                weight, bias = weight * scale, bias + weight * shift
            normed, centre, inverse = torch.native_batch_norm(
                rows, weight, bias, mean, var, True, 1.0, eps
            )
            map_rows(out).index_copy_(0, index, normed.to(x.dtype))
        ctx.save_for_backward(rows, weight, index, centre, inverse, scale, shift)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var)
        return out, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, index, centre, inverse, scale, shift = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        d_x = torch.zeros_like(grad) if ctx.needs_input_grad[0] else None
        if not len(index):
            return d_x, torch.zeros_like(weight), torch.zeros_like(weight), None, None, None
        d_rows, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            map_rows(grad).index_select(0, index).to(rows.dtype), rows, weight, None, None,
            centre, inverse, True, ctx.eps, [d_x is not None, True, True],
        )  # fmt: skip
        if d_x is not None:
            map_rows(d_x).index_copy_(0, index, d_rows.to(grad.dtype))
        if scale is not None:
            d_weight = d_weight * scale + d_bias * shift
        return d_x, d_weight, d_bias, None, None, None


def _mean_and_variance(
    values: Float[Tensor, "m c *s"],
) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Of each channel, the variance biased; on a CPU those that the batch norm itself takes."""
    if values.device.type == "cpu":  # for rows, thirty times as fast there; not on every device
        mean, var = torch.batch_norm_update_stats(values, None, None, 0.0)
    else:
        var, mean = torch.var_mean(values, [0, *range(2, values.ndim)], correction=0)
    return mean, var


@torch.no_grad()
def _follow(
    norm: nn.BatchNorm2d,
    statistics: Statistics,
    mean: Float[Tensor, " c"],
    var: Float[Tensor, " c"],
    count: Int[Tensor, ""],
) -> None:
    """Move the running statistics towards those of a batch; the variance is the unbiased one.

    A batch without any visible position moves nothing.
    """
    running_mean, running_var = running(norm)
    share = statistics.count(norm) * (count > 0)
    running_mean += share * (mean - running_mean)
    running_var += share * (var - running_var)


def _weights(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    return norm.weight, norm.bias
