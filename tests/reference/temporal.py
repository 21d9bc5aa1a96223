"""Slow twin of the deformable attention: one cell, source, head and point at a time."""

import math

import torch
from torch import Tensor

from mim4d.temporal.attention import DeformableAttention


def _bilinear(values: Tensor, u: float, v: float) -> Tensor:
    """Look up a map (y x c) at (u, v) in cells; the centre of the first cell is (0, 0)."""
    y, x, c = values.shape
    left, top = math.floor(u), math.floor(v)
    result = values.new_zeros(c)
    for row, weight_v in ((top, top + 1 - v), (top + 1, v - top)):
        for column, weight_u in ((left, left + 1 - u), (left + 1, u - left)):
            if 0 <= row < y and 0 <= column < x:
                result = result + weight_v * weight_u * values[row, column]
    return result


@torch.no_grad()
def attention_loops(
    module: DeformableAttention,
    query: Tensor,
    position: Tensor,
    values: Tensor,
    present: Tensor,
    source_embedding: Tensor,
) -> Tensor:
    """What `module` (shared predictions) should give."""
    b, s, y, x, width = values.shape
    heads, points = module.num_heads, module.num_points
    head_width = width // heads
    result = query.clone()
    for clip in range(b):
        sources = [source for source in range(s) if present[clip, source]]
        for cell in range(y * x):
            total = query.new_zeros(heads, head_width)
            for source in sources:
                asked = query[clip, cell] + position[0, cell] + source_embedding[clip, source]
                offsets = module.sampling_offsets(asked).view(heads, points, 2)
                weights = module.attention_weights(asked).view(heads, points).softmax(dim=-1)
                value = module.value_proj(values[clip, source]).view(y, x, heads, head_width)
                for head in range(heads):
                    for point in range(points):
                        du, dv = offsets[head, point].tolist()
                        looked_up = _bilinear(value[:, :, head], cell % x + du, cell // x + dv)
                        total[head] += weights[head, point] * looked_up / len(sources)
            result[clip, cell] += module.output_proj(total.flatten())
    return result
