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

    Each is the mean over the clips of the batch of what the clip alone would give. `distance` and
    `predicted_distance` are mean absolute errors in metres. What is rebuilt is there only if
    frames were dropped.
    """
    num_clips = choices.visible.shape[0]
    direct = _terms(reconstruction.direct, choices.rays, choices.targets, weights, num_clips)
    loss, named = _weighted_sum(direct, weights), {}
    if reconstruction.predicted is not None:
        predicted = _terms(
            reconstruction.predicted,
            reconstruction.predicted_rays,
            reconstruction.predicted_targets,
            weights,
            num_clips,
        )
        loss = loss + weights.predicted * _weighted_sum(predicted, weights)
        named = {f"predicted_{name}": value for name, value in predicted.items()}
    if weights.depth > 0:
        named["depth"] = depth_cross_entropy(
            reconstruction.depth_probs,
            choices.cell_depths,
            choices.valid_cells,
            bins.first_m,
            bins.last_m,
        )
        loss = loss + weights.depth * named["depth"]
    return {"loss": loss, **direct, **named}


def _terms(
    rendering: Rendering, rays: Rays, targets: RayTargets, weights: LossWeights, num_clips: int
) -> dict[str, Tensor]:
    """Terms of renderings whose leading axis joins the clips and their frames."""

    def by_clip(values: Tensor) -> Tensor:
        return values.unflatten(0, (num_clips, -1))

    valid = by_clip(rays.valid)
    measured = valid & by_clip(targets.valid_distances)
    distances, measured_at = by_clip(rendering.distances), by_clip(targets.distances)
    terms = {
        "colour": colour_l1(by_clip(rendering.colours), by_clip(targets.colours), valid),
        "distance": distance_l1(distances, measured_at, measured),
        "relative_distance": distance_relative(distances, measured_at, measured),
    }
    if weights.eikonal > 0:
        terms["eikonal"] = eikonal(by_clip(rendering.sdf_gradient), valid)
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
