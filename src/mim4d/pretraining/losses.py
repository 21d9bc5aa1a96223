"""Losses of the rendering: each a function with an explicit validity mask, and a mean over it.

All lengths are metres, so that a weight means the same in every configuration. The leading axis of
every tensor counts the clips of the batch; a loss is the plain mean over clips of each clip's own
masked mean, and a mean over nothing is zero (and has zero gradient). Colour and distance are the
losses of MIM4D, arXiv 2403.08760; smoothness serves training without LiDAR; the others are coded
in the released code and off there, as they are here unless asked for.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_STEEPEST_SLANT = 0.2
_BEFORE_THE_ROAD, _OBSTACLES_WITHIN_M = 0.9, 25.0


def masked_mean(
    values: Float[Tensor, " b *rest"],
    valid: Bool[Tensor, " b *rest"],
    weights: Float[Tensor, " b *rest"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over clips of the mean of each clip's valid values, weighted if weights (≥ 1) are given.

    A clip without valid values counts as 0 and still counts: so a batch of two clips, two batches
    of one, and two processes with one clip each all give the same loss and gradient. Invalid values
    may be anything, also NaN.
    """
    share = valid.to(values.dtype) if weights is None else valid * weights
    kept = torch.where(valid, values * share, torch.zeros_like(values)).flatten(1)
    return (kept.sum(dim=1) / share.flatten(1).sum(dim=1).clamp(min=1)).mean()


def obstacle_weights(
    measured_m: Float[Tensor, " b *m"], ground_m: Float[Tensor, " b *m"], extra: float
) -> Float[Tensor, " b *m"]:
    """1 + `extra` for what is measured clearly before the road and within 25 m, else 1.

    Obstacles are few and small, the road is everywhere: a network learns it first, and to see cars
    last. What is an obstacle is said by the measurement itself.

    Args:
        measured_m: Distance, or depth, of what the LiDAR hit, metres.
        ground_m: The same of the plane z = 0 of the ego frame; infinite where there is none.
        extra: How many times more an obstacle counts.
    """
    before = (measured_m < _BEFORE_THE_ROAD * ground_m) & (measured_m < _OBSTACLES_WITHIN_M)
    return 1 + extra * before


def colour_l1(
    colours: Float[Tensor, "b *r 3"],
    target_colours: Float[Tensor, "b *r 3"],
    valid: Bool[Tensor, " b *r"],
) -> Float[Tensor, ""]:
    """Mean over rays and channels of |ĉ − c|."""
    return masked_mean((colours - target_colours).abs().mean(dim=-1), valid)


