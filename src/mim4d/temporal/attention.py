"""Deformable attention from one BEV map to a set of other BEV maps, in plain torch.

Every cell looks into every source map at a few learned offsets around its own place; the looked-up
values are weighted by a softmax over the points of one source and head, and averaged over the
sources that exist. Maps are in the target's axes; offsets are in cells. Single-level deformable
attention (arXiv 2010.04159) over a queue of frames as in BEVFormer (arXiv 2203.17270).
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mim4d.geometry.lattices import cell_centres


class DeformableAttention(nn.Module):
    """Residual attention of BEV queries to several BEV maps of the same grid.

    All sources share the prediction of offsets and weights, and what tells them apart is the
    embedding of each source (its signed time): any number of sources, in any order.

    Args:
        width: Channels of queries and values, a multiple of `num_heads`.
        num_heads: Attention heads.
        num_points: Points per head and source.

    Raises:
        ValueError: If `width` is not a multiple of `num_heads`.
    """

    def __init__(self, width: int, num_heads: int, num_points: int) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"attention: width {width} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads
        self.num_points = num_points
        predictions = num_heads * num_points
        self.sampling_offsets = nn.Linear(width, predictions * 2)
        self.attention_weights = nn.Linear(width, predictions)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self.start_at(star_of_points(num_heads, num_points))

    def start_at(self, star: Float[Tensor, "h *s p 2"]) -> None:
        """Start with equally weighted points at these offsets, cells."""
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(star.flatten())
        nn.init.zeros_(self.sampling_offsets.weight)
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for linear in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        query: Float[Tensor, "b q c"],
        position: Float[Tensor, "#b q c"],
        values: Float[Tensor, "b s y x c"],
        present: Bool[Tensor, "b s"],
        source_embedding: Float[Tensor, "b s c"] | None = None,
    ) -> Float[Tensor, "b q c"]:
        """Attend and add to the query.

        Args:
            query: One query per cell, row by row: q = y·x.
            position: Added to the query for the prediction of offsets and weights only.
            values: The source maps.
            present: Sources that exist; the others have no influence.
            source_embedding: Added to the query, too, per source; for shared predictions only.

        Returns:
            The updated queries.
        """
        num_sources, (y, x) = values.shape[1], values.shape[2:4]
        offsets = self._predict(
            self.sampling_offsets, query + position, source_embedding, num_sources
        )
        # Cells run along the last axis, so that products broadcast over long contiguous rows.
        offsets = rearrange(offsets, "b s q h (p uv) -> (b s h) p q uv", uv=2)
        weights = self._predict(
            self.attention_weights, query + position, source_embedding, num_sources
        )
        weights = rearrange(weights, "b s q h p -> b s h p q").softmax(dim=-2)
        share = present / present.sum(dim=1, keepdim=True).clamp(min=1)
        weights = (weights * share[:, :, None, None, None]).flatten(0, 2)

        value = rearrange(
            self.value_proj(values), "b s y x (h c) -> (b s h) c y x", h=self.num_heads
        )
        cells_to_unit = offsets.new_tensor([2 / x, 2 / y])
        centres = cell_centres((y, x), offsets.device, offsets.dtype).flatten(0, 1)
        centres = centres * cells_to_unit - 1  # `unit` coordinates
        sampled = F.grid_sample(
            value.float(),
            centres + offsets * cells_to_unit,
            align_corners=False,
        )
        attended = (sampled * weights.unsqueeze(1)).sum(dim=2)  # (b s h) c q
        attended = rearrange(
            attended, "(b s h) c q -> b s (h c) q", s=num_sources, h=self.num_heads
        ).sum(dim=1)
        projected = self.output_proj.weight @ attended + self.output_proj.bias.unsqueeze(-1)
        return query + projected.transpose(1, 2)

    def _predict(
        self, linear: nn.Linear, query: Tensor, source_embedding: Tensor | None, num_sources: int
    ) -> Float[Tensor, "b s q h k"]:
        """Offsets or weights (k per head) of every source, in float32."""
        # linear(query + embedding), without repeating the large product for every source.
        shared = linear(query).float().unsqueeze(1).expand(-1, num_sources, -1, -1)
        if source_embedding is not None:
            shared = shared + F.linear(source_embedding, linear.weight).float().unsqueeze(2)
        return rearrange(shared, "b s q (h k) -> b s q h k", h=self.num_heads)


def star_of_points(num_heads: int, num_points: int) -> Float[Tensor, "h p 2"]:
    """Offsets that form a star: head by direction, point by distance, cells."""
    angle = torch.arange(num_heads) * (2 * math.pi / num_heads)
    direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
    direction = direction / direction.abs().amax(dim=-1, keepdim=True)
    return direction[:, None, :] * torch.arange(1.0, num_points + 1)[:, None]
