"""Queries at noisy true boxes: they know where to look and must say what was there.

Every true box of a clip is copied into each group. Groups are padded to the fullest clip and stand
before the other queries, which may not look at them; nor may one group look at another.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.tasks.detection.box_code import CENTRE
from mim4d.tasks.detection.query_head import NoisyQueries
from mim4d.tasks.detection.query_losses import NOISE_LIMIT, CodedBoxes, Pairs

_SIZES = (2, 3, 5)
"""Where the logarithms of width, length and height stand in a code."""


@dataclass(frozen=True)
class Denoising:
    """Noisy queries of a batch, and which box each of them is.

    Attributes:
        queries: As the head takes them.
        pairs: Each copy's query and its box; its class is none where the noise is too large.
    """

    queries: NoisyQueries
    pairs: Pairs


def num_groups(truth: list[CodedBoxes], num_queries: int, most: int) -> int:
    """Groups of copies: fewer where a clip has many boxes; 0 without any box."""
    longest = max(len(boxes.classes) for boxes in truth)
    return min(most, num_queries // longest) if longest else 0


def denoise(
    truth: list[CodedBoxes],
    groups: int,
    noise: Float[Tensor, "m 3"],
    *,
    num_queries: int,
    num_classes: int,
    lower_m: Float[Tensor, " 3"],
    span_m: Float[Tensor, " 3"],
) -> Denoising:
    """Noisy queries.

    Args:
        truth: Boxes of each clip; at least one in all.
        groups: How many copies of each.
        noise: Uniform in [−1, 1], of every copy: group by group, and clip by clip in each.
        num_queries: Queries that follow these.
        num_classes: Classes; this number stands for none.
        lower_m: Lower bounds of the grid.
        span_m: Its lengths.
    """
    longest = max(len(boxes.classes) for boxes in truth)
    device = noise.device
    clip = torch.cat([torch.full((len(t.classes),), b) for b, t in enumerate(truth)]).to(device)
    place = torch.cat([torch.arange(len(t.classes)) for t in truth]).to(device)
    offset = (torch.arange(groups, device=device) * longest).repeat_interleave(len(place))
    clips, queries = clip.repeat(groups), place.repeat(groups) + offset
    code = torch.cat([boxes.code for boxes in truth]).repeat(groups, 1)
    classes = torch.cat([boxes.classes for boxes in truth]).repeat(groups)
    classes = classes.masked_fill(noise.norm(dim=1) > NOISE_LIMIT, num_classes)
    centre = code[:, CENTRE] + noise * code[:, _SIZES].exp() / 2
    reference = torch.zeros(len(truth), groups * longest, 3, device=device)
    reference[clips, queries] = ((centre - lower_m) / span_m).clamp(0, 1)
    hidden = hidden_from(groups, longest, num_queries).to(device)
    return Denoising(NoisyQueries(reference, hidden), Pairs(clips, queries, classes, code))


def hidden_from(groups: int, longest: int, num_queries: int) -> Bool[Tensor, "q q"]:
    """Which query may not look at which: none at a foreign group."""
    group = torch.arange(groups).repeat_interleave(longest)
    group = torch.cat([group, torch.full((num_queries,), -1)])
    return (group[None, :] >= 0) & (group[None, :] != group[:, None])