def distance_l1(
    distances: Float[Tensor, " b *r"],
    target_distances: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
    weights: Float[Tensor, " b *r"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over rays with a measurement of |d̂ − d|, metres; see `masked_mean`."""
    return masked_mean((distances - target_distances).abs(), valid, weights)


def distance_relative(
    distances: Float[Tensor, " b *r"],
    target_distances: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
    weights: Float[Tensor, " b *r"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over rays with a measurement of |d̂ − d| / d: one metre counts more at 3 m than at 50."""
    error = (distances - target_distances).abs() / target_distances.clamp(min=1e-3)
    return masked_mean(error, valid, weights)


def distance_log(
    distances: Float[Tensor, " b *r"],
    target_distances: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
) -> Float[Tensor, ""]:
    """Mean over rays with a measurement of |ln d̂ − ln d|.

    Half the distance costs what twice the distance costs; the relative error takes half as much
    for the former as for the latter, and so is least for guesses that are too short.
    """
    error = (distances.clamp(min=0.1).log() - target_distances.clamp(min=0.1).log()).abs()
    return masked_mean(error, valid)


def termination(
    weights: Float[Tensor, "b *r s"],
    sample_distances: Float[Tensor, "b *r s"],
    target_distances: Float[Tensor, " b *r"],
    far: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
    scale: float,
    ray_weights: Float[Tensor, " b *r"] | None = None,
) -> Float[Tensor, ""]:
    """Mean of −ln Σ w_i exp(−|ln d_i − ln d| / scale): where the light ends, against LiDAR.

    Each sample stops the share w_i of the light, and what none stops leaves the box at `far`; a
    measurement is off by a Laplace-distributed logarithm. So a return pulls the light to end where
    it is, and a distance cut off at `far` pulls it to end nowhere before.

    Args:
        weights: Share of the light that each sample stops.
        sample_distances: Metres along the ray.
        target_distances: Measured distances, metres.
        far: Where each ray leaves the box, metres.
        valid: Rays with a measurement.
        scale: Of the Laplace distribution.
        ray_weights: How much each ray counts; None: all alike.
    """
    measured = target_distances.clamp(min=0.1).log()
    off = (sample_distances.clamp(min=0.1).log() - measured.unsqueeze(-1)).abs()
    off_at_exit = (far.clamp(min=0.1).log() - measured).abs()
    passing = (1 - weights.sum(dim=-1)).clamp(min=0)
    likely = (weights * (-off / scale).exp()).sum(dim=-1) + passing * (-off_at_exit / scale).exp()
    return masked_mean(-likely.clamp(min=1e-6).log(), valid, ray_weights)


def eikonal(
    sdf_gradient: Float[Tensor, "b *r s 3"], valid: Bool[Tensor, " b *r"]
) -> Float[Tensor, ""]:
    """Mean over samples of (|∇sdf| − 1)²: a distance grows by one metre per metre."""
    # The norm's own derivative is not finite at zero.
    norm = (sdf_gradient.square().sum(dim=-1) + 1e-12).sqrt()
    return masked_mean((norm - 1).square(), valid.unsqueeze(-1).expand_as(norm))


def free_space(
    sdf: Float[Tensor, "b *r s"],
    sample_distances: Float[Tensor, "b *r s"],
    target_distances: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
    truncation_m: float,
) -> Float[Tensor, ""]:
    """Mean of relu(τ − sdf) over the samples that lie more than τ in front of the measured surface.

    Args:
        sdf: Metres.
        sample_distances: Metres along the ray.
        target_distances: Measured distances, metres.
        valid: Rays with a measurement.
        truncation_m: τ, metres.
    """
    front = sample_distances < (target_distances - truncation_m).unsqueeze(-1)
    return masked_mean(F.relu(truncation_m - sdf), front & valid.unsqueeze(-1))


def near_surface_sdf(
    sdf: Float[Tensor, "b *r s"],
    sample_distances: Float[Tensor, "b *r s"],
    target_distances: Float[Tensor, " b *r"],
    valid: Bool[Tensor, " b *r"],
    truncation_m: float,
    surface_distances: Float[Tensor, "b *r s"] | None = None,
) -> Float[Tensor, ""]:
    """Mean error of the SDF over the samples within τ of the measured surface, metres.

    Args:
        sdf: Metres.
        sample_distances: Metres along the ray.
        target_distances: Measured distances, metres.
        valid: Rays with a measurement.
        truncation_m: τ, along the ray.
        surface_distances: What the SDF should be, from `distances_to_surface`; None takes the
            distance along the ray, which holds for a surface seen face on and is too large
            otherwise.
    """
    along = target_distances.unsqueeze(-1) - sample_distances
    near = (along.abs() <= truncation_m) & valid.unsqueeze(-1)
    expected = along if surface_distances is None else surface_distances
    return masked_mean((sdf - expected).abs(), near)


@torch.no_grad()
def distances_to_surface(
    along_m: Float[Tensor, "b *r s"],
    heights_m: Float[Tensor, "b *r s"],
    on_road: Bool[Tensor, " b *r"],
    directions: Float[Tensor, "b *r 3"],
    sdf_gradient: Float[Tensor, "b *r s 3"],
) -> Float[Tensor, "b *r s"]:
    """Signed distance of samples to the plane of the surface that their ray was measured to hit.

    On the road it is the height above it. Elsewhere the surface's normal is taken from the SDF of
    the moment, as a constant, and no ray is taken to graze more than one fifth.

    Args:
        along_m: From each sample to the measured surface along the ray; negative behind it.
        heights_m: Of each sample above the road.
        on_road: Rays that were measured to hit the road.
        directions: Unit vectors.
        sdf_gradient: Not normalised.
    """
    normals = F.normalize(sdf_gradient, dim=-1)
    slant = (normals * directions.unsqueeze(-2)).sum(dim=-1).abs().clamp(_STEEPEST_SLANT, 1)
    return torch.where(on_road.unsqueeze(-1), heights_m, along_m * slant)


def depth_cross_entropy(
    depth_probs: Float[Tensor, "b *m d h w"],
    depths: Float[Tensor, "b *m h w"],
    valid: Bool[Tensor, "b *m h w"],
    first_bin_m: float,
    last_bin_m: float,
    weights: Float[Tensor, "b *m h w"] | None = None,
) -> Float[Tensor, ""]:
    """Mean of −Σ_d q_d ln p_d; q shares each measured depth between its two neighbouring bins.

    Depths beyond the bins' centres do not count. Explicit supervision of the lifting's depth as in
    BEVDepth (arXiv 2206.10092); MIM4D's released code has it with weight 0.

    Args:
        depth_probs: Sum to 1 over the bins.
        depths: Measured depth (z in the camera), metres.
        valid: Cells with a measurement.
        first_bin_m: Centre of the first bin, metres.
        last_bin_m: Centre of the last bin, metres.
        weights: How much each cell counts; None: all alike.
    """
    num_bins = depth_probs.shape[-3]
    position = (depths - first_bin_m) / (last_bin_m - first_bin_m) * (num_bins - 1)
    valid = valid & (position >= 0) & (position <= num_bins - 1)
    position = torch.where(valid, position, torch.zeros_like(position))
    lower = position.floor().long().clamp(max=num_bins - 2)
    share = position - lower
    log_probs = depth_probs.clamp(min=1e-8).log()
    near = log_probs.gather(-3, lower.unsqueeze(-3)).squeeze(-3)
    far = log_probs.gather(-3, lower.unsqueeze(-3) + 1).squeeze(-3)
    return masked_mean(-(1 - share) * near - share * far, valid, weights)


def inverse_depth_smoothness(
    inverse_depths: Float[Tensor, "b *m h w"],
    colours: Float[Tensor, "b *m 3 h w"],
    valid: Bool[Tensor, "b *m h w"],
) -> Float[Tensor, ""]:
    """Mean of |∂²δ| · exp(−|∂²I|), along rows and along columns; δ = inverse depth / its mean.

    Edge-aware smoothness as in Monodepth2 (arXiv 1806.01260), but of second order: the inverse
    depth of any plane is linear in the image, so that a road costs nothing, where the first order
    would flatten it. Colour edges count as ten times their size in [0, 1].

    Args:
        inverse_depths: 1 / z, 1/metre.
        colours: RGB in [0, 1] of the same cells.
        valid: Cells that are picture; a difference counts if all three of its cells are.
    """
    mean = torch.where(valid, inverse_depths, 0.0).sum(dim=(-1, -2), keepdim=True)
    mean = mean / valid.sum(dim=(-1, -2), keepdim=True).clamp(min=1)
    normalised = inverse_depths / mean.clamp(min=1e-6)
    terms = []
    for axis in (-1, -2):
        bend = normalised.diff(n=2, dim=axis).abs()
        edge = colours.diff(n=2, dim=axis).abs().mean(dim=-3)
        size = valid.shape[axis] - 2
        counts = torch.stack([valid.narrow(axis, i, size) for i in range(3)]).all(dim=0)
        terms.append(masked_mean(bend * (-10 * edge).exp(), counts))
    return (terms[0] + terms[1]) / 2
