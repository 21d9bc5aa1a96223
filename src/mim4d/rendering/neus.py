"""NeuS: signed distances along a ray to opacities (arXiv 2106.10689, equations 11 to 13).

Enters: `sdf` (metres) and its gradient at one position per section of the ray, the section's length
and the sharpness (1/metre). Leaves: `alpha` in [0, 1], the share of the arriving light that stops
within the section.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def alpha_from_sdf(
    sdf: Float[Tensor, "b r s"],
    sdf_gradient: Float[Tensor, "b r s 3"],
    directions: Float[Tensor, "b r 3"],
    lengths: Float[Tensor, "b r s"],
    sharpness: Float[Tensor, ""],
    cos_anneal: float = 1.0,
    epsilon: float = 0.0,
) -> Float[Tensor, "b r s"]:
    """Opacity of each section from the SDF, extended linearly to the section's two ends.

    With c = −relu(−d·∇sdf) and the ends sdf ∓ c δ/2, `alpha` = 1 − σ(S·end) / (σ(S·start) + ε).
    It is evaluated as −expm1 of a difference of logarithms: exact far inside and far outside,
    where the quotient of sigmoids is 0/0 in floating point.

    Args:
        sdf: Metres.
        sdf_gradient: Not normalised.
        directions: Unit vectors.
        lengths: Section lengths δ, metres.
        sharpness: S, 1/metre.
        cos_anneal: 1 uses the true slope along the ray; 0 the gentler one NeuS starts with, which
            gives rays that leave a surface a gradient too.
        epsilon: Added to both terms of the quotient by the released code (1e-5), which makes space
            far inside a surface opaque and cuts its gradient. Ours is 0.
    """
    slope = torch.einsum("brsk,brk->brs", sdf_gradient, directions)
    falling = F.relu(-slope)
    if cos_anneal < 1:
        falling = F.relu(0.5 - 0.5 * slope) * (1 - cos_anneal) + falling * cos_anneal
    half_drop = falling * lengths / 2
    return alpha_between(sdf + half_drop, sdf - half_drop, sharpness, epsilon)


def alpha_between(
    sdf_start: Float[Tensor, "*b"],
    sdf_end: Float[Tensor, "*b"],
    sharpness: Float[Tensor, ""] | float,
    epsilon: float = 0.0,
) -> Float[Tensor, "*b"]:
    """1 − σ(S·end) / (σ(S·start) + ε) for sections along which the SDF does not rise."""
    log_start = F.logsigmoid(sdf_start * sharpness)
    if epsilon > 0:
        log_start = torch.logaddexp(log_start, log_start.new_tensor(math.log(epsilon)))
    return -torch.expm1(F.logsigmoid(sdf_end * sharpness) - log_start)
