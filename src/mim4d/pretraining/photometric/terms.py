"""The photometric terms of one step: the cameras' own evidence for what the rays measure.

Enters: the batch and the rays of the step. Leaves: for each ray the places it is compared at, and
the terms of a rendering (at its rendered distance; along the ray through the plane sweep) and of
the depth distributions. `i` counts images (clips × frames × cameras), `q` the rays of one camera.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.rigid import apply_linear, lengths
from mim4d.models.depth_head import DepthBins
from mim4d.pretraining.losses import distance_relative, inverse_depth_smoothness, masked_mean
from mim4d.pretraining.photometric.patch_cost import (
    Partners,
    Patch,
    Views,
    patch_costs,
    static_costs,
)
from mim4d.pretraining.photometric.plane_sweep import (
    PlaneSweep,
    cell_probs,
    explained,
    likely_distance,
    log_depths,
    plane_sweep_costs,
)
from mim4d.pretraining.photometric.views import choose_partners, clip_views
from mim4d.rendering.rays import RayTargets
from mim4d.rendering.renderer import Rendering
from mim4d.tensors.records import take


@dataclass(frozen=True)
class PhotometricOptions:
    """How images are compared; see `PhotometricConfig`."""

    partners: int
    downscale: int
    patch: Patch
    depths: int
    temperature: float


@dataclass(frozen=True)
class RayEvidence:
    """The rays of some images, and what other images say about them.

    Attributes:
        views: All images of the batch, at the scale they are compared at.
        partners: The rays' images and what each is compared with.
        pixels: Where the rays go through, in pixels of the views.
        depth_per_m: Depth (z) of a point one metre along each ray.
        options: How images are compared.
        static_costs: See `photometric.static_costs`.
        plane_sweep: Cost of every depth; None if no term reads it.
    """

    views: Views
    partners: Partners
    pixels: Float[Tensor, "i q 2"]
    depth_per_m: Float[Tensor, "i q"]
    options: PhotometricOptions
    static_costs: Float[Tensor, "i q"]
    plane_sweep: PlaneSweep | None

    def take(self, images: Int[Tensor, " j"]) -> "RayEvidence":
        """The rays of only some images."""
        return take(self, images, shared=("views", "depths"))


def images_of_frames(clip: Clip, frames: Int[Tensor, "b k"]) -> Int[Tensor, " j"]:
    """Where the images of some frames of each clip stand among all images; (b k n) joined."""
    b, t, n = clip.images.shape[:3]
    index = torch.arange(b * t * n, device=frames.device).view(b, t, n)
    return index[torch.arange(b, device=frames.device)[:, None], frames].flatten()


@torch.no_grad()
def gather_evidence(
    clip: Clip,
    targets: RayTargets,
    options: PhotometricOptions,
    bins: DepthBins,
    sweep_planes: bool,
) -> RayEvidence:
    """Look up the pixels of all rays in the other images of their clips.

    Args:
        clip: The batch.
        targets: Of all frames; rays are ordered by camera, as many for each.
        options: How images are compared.
        bins: The plane sweep covers their range.
        sweep_planes: Whether to make the plane sweep.

    Raises:
        ValueError: If clips are single images.
    """
    if clip.num_frames * clip.num_cameras == 1:
        raise ValueError(
            "photometric losses compare images, and these clips have one image each; raise "
            "clip.frames, take more clip.cameras, or set loss.photometric_weight, "
            "loss.sweep_weight, loss.sweep_distance_weight and loss.depth_sweep_weight to 0"
        )
    views = clip_views(clip, options.downscale)
    partners = choose_partners(views, clip, options.partners)
    pixels = rearrange(targets.pixels, "f (n q) k -> (f n) q k", n=clip.num_cameras)
    pixels = pixels / options.downscale
    homogeneous = F.pad(pixels, (0, 1), value=1.0)
    directions = apply_linear(torch.linalg.inv(views.intrinsics), homogeneous)
    static = static_costs(views, partners, pixels, options.patch)
    plane_sweep = None
    if sweep_planes:
        depths = log_depths(bins.first_m, bins.last_m, options.depths).to(pixels)
        plane_sweep = plane_sweep_costs(views, partners, pixels, depths, options.patch, static)
    return RayEvidence(
        views, partners, pixels, 1 / lengths(directions), options, static, plane_sweep
    )


def rendered_cost(rendering: Rendering, evidence: RayEvidence, num_clips: int) -> Float[Tensor, ""]:
    """Mean photometric cost at the rendered distances.

    A ray counts if some partner sees its patch there, and better than without any motion.
    """
    shape = evidence.depth_per_m.shape
    depths = rendering.distances.reshape(shape) * evidence.depth_per_m
    costs, valid = patch_costs(
        evidence.views,
        evidence.partners,
        evidence.pixels,
        depths.unsqueeze(-1),
        evidence.options.patch,
    )
    costs, valid = costs.squeeze(-1), valid.squeeze(-1) & rendering.valid.reshape(shape)
    valid = valid & (costs.detach() < evidence.static_costs)
    return masked_mean(_by_clip(costs, num_clips), _by_clip(valid, num_clips))


def plane_sweep_ray_terms(
    rendering: Rendering, far: Float[Tensor, "f r"], evidence: RayEvidence, num_clips: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How badly the weights along the rays explain the plane sweep, and their distance's error.

    The error is relative to where weights and plane sweep together put the surface. What is not
    stopped ends at `far`.
    """
    plane_sweep = evidence.plane_sweep
    assert plane_sweep is not None, "evidence was gathered without a plane sweep"
    shape, temperature = evidence.depth_per_m.shape, evidence.options.temperature
    left = 1 - rendering.weights.sum(dim=-1, keepdim=True)
    probs = torch.cat([rendering.weights, left], dim=-1).reshape(*shape, -1)
    distances = torch.cat([rendering.sample_distances, far.unsqueeze(-1)], dim=-1)
    distances = distances.reshape(*shape, -1)
    costs = plane_sweep.costs_at(distances * evidence.depth_per_m.unsqueeze(-1))
    valid = _by_clip(plane_sweep.counts & rendering.valid.reshape(shape), num_clips)
    cost = explained(_by_clip(probs, num_clips), _by_clip(costs, num_clips), valid, temperature)
    likely = likely_distance(probs, costs, distances, temperature)
    rendered = rendering.distances.reshape(shape)
    error = distance_relative(_by_clip(rendered, num_clips), _by_clip(likely, num_clips), valid)
    return cost, error


