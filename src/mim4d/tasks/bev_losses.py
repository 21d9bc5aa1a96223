"""Losses of layers seen from above: means over the clips of a batch, without ignored cells."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from mim4d.tasks.focal import heat_map_focal

_OVER_CELLS = (-2, -1)


def layer_losses(
    logits: Float[Tensor, "b l y x"],
    occupied: Bool[Tensor, "b l y x"],
    counted: Bool[Tensor, "b l y x"],
    loss: Literal["focal", "bce"],
    positive_weights: Sequence[float],
    gamma: float = 0.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy (or focal) and dice, means over clips and layers.

    Of one clip and layer, over the cells that count: the mean of −w·(1 − q)^γ·log q, with q the
    probability given to what is true, w the layer's weight where it is, else 1, and γ = 0
    for `bce`; and 1 − (2 Σ p·t + 1) / (Σ p + Σ t + 1) with probabilities p and truth t.
    """
    truth, weight = occupied.to(logits.dtype), counted.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    if loss == "focal":
        entropy = (1 - torch.exp(-entropy)) ** gamma * entropy
    positive = logits.new_tensor(positive_weights).view(-1, 1, 1)
    entropy = entropy * torch.where(occupied, positive, 1.0) * weight
    cells = weight.sum(_OVER_CELLS).clamp(min=1)
    probability = logits.sigmoid() * weight
    common = 2 * (probability * truth).sum(_OVER_CELLS) + 1
    both = probability.sum(_OVER_CELLS) + (truth * weight).sum(_OVER_CELLS) + 1
    return (entropy.sum(_OVER_CELLS) / cells).mean(), (1 - common / both).mean()


def centre_loss(
    logits: Float[Tensor, "b o y x"],
    heat: Float[Tensor, "b o y x"],
    counted: Bool[Tensor, "b o y x"],
) -> Float[Tensor, ""]:
    """Focal loss of a heat-map: of each clip the sum over cells, divided by its centres."""
    centres = ((heat == 1) & counted).sum(_OVER_CELLS).clamp(min=1)
    return (heat_map_focal(logits, heat, counted).sum(_OVER_CELLS) / centres).mean()


def offset_loss(
    offsets: Float[Tensor, "b o 2 y x"],
    truth: Float[Tensor, "b o 2 y x"],
    counted: Bool[Tensor, "b o y x"],
) -> Float[Tensor, ""]:
    """Mean absolute error over the cells of objects, in cells; of a clip without any 0."""
    error = (offsets - truth).abs().mean(dim=2) * counted
    return (error.sum(_OVER_CELLS) / counted.sum(_OVER_CELLS).clamp(min=1)).mean()
