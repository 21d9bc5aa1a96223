"""What the lifting's depth distributions say by themselves.

A distribution over bins of depth (z in the camera) at every cell of a feature map, which covers the
padded image. What leaves of it are metres along the rays of the lattice.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.view import EvaluatedView
from mim4d.geometry.camera import unproject
from mim4d.geometry.rigid import lengths
from mim4d.models.depth_head import DepthBins


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
    return lengths(points).unflatten(1, view.lattice)


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
