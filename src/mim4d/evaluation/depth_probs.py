"""The lifting's depth distributions: what they say by themselves, and exact ones in their place.

A distribution over bins of depth (z in the camera) at every cell of a feature map, which covers the
padded image. What leaves of it are metres along the rays of the lattice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.camera import unproject
from mim4d.models.depth_head import DepthBins
from mim4d.models.video_encoder import VideoEncoder


def head_distances(
    depth_probs: Float[Tensor, "n d hf wf"],
    bins: DepthBins,
    clip: Clip,
    view: EvaluatedView,
) -> Float[Tensor, "n h w"]:
    """Median distance of the distribution at every ray.

    The distribution at a ray's pixel is interpolated between cells, as the lifting does it.

    Args:
        depth_probs: Of the view's frame; sum to 1 over the bins.
        bins: Of the distribution.
        clip: The clip (b = 1).
        view: The frame and the rays.
    """
    pixels = view.images(view.rays_and_pixels(clip)[1][0])  # n h w 2
    height, width = clip.images.shape[-2:]
    unit = pixels / pixels.new_tensor([width, height]) * 2 - 1
    at_rays = F.grid_sample(depth_probs, unit, padding_mode="border", align_corners=False)
    depths = median_depth(rearrange(at_rays, "n d h w -> n h w d"), bins.centres_m.to(at_rays))
    flat = rearrange(pixels, "n h w k -> n (h w) k")
    points = unproject(clip.intrinsics[0, view.frame], flat, depths.flatten(1))
    return points.norm(dim=-1).unflatten(1, view.lattice)


def median_depth(
    probs: Float[Tensor, "*b d"], centres_m: Float[Tensor, " d"]
) -> Float[Tensor, "*b"]:
    """The depth that half of a distribution lies below, even within each bin, metres.

    Bins meet halfway between their centres; the outermost reach as far outwards as inwards.
    """
    inner = (centres_m[1:] + centres_m[:-1]) / 2
    first, last = 2 * centres_m[:1] - inner[:1], 2 * centres_m[-1:] - inner[-1:]
    edges = torch.cat([first, inner, last])
    reached = probs.cumsum(dim=-1)
    half = reached[..., -1:] / 2
    index = (reached < half).sum(dim=-1, keepdim=True).clamp(max=len(centres_m) - 1)
    inside = probs.gather(-1, index)
    before = reached.gather(-1, index) - inside
    share = ((half - before) / inside.clamp(min=1e-12)).clamp(0, 1)
    return (edges[index] + share * (edges[index + 1] - edges[index])).squeeze(-1)


def exact_probs(
    depths_m: Float[Tensor, "n h w"], centres_m: Float[Tensor, " d"], cells_hw: tuple[int, int]
) -> Float[Tensor, "n d hf wf"]:
    """What a perfect depth head would say of every cell: its pixels, shared among the bins.

    Each pixel goes to the two bins between whose centres it lies. Pixels without a depth, and those
    beyond the bins, go to none: a cell sums to the share of its pixels that have one.

    Args:
        depths_m: Of every pixel of the padded image; 0 where there is none.
        centres_m: Depths of the bins' centres, ascending.
        cells_hw: Rows and columns of cells, which divide those of the image.
    """
    (hf, wf), bins = cells_hw, len(centres_m)
    cells = rearrange(depths_m, "n (hf p) (wf q) -> n hf wf (p q)", hf=hf, wf=wf)
    known = (cells >= centres_m[0]) & (cells <= centres_m[-1])
    lower = (torch.searchsorted(centres_m, cells.contiguous(), right=True) - 1).clamp(0, bins - 2)
    share = (cells - centres_m[lower]) / (centres_m[lower + 1] - centres_m[lower])
    weight = known.to(cells.dtype) / cells.shape[-1]
    probs = cells.new_zeros(*cells.shape[:-1], bins)
    probs.scatter_add_(-1, lower, weight * (1 - share))
    probs.scatter_add_(-1, lower + 1, weight * share)
    return rearrange(probs, "n hf wf d -> n d hf wf")


@contextmanager
def exact_depth_head(encoder: VideoEncoder, depths_m: Float[Tensor, "n h w"]) -> Iterator[None]:
    """While it lasts, the encoder lifts with exact depths instead of its head's.

    For pixels that have none, such as sky, the head's own distribution stands.

    Args:
        encoder: Asked about the frames of one clip (b = 1) that hold these images.
        depths_m: Of every pixel of its padded images, frame by frame and camera by camera; 0 where
            there is none.
    """

    def replace_probs(head: Any, inputs: Any, outputs: Any) -> Any:
        features, probs = outputs
        centres = encoder.depth_head.bins.centres_m.to(depths_m)
        mixed = []
        for own in probs:
            exact = exact_probs(depths_m, centres, (own.shape[-2], own.shape[-1])).to(own)
            mixed.append(exact + (1 - exact.sum(dim=1, keepdim=True)) * own)
        return features, mixed

    handle = encoder.depth_head.register_forward_hook(replace_probs)
    try:
        yield
    finally:
        handle.remove()