def plane_sweep_cell_cost(
    depth_probs: Float[Tensor, "b t n d hf wf"], evidence: RayEvidence, bins: DepthBins
) -> Float[Tensor, ""]:
    """How badly the depth distributions of the rays' cells explain the plane sweep."""
    plane_sweep, num_clips = evidence.plane_sweep, depth_probs.shape[0]
    assert plane_sweep is not None, "evidence was gathered without a plane sweep"
    image_hw = (evidence.views.rgba.shape[-2], evidence.views.rgba.shape[-1])
    probs = cell_probs(depth_probs.flatten(0, 2), evidence.pixels, image_hw)
    centres = bins.centres_m.to(probs).expand(*probs.shape[:2], -1)
    return explained(
        _by_clip(probs, num_clips),
        _by_clip(plane_sweep.costs_at(centres), num_clips),
        _by_clip(plane_sweep.counts, num_clips),
        evidence.options.temperature,
    )


def cell_smoothness(
    depth_probs: Float[Tensor, "b t n d hf wf"], views: Views, bins: DepthBins
) -> Float[Tensor, ""]:
    """Edge-aware smoothness of the inverse depth that the depth distributions expect."""
    b, t, n, _, hf, wf = depth_probs.shape
    inverse = 1 / bins.centres_m.to(depth_probs)
    expected = torch.einsum("btndhw,d->btnhw", depth_probs, inverse)
    cells = F.adaptive_avg_pool2d(views.rgba, (hf, wf)).unflatten(0, (b, t, n))
    return inverse_depth_smoothness(expected, cells[..., :3, :, :], cells[..., 3, :, :] > 0.999)


def _by_clip(values: Tensor, num_clips: int) -> Tensor:
    return values.unflatten(0, (num_clips, -1))
