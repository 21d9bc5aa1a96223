"""What a head that draws maps should say: true lines, in every order of their points, and cells.

Enters: the vector map around each car (`Clip.maps`). Leaves: dividers, crossings and boundaries
inside a rectangle of `ref`, metres; and, for learning, evenly spaced points in `share` coordinates,
which run from 0 to 1 over the rectangle, x then y.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.line_distance import respaced
from mim4d.metrics.map_ap import MapLines

CLASSES = ("divider", "ped_crossing", "boundary")
LINE_WIDTH_M = 0.9
"""Cells with their centre within half of this of a line are on it."""


@runtime_checkable
class Map(Protocol):
    """Of the vector map: its lines inside a rectangle (`MapPatch`)."""

    def polylines(self, layer: Any) -> tuple[Float[Tensor, "_ 2"], ...]:
        """Lines of a layer, or the outlines of its areas."""


@dataclass(frozen=True)
class MapTruth:
    """What is true of the maps of a batch.

    Attributes:
        lines: Of each clip, as they are, metres in `ref`.
        orders: Of each clip, every line in every order of its points that draws the same: both
            directions of an open line, both directions from every point of a closed one.
        cells: Where lines of each class run.
        tokens: Of the clips' key samples.
    """

    lines: tuple[MapLines, ...]
    orders: tuple[Float[Tensor, "_ _ m 2"], ...]
    cells: Bool[Tensor, "b l y x"]
    tokens: tuple[str, ...]


def map_truth(clip: Clip, cells: VoxelGrid, points: int, boundary: str) -> MapTruth:
    """The truth of every clip of a batch.

    Args:
        clip: With its maps.
        cells: One layer over the rectangle, in ego axes.
        points: Points of a line.
        boundary: The layer of the map whose outlines are boundaries.

    Raises:
        DataError: If there is no map.
    """
    if clip.maps is None:
        raise DataError(
            "the task hd_map needs vector maps, but the clips have none: read them with "
            "map_range_m, from maps/expansion/<location>.json of the data set"
        )
    bounds = (*cells.lower_m[:2], *cells.upper_m[:2])
    truths = [lines_of(patch.within(bounds), boundary) for patch in clip.maps]
    device = clip.images.device
    orders = tuple(orders_of(truth, cells, points).to(device) for truth in truths)
    on_lines = torch.stack([cells_on_lines(truth, cells) for truth in truths])
    return MapTruth(tuple(truths), orders, on_lines.to(device), tuple(clip.key_tokens))


def lines_of(patch: Map, boundary: str) -> MapLines:
    """Lines by class inside the rectangle of a map, with score 1.

    Args:
        patch: The map.
        boundary: The layer whose outlines are boundaries.
    """
    layers = (("lane_divider", 0), ("road_divider", 0), ("ped_crossing", 1), (boundary, 2))
    drawn = [(line, kind) for name, kind in layers for line in patch.polylines(name)]
    return MapLines(
        tuple(line for line, _ in drawn),
        torch.tensor([kind for _, kind in drawn], dtype=torch.int64),
        torch.ones(len(drawn)),
    )


def orders_of(truth: MapLines, cells: VoxelGrid, points: int) -> Float[Tensor, "k o m 2"]:
    """Evenly spaced points of each line, in every order that draws the same line."""
    lower, upper = torch.tensor(cells.lower_m[:2]), torch.tensor(cells.upper_m[:2])
    made = [
        _orders(torch.from_numpy(respaced(line.double().numpy(), points)).float())
        for line in truth.lines
    ]
    if not made:
        return torch.zeros(0, 2 * (points - 1), points, 2)
    return (torch.stack(made) - lower) / (upper - lower)


def _orders(line: Float[Tensor, "m 2"]) -> Float[Tensor, "o m 2"]:
    """As many for open as for closed lines, so that they stack: those of open ones repeat."""
    num_points = len(line)
    if torch.equal(line[0], line[-1]) and num_points > 2:
        corners = line[:-1]
        shifted = [corners.roll(-start, dims=0) for start in range(num_points - 1)]
        forward = torch.stack([torch.cat([turn, turn[:1]]) for turn in shifted])
    else:
        forward = line.expand(num_points - 1, -1, -1)
    return torch.cat([forward, forward.flip(1)])


def cells_on_lines(truth: MapLines, cells: VoxelGrid) -> Bool[Tensor, "l y x"]:
    """Cells whose centre is near a line, for each class."""
    centres = cells.centres_ego[0, ..., :2].flatten(0, 1)
    on_lines = torch.zeros(len(CLASSES), len(centres), dtype=torch.bool)
    for line, kind in zip(truth.lines, truth.classes.tolist(), strict=True):
        near = _distance(centres, line) <= LINE_WIDTH_M / 2
        on_lines[kind] |= near
    return on_lines.unflatten(-1, (cells.shape_xyz[1], cells.shape_xyz[0]))


def _distance(places: Float[Tensor, "p 2"], line: Float[Tensor, "m 2"]) -> Float[Tensor, " p"]:
    """Distance of places to the nearest piece of a line."""
    start, piece = line[:-1], line[1:] - line[:-1]
    along = ((places[:, None] - start) * piece).sum(-1) / piece.square().sum(-1).clamp(min=1e-12)
    foot = start + along.clamp(0, 1)[..., None] * piece
    return (places[:, None] - foot).norm(dim=-1).amin(dim=1)
