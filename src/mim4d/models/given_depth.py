"""Depths that are known, in the place of the depth head's distributions.

What enters is the depth (z in the camera) of every pixel of the padded images, metres, 0 where it
is not known; what leaves are distributions over the head's bins at every cell of a feature map.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def exact_probs(
    depths_m: Float[Tensor, "m h w"], centres_m: Float[Tensor, " d"], cells_hw: tuple[int, int]
) -> Float[Tensor, "m d hf wf"]:
    """What a perfect depth head would say of every cell: its pixels, shared among the bins.

    Each pixel goes to the two bins between whose centres it lies. Pixels without a depth, and those
    beyond the bins, go to none: a cell sums to the share of its pixels that have one.

    Args:
        depths_m: Of every pixel of the padded image; 0 where there is none.
        centres_m: Depths of the bins' centres, ascending.
        cells_hw: Rows and columns of cells, which divide those of the image.
    """
    (hf, wf), bins = cells_hw, len(centres_m)
    cells = rearrange(depths_m, "m (hf p) (wf q) -> m hf wf (p q)", hf=hf, wf=wf)
    known = (cells >= centres_m[0]) & (cells <= centres_m[-1])
    lower = (torch.searchsorted(centres_m, cells.contiguous(), right=True) - 1).clamp(0, bins - 2)
    share = (cells - centres_m[lower]) / (centres_m[lower + 1] - centres_m[lower])
    weight = known.to(cells.dtype) / cells.shape[-1]
    probs = cells.new_zeros(*cells.shape[:-1], bins)
    probs.scatter_add_(-1, lower, weight * (1 - share))
    probs.scatter_add_(-1, lower + 1, weight * share)
    return rearrange(probs, "m hf wf d -> m d hf wf")


def with_given_depths(
    depth_probs: list[Float[Tensor, "m d _hf _wf"]],
    depths_m: Float[Tensor, "m h w"],
    centres_m: Float[Tensor, " d"],
) -> list[Float[Tensor, "m d _hf _wf"]]:
    """Distributions of known depths; for pixels that have none, such as sky, the head's own.

    Args:
        depth_probs: The head's, by level; each sums to 1 over the bins.
        depths_m: Of every pixel of the padded images; 0 where there is none.
        centres_m: Depths of the bins' centres, ascending.
    """
    mixed = []
    for own in depth_probs:
        exact = exact_probs(depths_m, centres_m, (own.shape[-2], own.shape[-1])).to(own)
        mixed.append(exact + (1 - exact.sum(dim=1, keepdim=True)) * own)
    return mixed
