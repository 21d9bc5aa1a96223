"""What decoders of imported checkpoints do differently from ours.

The released decoders of MIM4D (arXiv 2403.08760) tell sources apart by their position in a list,
newest first, and have a learned query for each cell of one grid. Both tie the weights to a number
of sources or a size of grid; ours do neither (`decoder.py`). The names of all weights are the same
as there.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mim4d.temporal.attention import DeformableAttention, star_of_points
from mim4d.temporal.decoder import TemporalBranch, TemporalDecoder, TemporalLayer
from mim4d.temporal.sources import Sources


class PositionalAttention(DeformableAttention):
    """Attention to a fixed number of sources, each with predictions of its own.

    Args:
        width: See `DeformableAttention`.
        num_heads: The same.
        num_points: The same.
        num_sources: How many there are, in their order.
    """

    def __init__(self, width: int, num_heads: int, num_points: int, num_sources: int) -> None:
        super().__init__(width, num_heads, num_points)
        self.num_sources = num_sources
        predictions = num_heads * num_sources * num_points
        self.sampling_offsets = nn.Linear(width, predictions * 2)
        self.attention_weights = nn.Linear(width, predictions)
        star = star_of_points(num_heads, num_points)[:, None].expand(-1, num_sources, -1, -1)
        self.start_at(star)

    def _by_source(
        self, linear: nn.Linear, source_embedding: Tensor | None, num_sources: int
    ) -> tuple[Float[Tensor, "h s k c"], Float[Tensor, "1 h s k"]]:
        assert num_sources == self.num_sources, (num_sources, self.num_sources)
        sizes = {"h": self.num_heads, "s": num_sources}
        bias = rearrange(linear.bias.float(), "(h s k) -> 1 h s k", **sizes)
        return rearrange(linear.weight, "(h s k) c -> h s k c", **sizes), bias


class ImportedBranch(TemporalBranch):
    """A branch whose sources, queries or both are as in the released decoders.

    Args:
        branch: Ours, whose layers and queries are taken over.
        num_sources: See `PositionalAttention`; None tells sources apart by their time.
        grid_yx: Rows and columns of the grid whose cells have a query each; None: one for all.
    """

    def __init__(
        self,
        branch: TemporalBranch,
        num_sources: int | None,
        grid_yx: tuple[int, int] | None,
    ) -> None:
        nn.Module.__init__(self)
        self.layers, self.query = branch.layers, branch.query
        self.per_cell = grid_yx is not None
        if grid_yx is not None:
            query = torch.empty(math.prod(grid_yx), branch.query.shape[1])
            self.query = nn.Parameter(nn.init.trunc_normal_(query, std=0.02))
        self.by_position = num_sources is not None
        if num_sources is None:
            self.time_embedding = branch.time_embedding
            return
        for layer in self.layers:
            assert isinstance(layer, TemporalLayer)
            ours = layer.attention
            layer.attention = PositionalAttention(
                ours.output_proj.in_features, ours.num_heads, ours.num_points, num_sources
            )

    def _queries(
        self, values: Float[Tensor, "b s y x c"], present: Bool[Tensor, "b s"]
    ) -> Float[Tensor, "b q c"]:
        if not self.per_cell:
            return super()._queries(values, present)
        return self.query.expand(len(values), -1, -1)

    def _embed(self, dt_s: Float[Tensor, "b s"]) -> Float[Tensor, "b s c"] | None:
        return None if self.by_position else super()._embed(dt_s)


class ImportedDecoder(TemporalDecoder):
    """Our decoder with the conventions of the released ones.

    Args:
        channels: See `TemporalDecoder`, as for all options that are not named here.
        height: The same.
        start_from_mean: Add the mean of the sources; False gives the learned part alone.
        positional_sources: None, or the number of sources that are told apart by their position in
            the list instead of their time, newest first; the short branch then reads the first.
        grid_yx: None, or the rows and columns of a grid whose cells have a learned query each.
        options: Sizes of the branches.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        *,
        start_from_mean: bool,
        positional_sources: int | None,
        grid_yx: tuple[int, int] | None,
        **options: int | str,
    ) -> None:
        super().__init__(channels, height, **options)  # type: ignore[arg-type]
        self.start_from_mean = start_from_mean
        self.positional_sources = positional_sources
        if not start_from_mean:
            nn.init.ones_(self.output_norm.weight)
        if positional_sources is not None:
            self.frame_embedding = nn.Parameter(
                torch.randn(positional_sources, self.proj.out_features)
            )
            del self.time_embedding
        if self.short is not None:
            num_read = None if positional_sources is None else 1
            self.short = ImportedBranch(self.short, num_read, grid_yx)
        if self.long is not None:
            self.long = ImportedBranch(self.long, positional_sources, grid_yx)

    def forward(
        self, sources: Sources, mean: Float[Tensor, "m c z y x"] | None = None
    ) -> Float[Tensor, "m c z y x"]:
        """Decode the target frame; see `TemporalDecoder.forward`."""
        return super().forward(
            sources if self.positional_sources is None else newest_first(sources), mean
        )

    def _add_mean(
        self,
        learned: Float[Tensor, "m c z y x"],
        sources: Sources,
        mean: Float[Tensor, "m c z y x"] | None,
    ) -> Float[Tensor, "m c z y x"]:
        return super()._add_mean(learned, sources, mean) if self.start_from_mean else learned

    def _embed(self, dt_s: Float[Tensor, "b s"]) -> Float[Tensor, "b s c"]:
        if self.positional_sources is None:
            return super()._embed(dt_s)
        return self.frame_embedding.expand(dt_s.shape[0], -1, -1)

    def _read_short(
        self, branch: TemporalBranch, values: Tensor, dt_s: Tensor, present: Tensor
    ) -> Tensor:
        if self.positional_sources is None:
            return super()._read_short(branch, values, dt_s, present)
        result: Tensor = branch(values[:, :1], dt_s[:, :1], present[:, :1])
        return result


def newest_first(sources: Sources) -> Sources:
    """The sources of each target ordered by time; those of the same time keep their order."""
    order = sources.dt_s.argsort(dim=1, descending=True, stable=True)
    m = torch.arange(len(order), device=order.device).unsqueeze(1)
    return Sources(
        sources.warped[m, order],
        sources.valid[m, order],
        sources.dt_s[m, order],
        sources.present[m, order],
    )
