"""Where along each ray the field is asked: fence posts, uniform and by importance.

`edges` (`b r e`, e = s + 1) are fence posts between near and far, metres along the ray, sorted;
section i lies between edges i and i+1. Randomness enters as data: one number in [0, 1) per ray and
step, or None for the deterministic placement. NeuS, arXiv 2106.10689, section 3.2.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.rendering.compositing import render_weights
from mim4d.rendering.neus import alpha_between

SampleAt = Literal["start", "middle"]
Spacing = Literal["even", "log"]

_SMALL = 1e-5


def uniform_edges(
    near: Float[Tensor, "b r"],
    far: Float[Tensor, "b r"],
    num_samples: int,
    jitter: Float[Tensor, "b r"] | None,
    spacing: Spacing = "even",
) -> Float[Tensor, "b r {num_samples}+1"]:
    """Sections from near to far: equal ones, or (`log`) equal steps of ln(1 m + d).

    `jitter` moves every post of a ray by the same share of its sections.
    A post moves between the middles of the sections beside it (the first and the last: between
    themselves and the middle inwards), so that sections keep their order and roughly their length.
    """
    posts = torch.linspace(0, 1, num_samples + 1, device=near.device, dtype=near.dtype)
    share = posts.expand(*near.shape, -1)
    if jitter is not None:
        middles = (posts[1:] + posts[:-1]) / 2
        lower = torch.cat([posts[:1], middles])
        upper = torch.cat([middles, posts[-1:]])
        share = lower + (upper - lower) * jitter.unsqueeze(-1)
    near, far = near.unsqueeze(-1), far.unsqueeze(-1)
    if spacing == "log":
        return near + (1 + near) * torch.expm1(torch.log1p((far - near) / (1 + near)) * share)
    return near + (far - near) * share


def sample_distances(edges: Float[Tensor, "b r e"], at: SampleAt) -> Float[Tensor, "b r e-1"]:
    """The position of each section's sample.

    `middle` is where the section's opacity formula is unbiased; the released code asks at `start`.
    """
    return edges[..., :-1] if at == "start" else (edges[..., :-1] + edges[..., 1:]) / 2


def section_weights(
    sdf: Float[Tensor, "b r m"],
    distances: Float[Tensor, "b r m"],
    sharpness_per_m: float,
    epsilon: float = 0.0,
    min_length_m: float = 1e-4,
) -> Float[Tensor, "b r m-1"]:
    """Rendering weights of the sections between positions with known SDF, without a gradient field.

    The slope of a section is its SDF difference quotient, but never flatter than the section before
    it allows (the smaller of the two) and never rising: both as in NeuS, which keeps samples in
    front of surfaces that one section sees edge-on.

    Args:
        sdf: Metres, at `distances`.
        distances: Sorted positions, metres.
        sharpness_per_m: Fixed steepness of this step, larger than the field's own at the start.
        epsilon: As in `alpha_from_sdf`.
        min_length_m: Added to lengths in the quotient, for positions that coincide.
    """
    lengths = distances.diff(dim=-1)
    slope = sdf.diff(dim=-1) / (lengths + min_length_m)
    before = torch.cat([torch.zeros_like(slope[..., :1]), slope[..., :-1]], dim=-1)
    half_drop = -torch.minimum(slope, before).clamp(-1000.0, 0.0) * lengths / 2
    middle = (sdf[..., 1:] + sdf[..., :-1]) / 2
    alpha = alpha_between(middle + half_drop, middle - half_drop, sharpness_per_m, epsilon)
    return render_weights(alpha)


def quantiles(
    num_rows: int, jitter: Float[Tensor, "b r"] | None, like: Float[Tensor, "b r s"]
) -> Float[Tensor, "b r {num_rows}"]:
    """`num_rows` equal shares of [0, 1], each at `jitter` (default one half) of its share."""
    steps = torch.arange(num_rows, device=like.device, dtype=like.dtype)
    offset = like.new_full(like.shape[:-1], 0.5) if jitter is None else jitter
    return (steps + offset.unsqueeze(-1)) / num_rows


def invert_cdf(
    edges: Float[Tensor, "b r e"],
    weights: Float[Tensor, "b r e-1"],
    shares: Float[Tensor, "b r k"],
) -> Float[Tensor, "b r k"]:
    """Positions below which the given shares of the weight lie, linear within a section.

    Where a ray has (nearly) no weight, the weight is spread evenly over its sections.
    """
    total = weights.sum(dim=-1, keepdim=True)
    missing = (_SMALL - total).clamp(min=0)
    weights = weights + missing / weights.shape[-1]
    cdf = (weights / (total + missing)).cumsum(dim=-1).clamp(max=1)
    cdf = torch.cat([torch.zeros_like(cdf[..., :1]), cdf], dim=-1).contiguous()
    above = torch.searchsorted(cdf, shares.contiguous(), right=True)
    below = (above - 1).clamp(0, edges.shape[-1] - 1)
    above = above.clamp(max=edges.shape[-1] - 1)
    low, high = cdf.gather(-1, below), cdf.gather(-1, above)
    width = torch.where(high - low < _SMALL, torch.ones_like(low), high - low)
    start, end = edges.gather(-1, below), edges.gather(-1, above)
    return start + ((shares - low) / width).clamp(0, 1) * (end - start)


def importance_edges(
    edges: Float[Tensor, "b r e"],
    weights: Float[Tensor, "b r e-1"],
    num_new: int,
    jitter: Float[Tensor, "b r"] | None,
    at: SampleAt = "middle",
) -> Float[Tensor, "b r e+{num_new}"]:
    """Add `num_new` fence posts where the weights are, and sort.

    With `at="start"` the posts are the first `num_new` of `num_new` + 1 quantiles, as in the
    released code, whose last quantile only ends a section that is then discarded.
    """
    shares = quantiles(num_new + 1 if at == "start" else num_new, jitter, weights)[..., :num_new]
    new = invert_cdf(edges, weights, shares)
    return torch.cat([edges, new], dim=-1).sort(dim=-1).values
