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

from mim4d.temporal.map_lookup import look_up


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
        b, s, y, x, width = values.shape
        asked = self._predict(query + position, source_embedding, s)
        shares = present / present.sum(dim=1, keepdim=True).clamp(min=1)
        value = self.value_proj(values).float().view(b, s, y, x, self.num_heads, -1)
        attended = look_up(value, asked, shares)
        return query + self.output_proj(attended.view(b, y * x, width))

    def _predict(
        self,
        query: Float[Tensor, "b q c"],
        source_embedding: Float[Tensor, "b s c"] | None,
        num_sources: int,
    ) -> Float[Tensor, "b q h s 3 p"]:
        """Offsets (x, y) in cells, and the points' weights before their softmax; in float32."""
        parts = [
            self._by_source(linear, source_embedding, num_sources)
            for linear in (self.sampling_offsets, self.attention_weights)
        ]
        (matrix, bias), (matrix_w, bias_w) = parts
        # One product for all; x, y and weights apart, so that each is one run of numbers.
        matrix = rearrange(matrix, "h s (p uv) c -> h s uv p c", uv=2)
        matrix = torch.cat([matrix, matrix_w.unsqueeze(2)], dim=2)
        bias = rearrange(bias, "b h s (p uv) -> b h s uv p", uv=2)
        bias = torch.cat([bias, bias_w.unsqueeze(3)], dim=3)
        predicted = F.linear(query, matrix.flatten(0, 3)).float() + bias.flatten(1).unsqueeze(1)
        return predicted.unflatten(-1, matrix.shape[:4])

    def _by_source(
        self,
        linear: nn.Linear,
        source_embedding: Tensor | None,
        num_sources: int,
    ) -> tuple[Float[Tensor, "h s k c"], Float[Tensor, "#b h s k"]]:
        """The predictions' matrix and bias for each head and source.

        linear(query + embedding) is a product without the embedding and a bias that knows it.
        """
        h = self.num_heads
        matrix = rearrange(linear.weight, "(h k) c -> h 1 k c", h=h).expand(-1, num_sources, -1, -1)
        bias = rearrange(linear.bias.float(), "(h k) -> 1 h 1 k", h=h)
        if source_embedding is not None:
            told = F.linear(source_embedding, linear.weight).float()
            bias = bias + rearrange(told, "b s (h k) -> b h s k", h=h)
        return matrix, bias.expand(-1, -1, num_sources, -1)


def star_of_points(num_heads: int, num_points: int) -> Float[Tensor, "h p 2"]:
    """Offsets that form a star: head by direction, point by distance, cells."""
    angle = torch.arange(num_heads) * (2 * math.pi / num_heads)
    direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
    direction = direction / direction.abs().amax(dim=-1, keepdim=True)
    return direction[:, None, :] * torch.arange(1.0, num_points + 1)[:, None]
