"""Which drawn line learns which true one, and the losses: MapTRv2's, with its weights.

A drawn line may draw a true one in any order of its points that looks the same; the nearest order
counts. Points are in `share` coordinates. All losses of a clip are divided by its number of true
lines and are means over clips.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from mim4d.tasks.focal import focal_cost, focal_loss

_POSITIVE_WEIGHT = 4.0
"""Of cells on lines, which are few, in the cross-entropy of cells."""


@dataclass(frozen=True)
class LineWeights:
    """Weights of the losses, which are those of the costs of a match as well."""

    classes: float
    points: float
    direction: float


@dataclass(frozen=True)
class Matches:
    """Pairs of a clip: drawn line, true line, and the order of the true line's points."""

    drawn: Int64[Tensor, " k"]
    true: Int64[Tensor, " k"]
    order: Int64[Tensor, " k"]


@torch.no_grad()
def match(
    logits: Float[Tensor, "q l"],
    points: Float[Tensor, "q m 2"],
    classes: Int64[Tensor, " k"],
    orders: Float[Tensor, "k o m 2"],
    weights: LineWeights,
) -> Matches:
    """One drawn line for each true one, such that the sum of costs is least."""
    if len(classes) == 0:
        none = classes.new_zeros(0)
        return Matches(none, none, none)
    away = torch.cdist(points.flatten(1), orders.flatten(0, 1).flatten(1), p=1)
    least, order = away.unflatten(1, orders.shape[:2]).min(dim=-1)
    cost = weights.points * least + weights.classes * focal_cost(logits)[:, classes]
    # What is not finite is refused after the step, with its batch; it must not fail here.
    rows, columns = linear_sum_assignment(cost.nan_to_num(nan=1e6).cpu().numpy())
    drawn = torch.as_tensor(rows, device=classes.device)
    true = torch.as_tensor(columns, device=classes.device)
    return Matches(drawn, true, order[drawn, true])


def line_losses(
    logits: Float[Tensor, "q l"],
    points: Float[Tensor, "q m 2"],
    classes: Int64[Tensor, " k"],
    orders: Float[Tensor, "k o m 2"],
    weights: LineWeights,
) -> dict[str, Tensor]:
    """Weighted losses of one layer of one clip: `classes`, `points`, `direction`."""
    pairs = match(logits, points, classes, orders, weights)
    wanted = torch.zeros_like(logits)
    wanted[pairs.drawn, classes[pairs.true]] = 1.0
    drawn, true = points[pairs.drawn], orders[pairs.true, pairs.order]
    count = max(1, len(classes))
    pieces, true_pieces = drawn.diff(dim=1), true.diff(dim=1)
    turned = 1 - F.cosine_similarity(pieces, true_pieces, dim=-1)
    return {
        "classes": weights.classes * focal_loss(logits, wanted).sum() / count,
        "points": weights.points * (drawn - true).abs().sum() / count,
        "direction": weights.direction * turned.sum() / count,
    }


def cell_loss(logits: Float[Tensor, "b l y x"], on_lines: Tensor) -> Tensor:
    """Cross-entropy of the auxiliary cells, those on lines weighed up."""
    weight = logits.new_tensor(_POSITIVE_WEIGHT)
    return F.binary_cross_entropy_with_logits(logits, on_lines.float(), pos_weight=weight)
