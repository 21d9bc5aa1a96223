"""A plane sweep as teacher: what every depth of a pixel would cost, and losses that read it.

For the pixel of each ray the photometric cost of a fixed list of depths is computed once, without
gradient. Whatever distributes a pixel's light over depths (the lifting's depth distribution, the
renderer's weights along the ray) then answers to all depths at once, where a cost at one expected
distance only knows the slope at that place, which between frames metres apart often points away
from the truth. Depth is z in the camera, metres. Ours; see `docs/method.md`.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.pretraining.losses import masked_mean
from mim4d.pretraining.photometric.patch_cost import Partners, Patch, Views, patch_costs


@dataclass(frozen=True)
class PlaneSweep:
    """Costs of pixels over depth.

    Attributes:
        depths: Ascending in equal ratios, metres.
        costs: In [0, 1]; depths that no partner sees cost the mean of the others.
        counts: Pixels with something to learn: some depth explains them better than no motion does.
    """

    depths: Float[Tensor, " d"]
    costs: Float[Tensor, "i q d"]
    counts: Bool[Tensor, "i q"]

    def costs_at(self, depths: Float[Tensor, "i q s"]) -> Float[Tensor, "i q s"]:
        """Costs at other depths: linear in the logarithm of depth, constant beyond the ends."""
        last = len(self.depths) - 1
        per_log = last / (self.depths[-1] / self.depths[0]).log()
        position = ((depths / self.depths[0]).clamp(min=1e-6).log() * per_log).clamp(0, last)
        lower = position.floor().clamp(max=last - 1)
        index = lower.nan_to_num().long()  # a depth of NaN costs NaN, and is no index
        near, far = self.costs.gather(-1, index), self.costs.gather(-1, index + 1)
        return near + (position - lower) * (far - near)


def log_depths(first_m: float, last_m: float, num: int) -> Float[Tensor, " d"]:
    """`num` depths from `first_m` to `last_m` in equal ratios: as far apart as a car can tell."""
    return torch.linspace(math.log(first_m), math.log(last_m), num).exp()


@torch.no_grad()
def plane_sweep_costs(
    views: Views,
    partners: Partners,
    pixels: Float[Tensor, "i q 2"],
    depths: Float[Tensor, " d"],
    patch: Patch,
    static: Float[Tensor, "i q"],
) -> PlaneSweep:
    """Cost of every depth behind every pixel.

    Args:
        views: All images of the batch.
        partners: The pixels' images and what each is compared with.
        pixels: Middle of each patch.
        depths: From `log_depths`.
        patch: Size of the patches.
        static: Costs without any motion, from `static_costs`.
    """
    hypotheses = depths.expand(*pixels.shape[:2], -1)
    costs, valid = patch_costs(views, partners, pixels, hypotheses, patch)
    known = valid.sum(dim=-1)
    mean = torch.where(valid, costs, 0.0).sum(dim=-1) / known.clamp(min=1)
    least = torch.where(valid, costs, 1.0).amin(dim=-1)
    filled = torch.where(valid, costs, mean.unsqueeze(-1))
    return PlaneSweep(depths, filled, (known > 1) & (least < static))


def explained(
    probs: Float[Tensor, "b *m s"],
    costs: Float[Tensor, "b *m s"],
    valid: Bool[Tensor, " b *m"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean of −τ ln Σ_s p_s exp(−cost_s / τ): how badly a distribution explains what was seen.

    The likelihood of a mixture whose part s costs `cost_s`. With a large τ it is the expected cost
    Σ p·cost; with a small one p need only put some weight on a depth that fits. Its gradient moves
    p towards p_s exp(−cost_s / τ), so that pixels whose cost says nothing teach nothing.

    Args:
        probs: Sum to 1 over s.
        costs: Without gradient.
        valid: Pixels that count.
        temperature: τ, in the unit of the costs.
    """
    least = costs.amin(dim=-1, keepdim=True)
    mixture = _likely(probs, costs, temperature).sum(dim=-1)
    return masked_mean(least.squeeze(-1) - temperature * mixture.clamp(min=1e-6).log(), valid)


@torch.no_grad()
def likely_distance(
    probs: Float[Tensor, "*b s"],
    costs: Float[Tensor, "*b s"],
    distances: Float[Tensor, "*b s"],
    temperature: float,
) -> Float[Tensor, " *b"]:
    """Median distance of the distribution p_s exp(−cost_s / τ): what a ray and its sweep agree on.

    Where the costs say nothing it is the median of the ray's own weights, which a little light that
    passes the surface does not move, while it moves the expected distance far.

    Args:
        probs: Sum to 1 over s.
        costs: See `explained`.
        distances: Ascending over s.
        temperature: τ, in the unit of the costs.
    """
    so_far = _likely(probs, costs, temperature).cumsum(dim=-1)
    index = (so_far < so_far[..., -1:] / 2).sum(dim=-1, keepdim=True)
    return distances.gather(-1, index.clamp(max=distances.shape[-1] - 1)).squeeze(-1)


def _likely(probs: Tensor, costs: Tensor, temperature: float) -> Tensor:
    """p_s exp((least cost − cost_s) / τ)."""
    return probs * ((costs.amin(dim=-1, keepdim=True) - costs) / temperature).exp()


def cell_probs(
    depth_probs: Float[Tensor, "i d hf wf"],
    pixels: Float[Tensor, "i q 2"],
    image_hw: tuple[int, int],
) -> Float[Tensor, "i q d"]:
    """The depth distributions of the cells that pixels lie in."""
    hf, wf = depth_probs.shape[-2:]
    column = (pixels[..., 0] * (wf / image_hw[1])).long().clamp(0, wf - 1)
    row = (pixels[..., 1] * (hf / image_hw[0])).long().clamp(0, hf - 1)
    rows = rearrange(depth_probs, "i d h w -> i (h w) d")
    index = (row * wf + column).unsqueeze(-1)
    return rows.gather(1, index.expand(-1, -1, rows.shape[-1]))
