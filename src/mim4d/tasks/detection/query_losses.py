"""Losses of query heads: matching, focal, L1 on codes, overlap; and what denoising adds.

Each layer is matched and judged by itself. Sums over the boxes of a step are divided by their
number, as published: a clip with more boxes weighs more.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from mim4d.geometry.footprints import footprint_corners
from mim4d.tasks.detection.box_code import decode_boxes
from mim4d.tasks.detection.query_decoder import QueryOutput
from mim4d.tasks.focal import focal_cost, focal_loss
from mim4d.tasks.task import StepShare

_HUGE_M = 1e6
_MATCHED_TERMS = 8
"""Velocities do not decide who is matched with whom."""


@dataclass(frozen=True)
class QueryWeights:
    """Weights of the losses.

    Attributes:
        classes: Of the focal loss, and of its cost in matching.
        boxes: Of the L1 of codes, and of its cost.
        overlap: Of the L1 of 2·IoU − 1.
        code: Of each number of a code.
        code_in_matching: Whether these weigh the cost as well.
    """

    classes: float = 2.0
    boxes: float = 0.25
    overlap: float = 0.5
    code: tuple[float, ...] = (1.0,) * 8 + (0.2, 0.2)
    code_in_matching: bool = False


@dataclass(frozen=True)
class CodedBoxes:
    """True boxes of one clip.

    Attributes:
        classes: Of the ten.
        code: In the grid's axes; NaN where a velocity is not known.
    """

    classes: Int[Tensor, " k"]
    code: Float[Tensor, "k 10"]


@dataclass(frozen=True)
class Pairs:
    """Queries and what is true of them: those that are paired, over the clips of a batch.

    Attributes:
        clips: Number of each pair's clip.
        queries: Of each pair.
        classes: True class; the number of classes for none.
        code: True box.
    """

    clips: Int[Tensor, " p"]
    queries: Int[Tensor, " p"]
    classes: Int[Tensor, " p"]
    code: Float[Tensor, "p 10"]


@dataclass(frozen=True)
class Summed:
    """A loss before it is divided.

    Attributes:
        total: Its weighted sum over a batch.
        count: What it will be divided by, of this batch.
    """

    total: Float[Tensor, ""]
    count: Float[Tensor, ""]


def divided(sums: dict[str, Summed], share: StepShare) -> dict[str, Tensor]:
    """Each sum by its count in the whole step, of which the batch is a share."""
    counts = share.divisors(torch.stack([each.count for each in sums.values()]))
    return {name: sums[name].total / count for name, count in zip(sums, counts, strict=True)}


def match_queries(
    logits: Float[Tensor, "b q c"],
    code: Float[Tensor, "b q 10"],
    truth: list[CodedBoxes],
    weights: QueryWeights,
) -> Pairs:
    """The pairs of least cost, one query for each true box, clip by clip."""
    rows = []
    of_code = code.new_tensor(weights.code if weights.code_in_matching else (1.0,) * 10)
    for b, boxes in enumerate(truth):
        cost = weights.classes * focal_cost(logits[b].detach())[:, boxes.classes]
        ours, theirs = (
            (each * of_code)[:, :_MATCHED_TERMS] for each in (code[b].detach(), boxes.code)
        )
        cost = cost + weights.boxes * torch.cdist(ours, theirs, p=1)
        # What is not finite is refused after the step, with its batch; it must not fail here.
        query, box = linear_sum_assignment(np.nan_to_num(cost.cpu().double().numpy(), nan=1e6))
        query, box = (torch.from_numpy(each).to(logits.device) for each in (query, box))
        rows.append((torch.full_like(query, b), query, boxes.classes[box], boxes.code[box]))
    return Pairs(*(torch.cat(column) for column in zip(*rows, strict=True)))


def _focal_sum(logits: Float[Tensor, "*q c"], classes: Int[Tensor, "*q"]) -> Float[Tensor, ""]:
    """Focal loss summed; a class beyond the last one is none."""
    wanted = F.one_hot(classes, logits.shape[-1] + 1)[..., :-1]
    return focal_loss(logits, wanted.to(logits)).sum()


def matched_sums(
    found: QueryOutput, truth: list[CodedBoxes], weights: QueryWeights
) -> dict[str, Summed]:
    """Losses of all layers, by name: `class`, `box`, `overlap`, and `layer0.class` ... before."""
    sums: dict[str, Summed] = {}
    last = len(found.logits) - 1
    for index, (logits, code) in enumerate(zip(found.logits, found.code, strict=True)):
        pairs = match_queries(logits, code, truth, weights)
        classes = torch.full(logits.shape[:2], logits.shape[2], device=logits.device)
        classes[pairs.clips, pairs.queries] = pairs.classes
        prefix = "" if index == last else f"layer{index}."
        total = weights.classes * _focal_sum(logits, classes)
        sums[f"{prefix}class"] = Summed(total, total.new_tensor(len(pairs.clips)))
        overlap = None if found.overlap is None else found.overlap[index]
        sums |= _box_sums(code, overlap, pairs, weights, prefix)
    return sums


def noisy_sums(found: QueryOutput, pairs: Pairs, weights: QueryWeights) -> dict[str, Summed]:
    """The same of queries at noisy true boxes, which know their box; names begin with `noisy_`."""
    sums: dict[str, Summed] = {}
    last = len(found.logits) - 1
    # The share of a cube that lies within the ball of those that count as their box.
    inside = math.pi / 6 * NOISE_LIMIT**3
    for index, (logits, code) in enumerate(zip(found.logits, found.code, strict=True)):
        prefix = f"{'' if index == last else f'layer{index}.'}noisy_"
        total = weights.classes * _focal_sum(logits[pairs.clips, pairs.queries], pairs.classes)
        sums[f"{prefix}class"] = Summed(total, total.new_tensor(len(pairs.clips) * inside))
        overlap = None if found.overlap is None else found.overlap[index]
        sums |= _box_sums(code, overlap, pairs, weights, prefix)
    return sums


NOISE_LIMIT = 0.75
"""Further from its box than this share of half its size, a noisy query is no box any more."""


def _box_sums(
    code: Float[Tensor, "b q 10"],
    overlap: Float[Tensor, "b q"] | None,
    pairs: Pairs,
    weights: QueryWeights,
    prefix: str,
) -> dict[str, Summed]:
    ours = code[pairs.clips, pairs.queries]
    known = pairs.code.isfinite()
    off = (ours - pairs.code.where(known, ours.detach())).abs() * code.new_tensor(weights.code)
    count = off.new_tensor(len(pairs.clips))
    sums = {f"{prefix}box": Summed(weights.boxes * off.sum(), count)}
    if overlap is not None:
        iou = paired_iou(decode_boxes(ours.detach()), decode_boxes(pairs.code))
        meet = iou > 0
        away = (overlap[pairs.clips, pairs.queries] - (2 * iou - 1)).abs() * meet
        sums[f"{prefix}overlap"] = Summed(weights.overlap * away.sum(), meet.sum().to(away))
    return sums


def paired_iou(a: Float[Tensor, "p 9"], b: Float[Tensor, "p 9"]) -> Float[Tensor, " p"]:
    """Volume of what two boxes share over that of both together, pair by pair; no gradient."""
    shared = torch.from_numpy(_shared_area(a, b)).to(a)
    top = torch.minimum(a[:, 2] + a[:, 5] / 2, b[:, 2] + b[:, 5] / 2)
    bottom = torch.maximum(a[:, 2] - a[:, 5] / 2, b[:, 2] - b[:, 5] / 2)
    common = shared * (top - bottom).clamp(min=0)
    volumes = a[:, 3:6].prod(dim=1) + b[:, 3:6].prod(dim=1)
    return common / (volumes - common).clamp(min=1e-9)


def _shared_area(a: Tensor, b: Tensor) -> np.ndarray:
    first, second = (
        shapely.polygons(footprint_corners(_drawable(boxes)).numpy()) for boxes in (a, b)
    )
    area: np.ndarray = shapely.area(shapely.intersection(first, second))
    return area


def _drawable(boxes: Tensor) -> Tensor:
    """Boxes as polygons may be made of them: what is not finite is refused after the step."""
    return boxes.detach().cpu().double().nan_to_num(0.0, _HUGE_M, -_HUGE_M)
