"""Focal losses: what is said with certainty, and rightly, hardly counts any more.

Logits and what is true of them enter; losses of each entry leave, to be summed and divided by
whoever knows by what.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

_ALPHA, _GAMMA = 0.25, 2.0
_FOUND, _ELSEWHERE = 2, 4
"""Exponents of the focal loss of heat maps (CenterNet, arXiv 1904.07850)."""


def focal_loss(logits: Float[Tensor, "*q c"], wanted: Float[Tensor, "*q c"]) -> Tensor:
    """Sigmoid focal loss of each entry (arXiv 1708.02002): −α (1 − p)^γ log p of what is true."""
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    missed = probability * (1 - wanted) + (1 - probability) * wanted
    return entropy * missed**_GAMMA * (_ALPHA * wanted + (1 - _ALPHA) * (1 - wanted))


def focal_cost(logits: Float[Tensor, "q c"]) -> Float[Tensor, "q c"]:
    """What calling a query of a class costs in matching, against leaving it at none."""
    ones = torch.ones_like(logits)
    return focal_loss(logits, ones) - focal_loss(logits, 0 * ones)


def heat_map_focal(
    logits: Float[Tensor, "*c y x"], heat: Float[Tensor, "*c y x"], counted: Bool[Tensor, "*c y x"]
) -> Float[Tensor, "*c y x"]:
    """Focal loss of heat maps: −(1 − p)² log p at peaks, −(1 − heat)⁴ p² log(1 − p) elsewhere.

    Args:
        logits: Of what is said.
        heat: What is true, 1 at peaks and only there.
        counted: Cells that count.
    """
    p = logits.sigmoid()
    found = (1 - p) ** _FOUND * F.logsigmoid(logits)
    elsewhere = (1 - heat) ** _ELSEWHERE * p**_FOUND * F.logsigmoid(-logits)
    return -torch.where(heat == 1, found, elsewhere) * counted
