"""The losses of one step, named and weighted.

Both renderings, the direct volumes' and the rebuilt frame's, answer to the same cameras and LiDAR
(MIM4D, arXiv 2403.08760: colour and depth losses weigh equally; ours are in metres).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mim4d.models.depth_head import DepthBins
from mim4d.pretraining.losses import (
    colour_l1,
    depth_cross_entropy,
    distance_l1,
    distance_relative,
    eikonal,
)
from mim4d.pretraining.model import Reconstruction, StepChoices
from mim4d.rendering.rays import Rays, RayTargets
from mim4d.rendering.renderer import Rendering


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; see `LossConfig`."""

    colour: float
    distance: float
    relative_distance: float
    eikonal: float
    predicted: float
    depth: float


def pretraining_losses(
    reconstruction: Reconstruction, choices: StepChoices, weights: LossWeights, bins: DepthBins
) -> dict[str, Tensor]:
    """Every term unweighted, by name, and their weighted sum as `loss`.

    `distance` and `predicted_distance` are mean absolute errors in metres.
    """
    direct = _terms(reconstruction.direct, choices.rays, choices.targets, weights)
    loss, named = _weighted_sum(direct, weights), {}
    if reconstruction.predicted is not None:
        predicted = _terms(
            reconstruction.predicted,
            reconstruction.predicted_rays,
            reconstruction.predicted_targets,
            weights,
        )
        loss = loss + weights.predicted * _weighted_sum(predicted, weights)
        named = {f"predicted_{name}": value for name, value in predicted.items()}
    if weights.depth > 0:
        named["depth"] = depth_cross_entropy(
            reconstruction.depth_probs.flatten(0, 2),
            choices.cell_depths.flatten(0, 2),
            choices.valid_cells.flatten(0, 2),
            bins.first_m,
            bins.last_m,
        )
        loss = loss + weights.depth * named["depth"]
    return {"loss": loss, **direct, **named}


def _terms(
    rendering: Rendering, rays: Rays, targets: RayTargets, weights: LossWeights
) -> dict[str, Tensor]:
    measured = rays.valid & targets.valid_distances
    terms = {
        "colour": colour_l1(rendering.colours, targets.colours, rays.valid),
        "distance": distance_l1(rendering.distances, targets.distances, measured),
        "relative_distance": distance_relative(rendering.distances, targets.distances, measured),
    }
    if weights.eikonal > 0:
        terms["eikonal"] = eikonal(rendering.sdf_gradient, rays.valid)
    return terms


def _weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    factors = {
        "colour": weights.colour,
        "distance": weights.distance,
        "relative_distance": weights.relative_distance,
        "eikonal": weights.eikonal,
    }
    weighted = [factors[name] * term for name, term in terms.items()]
    return torch.stack(weighted).sum()
