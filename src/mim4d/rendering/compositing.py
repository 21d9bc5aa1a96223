"""Opacities to what a ray sees: weights, colour, distance.

Enters: `alpha` of the sections of each ray, near to far, and a value per section. Leaves: one value
per ray. Distances are metres along the ray.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# Keeps the logarithm finite behind an opaque section (the released code adds the same number).
_EPSILON = 1e-7


def render_weights(alpha: Float[Tensor, "b r s"]) -> Float[Tensor, "b r s"]:
    """w_i = α_i Π_{j<i} (1 − α_j): the share of the ray's light that stops in section i.

    They sum to at most 1 (to rounding); the rest, 1 − Σw, leaves the box. The product is a sum of
    logarithms: unlike `cumprod`, its backward needs no search for zeros.
    """
    passing = torch.log(1 - alpha + _EPSILON)
    before = torch.cumsum(passing, dim=-1) - passing
    return alpha * torch.exp(before)


def render_colour(
    weights: Float[Tensor, "b r s"],
    colours: Float[Tensor, "b r s 3"],
    background: Float[Tensor, "b r 3"] | None = None,
) -> Float[Tensor, "b r 3"]:
    """Σ w c + (1 − Σw) · background, which is black unless given."""
    seen = torch.einsum("brs,brsk->brk", weights, colours)
    if background is None:
        return seen
    return seen + (1 - weights.sum(dim=-1, keepdim=True)) * background


def render_distance(
    weights: Float[Tensor, "b r s"],
    sample_distances: Float[Tensor, "b r s"],
    far: Float[Tensor, "b r"],
) -> Float[Tensor, "b r"]:
    """Expected distance Σ w d + (1 − Σw) · far: light that is not stopped reaches the exit `far`.

    A departure from the released code (see `render_distance_normalised`): an empty ray is as far as
    the box allows, instead of a mean over vanishing weights.
    """
    return (weights * (sample_distances - far.unsqueeze(-1))).sum(dim=-1) + far


def render_distance_normalised(
    weights: Float[Tensor, "b r s"], sample_distances: Float[Tensor, "b r s"]
) -> Float[Tensor, "b r"]:
    """The released distance: Σ w d / (Σw + 1e-10), clipped to the span of all samples."""
    distance = (weights * sample_distances).sum(dim=-1) / (weights.sum(dim=-1) + 1e-10)
    return distance.clamp(sample_distances.min(), sample_distances.max())


def render_normals(
    weights: Float[Tensor, "b r s"], sdf_gradient: Float[Tensor, "b r s 3"]
) -> Float[Tensor, "b r 3"]:
    """Σ w n with unit normals n = ∇sdf / |∇sdf|; shorter than 1 where the ray is not stopped."""
    normals = torch.nn.functional.normalize(sdf_gradient, dim=-1)
    return torch.einsum("brs,brsk->brk", weights, normals)
