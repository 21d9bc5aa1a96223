"""Does a depth explain what the other cameras and frames saw?

A small patch of pixels is placed at a hypothetical depth, facing its camera, and looked up in other
images of the clip, each with its own pose and time; if the depth is right and nothing moved, the
colours agree. Enters: images in [0, 1], pixels (first pixel's corner (0, 0)) and depths (z in the
camera, metres). Leaves: a cost in [0, 1], 0.85 · (1 − SSIM) / 2 + 0.15 · L1, the least over the
partners, with a mask of what could be compared. Monodepth2, arXiv 1806.01260; a patch on a plane
around each pixel as in NeuralWarp, arXiv 2112.09648, so that a ray needs no neighbours.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.geometry.rigid import apply_linear, compose, invert_rigid

SSIM_SHARE = 0.85
_MIN_DEPTH_M = 0.1
_FULLY = 0.999


@dataclass(frozen=True)
class Views:
    """Images of a batch, `m` = clips × frames × cameras, with what is needed to look into them.

    Attributes:
        rgba: RGB in [0, 1], without mask; the last channel is 1 on usable pixels and 0 elsewhere
            (padding, the car itself, an image that does not exist).
        intrinsics: Pixels.
        ref_from_camera: Pose of each image at its own exposure, in its clip's `ref`.
    """

    rgba: Float[Tensor, "m 4 h w"]
    intrinsics: Float[Tensor, "m 3 3"]
    ref_from_camera: Float[Tensor, "m 4 4"]


@dataclass(frozen=True)
class Partners:
    """Which images some images are compared with.

    Attributes:
        image: The images (of the `m` views) that are compared.
        index: Image (of the `m`) that each partner is.
        exists: Partners that are worth a look; the others have no meaning.
        same_camera: Partners of the same camera at another time.
    """

    image: Int[Tensor, " i"]
    index: Int[Tensor, "i k"]
    exists: Bool[Tensor, "i k"]
    same_camera: Bool[Tensor, "i k"]


@dataclass(frozen=True)
class Patch:
    """Square patch of pixels around a middle one.

    Attributes:
        side: Pixels along a side, odd.
        step_px: Distance between them.
    """

    side: int
    step_px: float

    def around(self, pixels: Float[Tensor, "i q 2"]) -> Float[Tensor, "i q p 2"]:
        """(u, v) of the patch's pixels around each given one."""
        along = (torch.arange(self.side, device=pixels.device) - self.side // 2) * self.step_px
        v, u = torch.meshgrid(along, along, indexing="ij")
        return pixels.unsqueeze(-2) + torch.stack([u, v], dim=-1).flatten(0, 1)


def patch_costs(
    views: Views,
    partners: Partners,
    pixels: Float[Tensor, "i q 2"],
    depths: Float[Tensor, "i q d"],
    patch: Patch,
) -> tuple[Float[Tensor, "i q d"], Bool[Tensor, "i q d"]]:
    """Least cost over the partners of patches at hypothetical depths.

    Differentiable in `depths` through the lookup in the partners (and local, therefore).

    Args:
        views: All images of the batch.
        partners: The `i` images that the pixels lie in, and what each is compared with.
        pixels: Middle of each patch.
        depths: Hypotheses (z in the camera), metres.
        patch: Size of the patches.

    Returns:
        Costs (1 where nothing can be compared), and whether any partner sees the whole patch.
    """
    around = patch.around(pixels)
    target, on_picture = _look_up(views.rgba[partners.image], around)
    u, v, in_front = reproject(views, partners, around, depths)
    k, d = u.shape[1], u.shape[3]
    height, width = views.rgba.shape[-2:]
    grid = torch.stack([u * (2 / width) - 1, v * (2 / height) - 1], dim=-1)
    seen = F.grid_sample(
        views.rgba[partners.index].flatten(0, 1),
        grid.flatten(0, 1).flatten(1, 2),
        align_corners=False,
    )
    seen = rearrange(seen, "(i k) c (q d) p -> i k c q d p", k=k, d=d)
    cost = photometric_cost(seen[:, :, :3], target[:, None, :, :, None], channel_axis=2)
    valid = (seen[:, :, 3].detach().amin(dim=-1) > _FULLY) & in_front
    valid = valid & on_picture[:, None, :, None] & partners.exists[:, :, None, None]
    return torch.where(valid, cost, 1.0).amin(dim=1), valid.any(dim=1)


def static_costs(
    views: Views, partners: Partners, pixels: Float[Tensor, "i q 2"], patch: Patch
) -> Float[Tensor, "i q"]:
    """Least cost of the same pixels in the same camera's other frames, without warping.

    What moves with the camera, or stands before a standing one, agrees without any depth:
    Monodepth2 counts a pixel only if warping explains it better. 1 where there is no such partner.
    """
    around = patch.around(pixels)
    target, on_picture = _look_up(views.rgba[partners.image], around)
    costs = []
    for partner, counts in zip(
        partners.index.unbind(1), (partners.exists & partners.same_camera).unbind(1), strict=True
    ):
        seen, valid = _look_up(views.rgba[partner], around)
        cost = photometric_cost(seen, target, channel_axis=1)
        costs.append(torch.where(valid & on_picture & counts.unsqueeze(1), cost, 1.0))
    return torch.stack(costs).amin(dim=0)


def photometric_cost(
    a: Float[Tensor, "..."], b: Float[Tensor, "..."], channel_axis: int
) -> Float[Tensor, "..."]:
    """0.85 · (1 − SSIM) / 2 + 0.15 · L1 of patches of colours in [0, 1].

    Patches lie along the last axis; the mean over `channel_axis` is returned, in [0, 1].
    """
    l1 = (a - b).abs().mean(dim=-1)
    return (SSIM_SHARE * ssim_loss(a, b) + (1 - SSIM_SHARE) * l1).mean(dim=channel_axis)


def ssim_loss(a: Float[Tensor, "*#b p"], b: Float[Tensor, "*#b p"]) -> Float[Tensor, "*b"]:
    """(1 − SSIM) / 2 of two patches with values in [0, 1]: 0 for equal ones, at most 1.

    SSIM of Wang et al. 2004 with uniform weights over the patch and constants 0.01² and 0.03².
    """
    mean_a, mean_b = a.mean(dim=-1), b.mean(dim=-1)
    variance_a = a.square().mean(dim=-1) - mean_a.square()
    variance_b = b.square().mean(dim=-1) - mean_b.square()
    covariance = (a * b).mean(dim=-1) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a.square() + mean_b.square() + c1) * (variance_a + variance_b + c2)
    return ((1 - above / below) / 2).clamp(0, 1)


