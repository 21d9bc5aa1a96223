"""The residual of a ConvNeXt block on visible rows, with a backward pass written out.

`x + γ · W2 gelu(W1 norm(dw(x)) + b1)`: a depthwise convolution over the whole map; then norm, MLP
and layer scale, which act on each position by itself, on the visible rows alone. What the formula
saves against layers that follow one another:

- Hidden rows are neither normalised nor multiplied.
- γ enters the second matrix (γ W2, γ b2). Its gradient is `Σ_j (dγW2)_kj W2_kj + (dγb2)_k b2_k`, so
  the MLP's result is needed nowhere in the backward pass and is not computed a second time.
- Rows are worked on in pieces that stay in a CPU's cache; the MLP's wide inner values never exist
  for a whole map unless they are kept for the backward pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mim4d.models.encoder.visible_rows import VisibleRows, map_rows
from mim4d.tensors.counting import can_count

# Rows at a time of each CPU thread: enough for full speed of products, few enough for the cache.
_CPU_ROWS = 1024


@dataclass(frozen=True)
class ResidualOptions:
    """What is not a tensor.

    Attributes:
        eps: Of the norm.
        gelu: How GELU is computed: `none` (exact) or `tanh`.
        keep: Keep the visible rows of the MLP's inner values for the backward pass; else only the
            block's input is kept, and all but the last product is computed again.
    """

    eps: float
    gelu: str
    keep: bool


@dataclass(frozen=True)
class ResidualWeights:
    """The block's weights, as its layers hold them; the MLP's as matrices."""

    dw: Float[Tensor, "c 1 k k"]
    dw_bias: Float[Tensor, " c"]
    norm: Float[Tensor, " c"]
    norm_bias: Float[Tensor, " c"]
    fc1: Float[Tensor, "i c"]
    fc1_bias: Float[Tensor, " i"]
    fc2: Float[Tensor, "c i"]
    fc2_bias: Float[Tensor, " c"]
    gamma: Float[Tensor, " c"] | None


def add_residual(
    x: Float[Tensor, "m c hf wf"],
    weights: ResidualWeights,
    rows: VisibleRows | None,
    path_scale: Float[Tensor, " m"] | None,
    options: ResidualOptions,
) -> Float[Tensor, "m c hf wf"]:
    """The block's output; its channels lie innermost.

    Under autocast, convolution and products run in its precision; norm and sum do not.

    Args:
        x: The block's input.
        weights: Of the block.
        rows: Where the residual is added; None means everywhere.
        path_scale: What each image's residual is multiplied with (drop path).
        options: See there.
    """
    device = x.device.type
    half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    index, scale = (None, None) if rows is None else (rows.index, rows.weight)
    if path_scale is not None:
        index, scale = _scaled_rows(x, index, scale, path_scale)
    w = weights
    out: Tensor = _AddResidual.apply(
        x, w.dw, w.dw_bias, w.norm, w.norm_bias, w.fc1, w.fc1_bias, w.fc2, w.fc2_bias, w.gamma,
        index, scale, half, options,
    )  # fmt: skip
    return out


def _scaled_rows(
    x: Tensor, index: Tensor | None, scale: Tensor | None, path_scale: Tensor
) -> tuple[Tensor, Tensor]:
    """The rows' numbers and factors, with each image's factor in them.

    Rows of dropped images are left out where they may be counted.
    """
    positions = x.shape[2] * x.shape[3]
    if index is None:
        index = torch.arange(len(x) * positions, device=x.device)
    of_rows = path_scale[index // positions][:, None]
    scale = of_rows if scale is None else of_rows * scale
    if can_count(scale):
        used = scale.flatten().nonzero()[:, 0]
        index, scale = index[used], scale[used]
    return index, scale


class _AddResidual(torch.autograd.Function):
    """See `add_residual`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        dw: Tensor,
        dw_bias: Tensor,
        norm: Tensor,
        norm_bias: Tensor,
        fc1: Tensor,
        fc1_bias: Tensor,
        fc2: Tensor,
        fc2_bias: Tensor,
        gamma: Tensor | None,
        index: Tensor | None,
        scale: Tensor | None,
        half: torch.dtype | None,
        options: ResidualOptions,
    ) -> Tensor:
        dtype = x.dtype if half is None else half
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, enabled=False):
            y = map_rows(_depthwise(x, dw, dw_bias, dtype))
            first, first_bias = fc1.to(dtype).t(), fc1_bias.to(dtype)
            second, second_bias = _scaled_second(fc2, fc2_bias, gamma, dtype)
            out = x.clone()
            out_rows, x_rows = map_rows(out), map_rows(x)
            pieces = list(_pieces(len(y) if index is None else len(index), x))
            inner = None
            if options.keep:
                y = y if index is None else y.index_select(0, index)
                inner = y.new_empty(len(y), len(fc1))
            for piece in pieces:
                at = None if index is None else index[piece]
                taken = y[piece] if at is None or options.keep else y.index_select(0, at)
                normed = _norm(taken, norm, norm_bias, options.eps)[0].to(dtype)
                if inner is None:
                    hidden = torch.addmm(first_bias, normed, first)
                else:
                    hidden = torch.addmm(first_bias, normed, first, out=inner[piece])
                result = torch.addmm(
                    second_bias, F.gelu(hidden, approximate=options.gelu), second.t()
                )
                if scale is not None:
                    result = result * scale[piece]
                if at is None:
                    out_rows[piece] += result
                else:
                    out_rows.index_copy_(0, at, x_rows.index_select(0, at) + result)
        kept = (y, inner) if options.keep else (None, None)
        ctx.save_for_backward(
            x,
            dw,
            dw_bias,
            norm,
            norm_bias,
            fc1,
            fc1_bias,
            fc2,
            fc2_bias,
            gamma,
            index,
            scale,
            *kept,
        )
        ctx.dtype, ctx.options = dtype, options
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, dw, dw_bias, norm, norm_bias, fc1, fc1_bias, fc2, fc2_bias, gamma = ctx.saved_tensors[
            :10
        ]
        index, scale, y, inner = ctx.saved_tensors[10:]
        dtype, options = ctx.dtype, ctx.options
        with torch.autocast(x.device.type, enabled=False):
            grad = grad.contiguous(memory_format=torch.channels_last)
            if not options.keep:
                y = map_rows(_depthwise(x, dw, dw_bias, dtype))
            first, first_bias = fc1.to(dtype), fc1_bias.to(dtype)
            second, _ = _scaled_second(fc2, fc2_bias, gamma, dtype)
            d_first, d_second = torch.zeros_like(fc1), torch.zeros_like(fc2)
            d_bias1, d_bias2 = torch.zeros_like(fc1_bias), torch.zeros_like(fc2_bias)
            d_norm, d_norm_bias = torch.zeros_like(norm), torch.zeros_like(norm_bias)
            d_y = torch.zeros_like(x, dtype=dtype)
            d_y_rows, grad_rows = map_rows(d_y), map_rows(grad)
            for piece in _pieces(len(grad_rows) if index is None else len(index), x):
                at = None if index is None else index[piece]
                taken = y[piece] if at is None or options.keep else y.index_select(0, at)
                normed, mean, rstd = _norm(taken, norm, norm_bias, options.eps)
                narrow = normed.to(dtype)
                if inner is None:
                    hidden = torch.addmm(first_bias, narrow, first.t())
                else:
                    hidden = inner[piece]
                d_out = grad_rows[piece] if at is None else grad_rows.index_select(0, at)
                if scale is not None:
                    d_out = d_out * scale[piece]
                d_bias2 += d_out.sum(0)
                d_out = d_out.to(dtype)
                _add_product(d_second, d_out.t(), F.gelu(hidden, approximate=options.gelu))
                d_hidden = torch.ops.aten.gelu_backward(
                    d_out @ second, hidden, approximate=options.gelu
                )
                _add_product(d_first, d_hidden.t(), narrow)
                d_bias1 += d_hidden.sum(0, dtype=d_bias1.dtype)
                d_taken, d_weight, d_bias = torch.ops.aten.native_layer_norm_backward(
                    (d_hidden @ first).to(normed.dtype), taken.to(normed.dtype),
                    list(norm.shape), mean, rstd, norm, norm_bias, [True, True, True],
                )  # fmt: skip
                d_norm += d_weight
                d_norm_bias += d_bias
                if at is None:
                    d_y_rows[piece] = d_taken
                else:
                    d_y_rows.index_copy_(0, at, d_taken.to(dtype))
            d_gamma = None
            if gamma is not None:
                d_gamma = torch.addcmul((d_second * fc2).sum(1), d_bias2, fc2_bias)
                d_second, d_bias2 = d_second * gamma[:, None], d_bias2 * gamma
            d_x, d_dw, d_dw_bias = torch.ops.aten.convolution_backward(
                d_y, x.to(dtype), dw.to(dtype), list(dw_bias.shape), [1, 1],
                [size // 2 for size in dw.shape[2:]], [1, 1], False, [0, 0], len(dw),
                [ctx.needs_input_grad[0], True, True],
            )  # fmt: skip
            if d_x is not None:
                d_x = grad + d_x
        return (
            d_x, d_dw.to(dw.dtype), d_dw_bias.to(dw.dtype), d_norm, d_norm_bias,
            d_first, d_bias1, d_second, d_bias2, d_gamma, None, None, None, None,
        )  # fmt: skip


def _pieces(num_rows: int, x: Tensor) -> Iterator[slice]:
    """Cut so many rows into pieces for a CPU's cache; other devices take them at once."""
    on_cpu = x.device.type == "cpu"
    step = _CPU_ROWS * torch.get_num_threads() if on_cpu else max(num_rows, 1)
    return (slice(start, min(start + step, num_rows)) for start in range(0, num_rows, step))


def _depthwise(x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    padding = [size // 2 for size in weight.shape[2:]]
    y = F.conv2d(x.to(dtype), weight.to(dtype), bias.to(dtype), padding=padding, groups=len(weight))
    return y.contiguous(memory_format=torch.channels_last)


def _norm(rows: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised rows in the weights' precision, and what its backward pass wants."""
    normed, mean, rstd = torch.native_layer_norm(
        rows.to(weight.dtype), list(weight.shape), weight, bias, eps
    )
    return normed, mean, rstd


def _scaled_second(
    weight: Tensor, bias: Tensor, gamma: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Second matrix and bias with the layer scale in them."""
    if gamma is not None:
        weight, bias = weight * gamma[:, None], bias * gamma
    return weight.to(dtype), bias.to(dtype)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a matrix product to a sum; the sum keeps its precision."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b
