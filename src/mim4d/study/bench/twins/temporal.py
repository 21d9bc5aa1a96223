"""Twin of the temporal decoder: deformable attention level by level over a queue of frames.

Every source is an entry of the batch with predictions of its own; its single level is sampled by
torch's bilinear sampling, stacked, weighted and summed; the sources' answers are then averaged
(HoP, arXiv 2304.00967; BEVFormer, arXiv 2203.17270). Norms of maps are channel-first.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mim4d.temporal.sources import Sources


def decode(
    decoder: Any,
    sources: Sources,
    mean: Float[Tensor, "b c z y x"] | None = None,
) -> Float[Tensor, "b c z y x"]:
    """What a `TemporalDecoder` makes of its sources, told apart by their time."""
    warped, dt_s, present = sources.warped, sources.dt_s, sources.present
    b, s, c, z, y, x = warped.shape
    folded = warped.reshape(b * s, c * z, y, x)
    projected = F.conv2d(folded, decoder.proj.weight[:, :, None, None])
    projected = _map_norm(decoder.proj_norm, projected).unflatten(0, (b, s))
    values = projected + decoder.time_embedding(dt_s)[..., None, None]
    tokens = values.flatten(3).transpose(2, 3)  # b s (y x) k
    near, exists = _nearest(dt_s, present)
    clip = torch.arange(b, device=dt_s.device).unsqueeze(1)
    short = _branch(decoder.short, tokens[clip, near], dt_s[clip, near], exists, (y, x))
    to_long, long_norm = decoder.long_proj
    narrow = _norm(long_norm, F.linear(tokens, to_long.weight, to_long.bias))
    long = _branch(decoder.long, narrow, dt_s, present, (y, x))
    read = torch.cat([short, long], dim=-1).transpose(1, 2).reshape(b, -1, y, x)
    out = F.conv2d(read, decoder.output_proj.weight, padding=1)
    out = _map_norm(decoder.output_norm, out).view(b, c, z, y, x)
    if mean is None:
        usable = (sources.valid & present[:, :, None, None, None]).unsqueeze(2).to(warped.dtype)
        mean = (warped * usable).sum(dim=1) / usable.sum(dim=1).clamp(min=1)
    return out + mean


def _branch(
    branch: Any, tokens: Tensor, dt_s: Tensor, present: Tensor, size_yx: tuple[int, int]
) -> Float[Tensor, "b q k"]:
    """Queries updated by the branch's layers."""
    share = present.to(tokens.dtype) / present.sum(dim=1, keepdim=True).clamp(min=1)
    query = branch.query + (tokens * share[:, :, None, None]).sum(dim=1)
    position = _sine(*size_yx, tokens.shape[-1] // 2).to(tokens)
    embedding = branch.time_embedding(dt_s)
    for layer in branch.layers:
        attended = _attend(layer.attention, query, position, tokens, share, embedding, size_yx)
        query = _norm(layer.attention_norm, attended)
        first, last = layer.ffn[0], layer.ffn[2]
        hidden = F.relu(F.linear(query, first.weight, first.bias))
        query = _norm(layer.ffn_norm, query + F.linear(hidden, last.weight, last.bias))
    return query


def _attend(
    attention: Any,
    query: Tensor,
    position: Tensor,
    tokens: Float[Tensor, "b s q k"],
    share: Float[Tensor, "b s"],
    embedding: Float[Tensor, "b s k"],
    size_yx: tuple[int, int],
) -> Float[Tensor, "b q k"]:
    (b, s, q, _), (y, x) = tokens.shape, size_yx
    heads, points = attention.num_heads, attention.num_points
    asked = (query + position).unsqueeze(1) + embedding.unsqueeze(2)  # b s q k
    offsets = F.linear(asked, attention.sampling_offsets.weight, attention.sampling_offsets.bias)
    weights = F.linear(asked, attention.attention_weights.weight, attention.attention_weights.bias)
    weights = weights.view(b * s, q, heads, 1, points).softmax(dim=-1)
    size = offsets.new_tensor([x, y])
    centres = torch.stack(
        torch.meshgrid(torch.arange(y) + 0.5, torch.arange(x) + 0.5, indexing="ij")[::-1], dim=-1
    )
    centres = centres.to(offsets).reshape(1, q, 1, 1, 1, 2) / size
    places = centres + offsets.view(b * s, q, heads, 1, points, 2) / size
    value = F.linear(tokens, attention.value_proj.weight, attention.value_proj.bias)
    value = value.reshape(b * s, q, heads, -1)
    found = _sample_levels(value, [(y, x)], places, weights)  # (b s) q k
    found = (found.unflatten(0, (b, s)) * share[:, :, None, None]).sum(dim=1)
    return query + F.linear(found, attention.output_proj.weight, attention.output_proj.bias)


def _sample_levels(
    value: Float[Tensor, "m v h k"],
    sizes_yx: list[tuple[int, int]],
    places: Float[Tensor, "m q h l p 2"],
    weights: Float[Tensor, "m q h l p"],
) -> Float[Tensor, "m q h*k"]:
    """Multi-scale deformable attention: places in [0, 1] of each level's map."""
    m, _, heads, width = value.shape
    sampled = []
    for level, (maps, (y, x)) in enumerate(
        zip(value.split([y * x for y, x in sizes_yx], dim=1), sizes_yx, strict=True)
    ):
        maps = maps.flatten(2).transpose(1, 2).reshape(m * heads, width, y, x)
        unit = (2 * places[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)  # (m h) q p 2
        sampled.append(F.grid_sample(maps, unit, align_corners=False))
    stacked = torch.stack(sampled, dim=-2).flatten(-2)  # (m h) k q (l p)
    shares = weights.transpose(1, 2).flatten(0, 1).flatten(-2).unsqueeze(1)
    summed = (stacked * shares).sum(dim=-1).view(m, heads * width, -1)
    return summed.transpose(1, 2).contiguous()


def _nearest(dt_s: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest present sources of the past and of the future, and whether there are any."""
    if dt_s.shape[1] == 1:
        return torch.zeros_like(dt_s, dtype=torch.long), present
    found = [
        (dt_s.abs().masked_fill(~side, math.inf).argmin(dim=1), side.any(dim=1))
        for side in (present & (dt_s <= 0), present & (dt_s > 0))
    ]
    index, exists = zip(*found, strict=True)
    return torch.stack(index, dim=1), torch.stack(exists, dim=1)


def _norm(norm: Any, x: Tensor) -> Tensor:
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _map_norm(norm: Any, x: Float[Tensor, "m c y x"]) -> Float[Tensor, "m c y x"]:
    """Layer norm over the channels of a channel-first map, written out."""
    centred = x - x.mean(dim=1, keepdim=True)
    scaled = centred / (centred.square().mean(dim=1, keepdim=True) + norm.eps).sqrt()
    return norm.weight[:, None, None] * scaled + norm.bias[:, None, None]


def _sine(y: int, x: int, features: int) -> Float[Tensor, "q c"]:
    """Sine code of rows, then columns (DETR, arXiv 2005.12872)."""
    scale = 10000 ** (torch.arange(0, features, 2) / features)

    def code(count: int) -> Tensor:
        phase = torch.arange(1, count + 1).unsqueeze(1) * (2 * math.pi / count) / scale
        return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)

    rows = code(y).unsqueeze(1).expand(y, x, -1)
    return torch.cat([rows, code(x).expand(y, x, -1)], dim=-1).flatten(0, 1)
