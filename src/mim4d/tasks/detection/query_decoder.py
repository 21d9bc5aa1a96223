"""Queries that look a volume up, one point each, and move that point from layer to layer.

A query has content, a position embedding and a reference point, which is kept as a logit: its
sigmoid is the place in the grid, from bound to bound. UVTR's decoder (arXiv 2206.00630) with the
voxel features of MIM4D's fine-tuning.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.tasks.detection.box_code import CENTRE, CODE_SIZE


class VolumeLookUp(nn.Module):
    """What each query reads at its reference point, weighed, added to it.

    Args:
        channels: Of query and volume.
        dropout: Of what is read.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Linear(channels, 1)
        self.project = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.embed_place = nn.Sequential(
            nn.Linear(3, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
        )
        nn.init.zeros_(self.weight.weight)
        nn.init.zeros_(self.weight.bias)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(
        self,
        content: Float[Tensor, "b q c"],
        position: Float[Tensor, "b q c"],
        reference: Float[Tensor, "b q 3"],
        volume: Float[Tensor, "b c z y x"],
    ) -> Float[Tensor, "b q c"]:
        """Content after the look-up at `reference` (logits)."""
        place = 2 * reference.sigmoid() - 1
        read = F.grid_sample(volume, place[:, :, None, None], align_corners=False)
        read = read[..., 0, 0].transpose(1, 2)  # b q c
        read = self.project(read * self.weight(content + position).sigmoid())
        return content + self.dropout(read) + self.embed_place(reference)


class QueryLayer(nn.Module):
    """Queries look at one another, at the volume, and think; a norm after each.

    Args:
        channels: Of a query.
        heads: Of the attention among queries.
        hidden: Channels inside the feed-forward part.
        dropout: Everywhere.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, dropout, batch_first=True)
        self.attention_dropout = nn.Dropout(dropout)
        self.look_up = VolumeLookUp(channels, dropout)
        wide, narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.ffn = nn.Sequential(wide, nn.ReLU(), nn.Dropout(dropout), narrow, nn.Dropout(dropout))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        for linear in (wide, narrow, self.attention.out_proj):
            nn.init.xavier_uniform_(linear.weight)

    def forward(
        self,
        content: Float[Tensor, "b q c"],
        position: Float[Tensor, "b q c"],
        reference: Float[Tensor, "b q 3"],
        volume: Float[Tensor, "b c z y x"],
        hidden: Bool[Tensor, "q q"] | None,
    ) -> Float[Tensor, "b q c"]:
        """Content after the layer; `hidden[i, j]`: query i may not look at query j."""
        placed = content + position
        looked, _ = self.attention(placed, placed, content, attn_mask=hidden, need_weights=False)
        content = self.norms[0](content + self.attention_dropout(looked))
        content = self.norms[1](self.look_up(content, position, reference, volume))
        return self.norms[2](content + self.ffn(content))


@dataclass(frozen=True)
class Queries:
    """Queries before the first layer.

    Attributes:
        content: What they know.
        position: Embedding of where they are.
        reference: Where they are, logits.
    """

    content: Float[Tensor, "b q c"]
    position: Float[Tensor, "b q c"]
    reference: Float[Tensor, "b q 3"]


@dataclass(frozen=True)
class QueryOutput:
    """What queries say after each layer.

    Attributes:
        logits: Of the classes.
        code: Boxes in the grid's axes (see `box_code`).
        overlap: How well the box fits, 2·IoU − 1; None where nobody says it.
    """

    logits: Float[Tensor, "l b q k"]
    code: Float[Tensor, "l b q 10"]
    overlap: Float[Tensor, "l b q"] | None

    def queries(self, part: slice) -> "QueryOutput":
        """Some of the queries."""
        overlap = None if self.overlap is None else self.overlap[:, :, part]
        return QueryOutput(self.logits[:, :, part], self.code[:, :, part], overlap)


class QueryDecoder(nn.Module):
    """Layers of queries, and what is read off each.

    Args:
        channels: Of queries and volume.
        num_classes: Classes.
        layers: Their number.
        heads: Of the attention among queries.
        hidden: Channels of the feed-forward parts.
        dropout: In training.
        overlap: Whether queries also say how well their boxes fit.
        lower_m: Lower bounds of the grid along x, y, z of its own axes.
        upper_m: Upper bounds.
    """

    lower_m: Tensor
    span_m: Tensor

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        layers: int,
        heads: int,
        hidden: int,
        dropout: float,
        overlap: bool,
        lower_m: tuple[float, float, float],
        upper_m: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            QueryLayer(channels, heads, hidden, dropout) for _ in range(layers)
        )
        self.class_branches = nn.ModuleList(
            _class_branch(channels, num_classes) for _ in range(layers)
        )
        self.box_branches = nn.ModuleList(_branch(channels, CODE_SIZE) for _ in range(layers))
        self.overlap_branches = nn.ModuleList(
            _branch(channels, 1) for _ in range(layers if overlap else 0)
        )
        lower, upper = torch.tensor(lower_m), torch.tensor(upper_m)
        self.register_buffer("lower_m", lower, persistent=False)
        self.register_buffer("span_m", upper - lower, persistent=False)

    def forward(
        self,
        queries: Queries,
        volume: Float[Tensor, "b c z y x"],
        hidden: Bool[Tensor, "q q"] | None = None,
    ) -> QueryOutput:
        """What queries say after each layer.

        Args:
            queries: To start with.
            volume: In the grid's axes.
            hidden: Which queries may not look at which; None hides none.
        """
        content, reference = queries.content, queries.reference
        logits, codes, overlaps = [], [], []
        for index, layer in enumerate(self.layers):
            content = layer(content, queries.position, reference, volume, hidden)
            raw = self.box_branches[index](content)
            centre = raw[..., CENTRE] + reference
            logits.append(self.class_branches[index](content))
            codes.append(self._code(raw, centre))
            if self.overlap_branches:
                overlaps.append(self.overlap_branches[index](content).squeeze(-1))
            # Each layer learns to correct the one before, not to correct itself through it.
            reference = centre.detach()
        overlap = torch.stack(overlaps) if overlaps else None
        return QueryOutput(torch.stack(logits), torch.stack(codes), overlap)

    def _code(
        self, raw: Float[Tensor, "b q 10"], centre: Float[Tensor, "b q 3"]
    ) -> Float[Tensor, "b q 10"]:
        x, y, z = (centre.sigmoid() * self.span_m + self.lower_m).unbind(-1)
        _, _, log_width, log_length, _, *rest = raw.unbind(-1)
        return torch.stack([x, y, log_width, log_length, z, *rest], dim=-1)


def _class_branch(channels: int, num_classes: int) -> nn.Sequential:
    last = nn.Linear(channels, num_classes)
    nn.init.constant_(last.bias, -4.595)  # −log 99: each class starts at a probability of 1 %
    return nn.Sequential(
        nn.Linear(channels, channels),
        nn.LayerNorm(channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
        nn.LayerNorm(channels),
        nn.ReLU(),
        last,
    )


def _branch(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
        nn.ReLU(),
        nn.Linear(channels, outputs),
    )