def _look_up(
    rgba: Float[Tensor, "i 4 h w"], pixels: Float[Tensor, "i q p 2"]
) -> tuple[Float[Tensor, "i 3 q p"], Bool[Tensor, "i q"]]:
    """Bilinear colours at pixels, and whether all of a patch is usable picture."""
    size = pixels.new_tensor([rgba.shape[-1], rgba.shape[-2]])
    seen = F.grid_sample(rgba, pixels / size * 2 - 1, align_corners=False)
    return seen[:, :3], seen[:, 3].amin(dim=-1) > _FULLY


def reproject(
    views: Views,
    partners: Partners,
    pixels: Float[Tensor, "i q p 2"],
    depths: Float[Tensor, "i q d"],
) -> tuple[Float[Tensor, "i k q d p"], Float[Tensor, "i k q d p"], Bool[Tensor, "i k q d"]]:
    """Columns and rows of patches in every partner, and whether they lie in front of it.

    A pixel at depth z is at K_s (R K⁻¹ (u, v, 1) z + t) in a partner: only z differs between the
    hypotheses of a pixel, and the rest is computed once.
    """
    camera_from_ref = invert_rigid(views.ref_from_camera)[partners.index]
    partner_from_camera = compose(
        camera_from_ref, views.ref_from_camera[partners.image].unsqueeze(1)
    )  # i k 4 4
    intrinsics = views.intrinsics[partners.index]
    homogeneous = F.pad(pixels.flatten(1, 2), (0, 1), value=1.0)
    directions = apply_linear(torch.linalg.inv(views.intrinsics[partners.image]), homogeneous)
    turned = apply_linear(partner_from_camera[..., :3, :3], directions.unsqueeze(1))
    slope = apply_linear(intrinsics, turned).unflatten(2, pixels.shape[1:3]).unsqueeze(3)
    offset = apply_linear(intrinsics, partner_from_camera[..., None, :3, 3])[..., None, None, :]
    x, y, z = (
        torch.addcmul(offset[..., axis], slope[..., axis], depths[:, None, :, :, None])
        for axis in range(3)
    )
    inverse = 1 / z.clamp(min=_MIN_DEPTH_M)
    # Far outside the picture every place is the same, and a float has to hold it.
    return x * inverse, y * inverse, z.detach().amin(dim=-1) > _MIN_DEPTH_M
