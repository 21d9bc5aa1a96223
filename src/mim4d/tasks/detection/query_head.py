"""The two query heads of UVTR's voxel line: learned queries, and placed ones with denoising.

`LearnedQueries`: content and position are learned, the position says the place (`UVTRHead`).
`PlacedQueries`: places are learned and say the position, contents start empty (`UVTRDNHead`). In
training these may be joined by queries at noisy true boxes, which must find the boxes again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mim4d.tasks.detection.query_decoder import Queries, QueryDecoder, QueryOutput

_EPSILON = 1e-5


def logit_of_share(share: Float[Tensor, "*q 3"]) -> Float[Tensor, "*q 3"]:
    """Inverse of the sigmoid, finite at 0 and 1."""
    share = share.clamp(0, 1)
    return (share.clamp(min=_EPSILON) / (1 - share).clamp(min=_EPSILON)).log()


@dataclass(frozen=True)
class NoisyQueries:
    """Queries at noisy true boxes, which stand before the others.

    Attributes:
        reference: Their places, shares of the grid; 0 where padded.
        hidden: Which queries, these and the others, may not look at which.
    """

    reference: Float[Tensor, "b g 3"]
    hidden: Bool[Tensor, "q q"]


@dataclass(frozen=True)
class HeadOutput:
    """What a query head puts out.

    Attributes:
        matched: Of the queries that look for boxes.
        noisy: Of those that were put near true ones; None without.
    """

    matched: QueryOutput
    noisy: QueryOutput | None = None


@dataclass(frozen=True)
class Waiting:
    """A head that has its volume, and waits for the true boxes that training may add queries at.

    Attributes:
        find: Noisy queries, or None, to what is found.
    """

    find: Callable[[NoisyQueries | None], HeadOutput]


class LearnedQueries(nn.Module):
    """`UVTRHead`: learned queries.

    Args:
        num_queries: Their number.
        channels: Of a query and the volume.
        decoder: The layers.
    """

    def __init__(self, num_queries: int, channels: int, decoder: QueryDecoder) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_queries, 2 * channels)
        self.place = nn.Linear(channels, 3)
        nn.init.xavier_uniform_(self.place.weight)
        nn.init.zeros_(self.place.bias)
        self.decoder = decoder

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> Waiting:
        """See `Waiting`."""
        return Waiting(partial(self.find, volume))

    def find(
        self, volume: Float[Tensor, "b c z y x"], noisy: NoisyQueries | None = None
    ) -> HeadOutput:
        """What the queries find in a volume; noisy ones are for the other head."""
        assert noisy is None
        position, content = self.embedding.weight.chunk(2, dim=1)
        reference = self.place(position)
        b = len(volume)
        queries = Queries(*(each.expand(b, -1, -1) for each in (content, position, reference)))
        return HeadOutput(self.decoder(queries, volume))


class PlacedQueries(nn.Module):
    """`UVTRDNHead`: learned places.

    Args:
        num_queries: Their number.
        channels: Of a query and the volume.
        decoder: The layers.
    """

    def __init__(self, num_queries: int, channels: int, decoder: QueryDecoder) -> None:
        super().__init__()
        self.places = nn.Embedding(num_queries, 3)
        nn.init.uniform_(self.places.weight)
        self.embed = nn.Sequential(nn.Linear(3, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.decoder = decoder

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> Waiting:
        """See `Waiting`."""
        return Waiting(partial(self.find, volume))

    def find(
        self, volume: Float[Tensor, "b c z y x"], noisy: NoisyQueries | None = None
    ) -> HeadOutput:
        """What the queries find in a volume, those at noisy true boxes as well."""
        share = self.places.weight.expand(len(volume), -1, -1)
        extra = 0
        if noisy is not None:
            share = torch.cat([noisy.reference, share], dim=1)
            extra = noisy.reference.shape[1]
        reference = logit_of_share(share)
        position = self.embed(reference)
        queries = Queries(torch.zeros_like(position), position, reference)
        found = self.decoder(queries, volume, None if noisy is None else noisy.hidden)
        if noisy is None:
            return HeadOutput(found)
        return HeadOutput(found.queries(slice(extra, None)), found.queries(slice(extra)))
