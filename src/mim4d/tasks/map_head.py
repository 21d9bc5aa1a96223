"""Volume to lines: queries that look at the ground around their own points, layer by layer.

A query is a line plus a point of it (MapTR, arXiv 2208.14437). In each layer lines attend to each
other, point by point; then points of one line to each other (MapTRv2's decoupled self-attention,
arXiv 2308.05736); then every point looks at a few places around where it is now, and is moved.
Coordinates are `share`: 0 to 1 over the rectangle of the map, x then y.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.bev_trunk import BevTrunk

_RARE_LOGIT = -math.log(99.0)
"""Where classes start: one line in a hundred is of a class."""


@dataclass(frozen=True)
class DrawnMap:
    """What the head says of each clip; `j` layers of the decoder, the last is the answer.

    Attributes:
        logits: Of each class, by line.
        points: Of each line, in `share` coordinates.
        cells: Logits of the auxiliary cells, by class.
        num_lines: The first so many lines are the answer; others are for learning alone.
    """

    logits: Float[Tensor, "j b q l"]
    points: Float[Tensor, "j b q m 2"]
    cells: Float[Tensor, "b l y x"]
    num_lines: int


@dataclass(frozen=True)
class MapHeadSizes:
    """How large a head is.

    Attributes:
        lines: That are drawn.
        further_lines: That are drawn in training alone.
        points: Of each line.
        layers: Of the decoder.
        heads: Of every attention.
        places: Around each point that a head looks at.
        classes: Of lines.
    """

    lines: int
    further_lines: int
    points: int
    layers: int
    heads: int
    places: int
    classes: int


class MapHead(nn.Module):
    """Queries on features seen from above.

    Args:
        trunk: Volume to features of the cells over the map's rectangle.
        sizes: How many of everything.
    """

    blocked: Tensor

    def __init__(self, trunk: BevTrunk, sizes: MapHeadSizes) -> None:
        super().__init__()
        width = trunk.out_channels
        self.sizes = sizes
        self.trunk = trunk
        self.cells = nn.Conv2d(width, sizes.classes, 1)
        num_lines = sizes.lines + sizes.further_lines
        self.line_queries = nn.Parameter(torch.randn(num_lines, width))
        self.point_queries = nn.Parameter(torch.randn(sizes.points, width))
        self.content = nn.Linear(width, width)
        self.start = nn.Linear(width, 2)
        self.layers = nn.ModuleList(
            _Layer(width, sizes.heads, sizes.places) for _ in range(sizes.layers)
        )
        self.move = nn.ModuleList(_perceptron(width, 2) for _ in range(sizes.layers))
        self.classify = nn.ModuleList(
            _perceptron(width, sizes.classes) for _ in range(sizes.layers)
        )
        self._start_weights()
        answers = torch.arange(num_lines) < sizes.lines
        # The lines of the answer must not know of those that are drawn in training alone.
        self.register_buffer("blocked", answers[:, None] != answers, persistent=False)

    def _start_weights(self) -> None:
        nn.init.constant_(_bias(self.cells), _RARE_LOGIT / 2)
        for move, classify in zip(self.move, self.classify, strict=True):
            nn.init.zeros_(move[-1].weight)  # type: ignore[index]
            nn.init.zeros_(move[-1].bias)  # type: ignore[index]
            nn.init.constant_(classify[-1].bias, _RARE_LOGIT)  # type: ignore[index]

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> DrawnMap:
        """Lines of every layer, and cells."""
        features = self.trunk(volume)
        num_lines = len(self.line_queries) if self.training else self.sizes.lines
        place = self.line_queries[:num_lines, None] + self.point_queries
        place = place.expand(len(volume), -1, -1, -1)
        queries, points = self.content(place), self.start(place).sigmoid()
        blocked = self.blocked[:num_lines, :num_lines]
        logits, drawn = [], []
        for layer, move, classify in zip(self.layers, self.move, self.classify, strict=True):
            queries = layer(queries, place, points.detach(), features, blocked)
            moved = (points.logit(eps=1e-4) + move(queries)).sigmoid()
            drawn.append(moved)
            # A layer learns how to move points, not where the layers before should leave them.
            points = moved.detach()
            logits.append(classify(queries.mean(dim=2)))
        return DrawnMap(
            torch.stack(logits), torch.stack(drawn), self.cells(features), self.sizes.lines
        )


class _Layer(nn.Module):
    """Lines to lines, points to points of their line, points to the ground, each by itself."""

    def __init__(self, width: int, heads: int, places: int) -> None:
        super().__init__()
        self.lines = nn.MultiheadAttention(width, heads, batch_first=True)
        self.points = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ground = LookAround(width, heads, places)
        self.alone = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))

    def forward(
        self,
        queries: Float[Tensor, "b q m c"],
        place: Float[Tensor, "b q m c"],
        points: Float[Tensor, "b q m 2"],
        features: Float[Tensor, "b c y x"],
        blocked: Bool[Tensor, "q q"],
    ) -> Float[Tensor, "b q m c"]:
        b = len(queries)
        asked = rearrange(queries + place, "b q m c -> (b m) q c")
        said = rearrange(queries, "b q m c -> (b m) q c")
        told = self.lines(asked, asked, said, attn_mask=blocked, need_weights=False)[0]
        queries = self.norms[0](queries + rearrange(told, "(b m) q c -> b q m c", b=b))
        asked = rearrange(queries + place, "b q m c -> (b q) m c")
        said = rearrange(queries, "b q m c -> (b q) m c")
        told = self.points(asked, asked, said, need_weights=False)[0]
        queries = self.norms[1](queries + rearrange(told, "(b q) m c -> b q m c", b=b))
        queries = self.norms[2](queries + self.ground(queries + place, points, features))
        return self.norms[3](queries + self.alone(queries))


class LookAround(nn.Module):
    """A weighted sum of features at places around points, as deformable attention has it.

    Args:
        width: Channels of queries and features.
        heads: Each has its own places and its own share of the channels.
        places: Of each head.
    """

    def __init__(self, width: int, heads: int, places: int) -> None:
        super().__init__()
        self.heads, self.places = heads, places
        self.values = nn.Conv2d(width, width, 1)
        self.offsets = nn.Linear(width, heads * places * 2)
        self.weights = nn.Linear(width, heads * places)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        angles = torch.arange(heads) * (2 * math.pi / heads)
        rays = torch.stack([angles.cos(), angles.sin()], dim=-1)[:, None]
        away = rays * torch.arange(1, places + 1)[:, None]
        with torch.no_grad():
            self.offsets.bias.copy_(away.flatten())

    def forward(
        self,
        queries: Float[Tensor, "b q m c"],
        points: Float[Tensor, "b q m 2"],
        features: Float[Tensor, "b c y x"],
    ) -> Float[Tensor, "b q m c"]:
        """Offsets are in cells: a place is looked up bilinearly; outside there is nothing."""
        b, q = queries.shape[:2]
        heads, places = self.heads, self.places
        cells = points.new_tensor([features.shape[-1], features.shape[-2]])
        offsets = rearrange(
            self.offsets(queries), "b q m (h p xy) -> b h (q m) p xy", h=heads, p=places
        )
        at = rearrange(points, "b q m xy -> b 1 (q m) 1 xy") + offsets / cells
        looked_up = F.grid_sample(
            rearrange(self.values(features), "b (h c) y x -> (b h) c y x", h=heads),
            2 * at.flatten(0, 1) - 1,
            align_corners=False,
        )
        logits = rearrange(
            self.weights(queries), "b q m (h p) -> (b h) 1 (q m) p", h=heads, p=places
        )
        found = (looked_up * logits.softmax(dim=-1)).sum(dim=-1)
        return self.out(rearrange(found, "(b h) c (q m) -> b q m (h c)", b=b, q=q))


def build_map_head(
    channels: int, grid: VoxelGrid, cells: VoxelGrid, sizes: MapHeadSizes, **trunk: int
) -> MapHead:
    """The head on a volume of so many channels; `trunk` are the options of `BevTrunk`."""
    return MapHead(BevTrunk(channels, grid, cells, **trunk), sizes)


def _perceptron(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
