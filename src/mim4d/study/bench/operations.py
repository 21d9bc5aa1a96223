"""Counts the operations of matrix products and convolutions, multiplications and additions apart.

Torch's own counter takes the backward pass of a depthwise convolution for that of a dense one: 384
times the operations of a weight gradient with 384 channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count


def operation_counter() -> FlopCounterMode:
    """Counts what is computed while it is entered; `get_total_flops()` says how much."""
    backward = {torch.ops.aten.convolution_backward: _convolution_backward}
    return FlopCounterMode(display=False, custom_mapping=backward)


def _convolution_backward(
    grad_shape: Sequence[int],
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    _bias: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    output_mask: Sequence[bool],
    out_shape: Any,
) -> int:
    """The input's gradient and the weight's cost as much as the forward pass each."""
    forward = conv_flop_count(
        list(input_shape), list(weight_shape), list(grad_shape), transposed=transposed
    )
    return forward * sum(output_mask[:2])
