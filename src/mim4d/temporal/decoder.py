"""Temporal decoder: the volumes of other frames → the volume of the dropped frame.

The sources come already warped into the target frame's ego axes. Height is folded into channels;
a short branch attends to the nearest past and future source at full width, a long branch to all
sources at reduced width. The result is a residual, zero at first, on the mean of the sources.
Sources are told apart by their signed time offset, seconds. MIM4D, arXiv 2403.08760, section 3.3;
the two branches are those of HoP, arXiv 2304.00967.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mim4d.temporal.attention import DeformableAttention
from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.temporal.sources import Sources, valid_mean

Branches = Literal["both", "short", "long"]


class TemporalLayer(nn.Module):
    """Attention to the sources, norm, feed-forward, norm (post-norm)."""

    def __init__(self, attention: DeformableAttention, width: int, ffn_width: int) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, ffn_width), nn.ReLU(), nn.Linear(ffn_width, width)
        )
        self.ffn_norm = nn.LayerNorm(width)

    def forward(
        self,
        query: Float[Tensor, "b q c"],
        position: Float[Tensor, "#b q c"],
        values: Float[Tensor, "b s y x c"],
        present: Bool[Tensor, "b s"],
        source_embedding: Float[Tensor, "b s c"] | None = None,
    ) -> Float[Tensor, "b q c"]:
        """Update the queries; see `DeformableAttention.forward` for the arguments."""
        attended = self.attention(query, position, values, present, source_embedding)
        query = self.attention_norm(attended)
        updated: Tensor = self.ffn_norm(query + self.ffn(query))
        return updated


class TemporalBranch(nn.Module):
    """Queries of one width, updated by a stack of layers that read the same sources.

    Args:
        width: Channels; a multiple of 4 (sine positions) and of `num_heads`.
        num_heads: Attention heads.
        num_points: Points per head and source.
        num_layers: Layers.
        ffn_width: Hidden channels of the feed-forward part.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        num_points: int,
        num_layers: int,
        ffn_width: int,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TemporalLayer(DeformableAttention(width, num_heads, num_points), width, ffn_width)
            for _ in range(num_layers)
        )
        self.query = nn.Parameter(torch.empty(1, width))
        nn.init.trunc_normal_(self.query, std=0.02)
        self.time_embedding = TimeEmbedding(width)

    def forward(
        self,
        values: Float[Tensor, "b s y x c"],
        dt_s: Float[Tensor, "b s"],
        present: Bool[Tensor, "b s"],
    ) -> Float[Tensor, "b q c"]:
        """Read the sources; q = y·x, row by row."""
        _, _, y, x, width = values.shape
        query, embedding = self._queries(values, present), self._embed(dt_s)
        position = sine_position(y, x, width // 2, values.device).flatten(0, 1).unsqueeze(0)
        for layer in self.layers:
            query = layer(query, position, values, present, embedding)
        return query

    def _queries(
        self, values: Float[Tensor, "b s y x c"], present: Bool[Tensor, "b s"]
    ) -> Float[Tensor, "b q c"]:
        """The sources' mean at each cell, plus one learned vector: this fits any grid."""
        share = present / present.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.einsum("bsyxc,bs->byxc", values, share).flatten(1, 2)
        return self.query.expand_as(mean) + mean

    def _embed(self, dt_s: Float[Tensor, "b s"]) -> Float[Tensor, "b s c"] | None:
        """What tells the sources apart."""
        embedded: Tensor = self.time_embedding(dt_s)
        return embedded


class TimeEmbedding(nn.Module):
    """Linear map of Fourier features of a signed time offset (periods of 16 s down to 1/4 s)."""

    frequencies_rad_s: Tensor

    def __init__(self, width: int, num_frequencies: int = 7) -> None:
        super().__init__()
        frequencies = 2 * math.pi / 16 * 2.0 ** torch.arange(num_frequencies)
        self.register_buffer("frequencies_rad_s", frequencies, persistent=False)
        self.linear = nn.Linear(1 + 2 * num_frequencies, width)

    def forward(self, dt_s: Float[Tensor, "b s"]) -> Float[Tensor, "b s c"]:
        """Embed time offsets in seconds; positive is the future."""
        time = dt_s.float().unsqueeze(-1)
        phase = time * self.frequencies_rad_s
        embedded: Tensor = self.linear(torch.cat([time, phase.sin(), phase.cos()], dim=-1))
        return embedded


def sine_position(
    y: int, x: int, num_features: int, device: torch.device | None = None
) -> Float[Tensor, "y x c"]:
    """Sine code of each cell's place on the map: `num_features` for the row, then the column.

    Feature 2i is sin(2π·r / 10000^(2i/num_features)) and 2i + 1 its cosine, with r running from
    1/n to 1 over the n rows or columns (as in DETR, arXiv 2005.12872).
    """
    exponent = torch.arange(0, num_features, 2, device=device) / num_features
    codes = []
    for count in (y, x):
        place = torch.arange(1, count + 1, device=device) * (2 * math.pi / count)
        phase = place.unsqueeze(-1) / 10000**exponent
        codes.append(torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(-2))
    rows, columns = codes
    return torch.cat([rows[:, None].expand(y, x, -1), columns.expand(y, x, -1)], dim=-1)


class TemporalDecoder(nn.Module):
    """Rebuild a frame's volume from other frames' volumes.

    Args:
        channels: Channels of a volume.
        height: Voxels along z.
        width: Channels of the short branch; a multiple of 4.
        long_width: Channels of the long branch; a multiple of 4.
        short_heads: Attention heads of the short branch.
        long_heads: Attention heads of the long branch.
        num_points: Points per head and source.
        num_layers: Layers of each branch.
        short_ffn_width: Hidden channels of the short branch's feed-forward parts.
        long_ffn_width: The same for the long branch.
        branches: Which of the two branches there are.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int = 128,
        long_width: int = 64,
        short_heads: int = 4,
        long_heads: int = 2,
        num_points: int = 4,
        num_layers: int = 2,
        short_ffn_width: int = 256,
        long_ffn_width: int = 256,
        branches: Branches = "both",
    ) -> None:
        super().__init__()
        folded = channels * height
        use_short, use_long = branches != "long", branches != "short"
        self.proj = nn.Linear(folded, width, bias=False)
        self.proj_norm = nn.LayerNorm(width, eps=1e-6)
        self.time_embedding = TimeEmbedding(width)
        self.long_proj = self.short = self.long = None
        if use_long:
            self.long_proj = nn.Sequential(nn.Linear(width, long_width), nn.LayerNorm(long_width))
        if use_short:
            self.short = TemporalBranch(
                width,
                short_heads,
                num_points,
                num_layers,
                short_ffn_width,
            )
        if use_long:
            self.long = TemporalBranch(
                long_width,
                long_heads,
                num_points,
                num_layers,
                long_ffn_width,
            )
        read = width * use_short + long_width * use_long
        self.output_proj = nn.Conv2d(read, folded, 3, padding=1, bias=False)
        self.output_norm = nn.LayerNorm(folded, eps=1e-6)
        nn.init.zeros_(self.output_norm.weight)

    def forward(
        self, sources: Sources, mean: Float[Tensor, "m c z y x"] | None = None
    ) -> Float[Tensor, "m c z y x"]:
        """Decode the target frame.

        Args:
            sources: Where a target has none that exists, the result is the learned part on no
                evidence at all (and finite).
            mean: What the learned part is added to; None takes the mean of the valid sources.

        Returns:
            The target's volume; where no source is valid, the learned part alone.
        """
        c, _, y, x = sources.warped.shape[2:]
        # Channels innermost, as warped volumes lie in memory; the weights know (c z).
        columns = rearrange(sources.warped, "m s c z y x -> m s y x (z c)")
        into = rearrange(self.proj.weight, "k (c z) -> k (z c)", c=c)
        values = self.proj_norm(F.linear(columns, into))
        values = values + self._embed(sources.dt_s)[:, :, None, None, :]
        read = self._read(values, sources.dt_s, sources.present)
        joined = read.unflatten(-1, (y, x))
        out = rearrange(self.output_proj.weight, "(c z) k i j -> (z c) k i j", c=c)
        decoded = rearrange(F.conv2d(joined, out, padding=1), "b k y x -> b y x k")
        scale, shift = (
            rearrange(part, "(c z) -> (z c)", c=c)
            for part in (self.output_norm.weight, self.output_norm.bias)
        )
        decoded = F.layer_norm(decoded, scale.shape, scale, shift, self.output_norm.eps)
        return self._add_mean(rearrange(decoded, "b y x (z c) -> b c z y x", c=c), sources, mean)

    def _add_mean(
        self,
        learned: Float[Tensor, "m c z y x"],
        sources: Sources,
        mean: Float[Tensor, "m c z y x"] | None,
    ) -> Float[Tensor, "m c z y x"]:
        """The learned part, which starts at zero, is what the mean of the sources lacks."""
        # The mean first: its layout in memory is the one that renderers read.
        return (valid_mean(sources) if mean is None else mean) + learned

    def _read(self, values: Tensor, dt_s: Tensor, present: Tensor) -> Float[Tensor, "b k q"]:
        """What the branches found, one after the other.

        Its cells lie innermost in memory: so the convolution's backward pass on a CPU takes half.
        """
        read = []
        if self.short is not None:
            read.append(self._read_short(self.short, values, dt_s, present))
        if self.long is not None and self.long_proj is not None:
            read.append(self.long(self.long_proj(values), dt_s, present))
        return torch.cat([found.transpose(1, 2) for found in read], dim=1)

    def _embed(self, dt_s: Float[Tensor, "b s"]) -> Float[Tensor, "b s c"]:
        embedded: Tensor = self.time_embedding(dt_s)
        return embedded

    def _read_short(
        self, branch: TemporalBranch, values: Tensor, dt_s: Tensor, present: Tensor
    ) -> Tensor:
        index, exists = nearest_sources(dt_s, present)
        if values.shape[1] <= 2:  # no source is copied: those not chosen are as if absent
            chosen = F.one_hot(index, values.shape[1]).bool() & exists.unsqueeze(-1)
            nearest: Tensor = branch(values, dt_s, chosen.any(dim=1))
            return nearest
        clip = torch.arange(len(index), device=index.device).unsqueeze(1)
        result: Tensor = branch(values[clip, index], dt_s[clip, index], exists)
        return result


def nearest_sources(
    dt_s: Float[Tensor, "b s"], present: Bool[Tensor, "b s"]
) -> tuple[Int[Tensor, "b k"], Bool[Tensor, "b k"]]:
    """The nearest present source of the past and that of the future.

    Args:
        dt_s: Source time minus target time, seconds.
        present: Sources that exist.

    Returns:
        Their indices (past first; a single source stands for both sides), and whether there is
        such a source: where not, the index means nothing.
    """
    if dt_s.shape[1] == 1:
        return torch.zeros_like(dt_s, dtype=torch.long), present
    sides = torch.stack([present & (dt_s <= 0), present & (dt_s > 0)], dim=1)  # b 2 s
    away = dt_s.abs().unsqueeze(1).masked_fill(~sides, math.inf)
    return away.argmin(dim=-1), sides.any(dim=-1)


FrameDecoder = TemporalDecoder | NearestFrame | MeanFrame
"""What may rebuild a frame: all take the same arguments."""
