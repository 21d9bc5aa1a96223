"""Dense head: in which cell of the ground a box's centre lies, and what stands there.

Enters: the key frame's volume. Leaves, for each cell: a logit per class, where in the cell the
centre lies, its height, the logarithm of its size, its heading, its velocity and its attribute, in
the cells' axes (for our own grids: `ref`). Of the family of CenterPoint (arXiv 2006.11275).
"""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES
from mim4d.tasks.bev_trunk import BevTrunk

_START_LOGIT = -math.log(99)
"""Each class starts at a probability of 1 %."""
REGRESSED = {"offset": 2, "height": 1, "log_size": 3, "heading": 2, "velocity": 2}
"""Branches and the numbers of each."""


@dataclass(frozen=True)
class CentreOutput:
    """What is said of each cell.

    Attributes:
        logits: Of the ten classes, that a centre lies here.
        offset: Place of the centre in its cell, 0 to 1 along x and y.
        height: z of the centre, metres.
        log_size: Logarithm of length, width and height in metres.
        heading: Sine and cosine of the yaw.
        velocity: m/s.
        attributes: Logits of the attributes.
    """

    logits: Float[Tensor, "b k y x"]
    offset: Float[Tensor, "b 2 y x"]
    height: Float[Tensor, "b 1 y x"]
    log_size: Float[Tensor, "b 3 y x"]
    heading: Float[Tensor, "b 2 y x"]
    velocity: Float[Tensor, "b 2 y x"]
    attributes: Float[Tensor, "b a y x"]


class CentreHead(nn.Module):
    """Two convolutions for each kind of answer, on the features of a `BevTrunk`.

    Args:
        trunk: Volume to features of the cells.
        hidden: Channels between the two convolutions of the classes; a multiple of 8.
        box_hidden: The same of every other kind of answer.
    """

    def __init__(self, trunk: BevTrunk, hidden: int, box_hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        of_boxes = {**REGRESSED, "attributes": len(ATTRIBUTES)}
        classes = _branch(trunk.out_channels, hidden, len(CLASSES), start=_START_LOGIT)
        self.branches = nn.ModuleDict({"logits": classes})
        for name, size in of_boxes.items():
            self.branches[name] = _branch(trunk.out_channels, box_hidden, size)

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> CentreOutput:
        """What is said of each cell."""
        cells = self.trunk(volume)
        return CentreOutput(**{name: branch(cells) for name, branch in self.branches.items()})


def _branch(channels: int, hidden: int, outputs: int, start: float | None = None) -> nn.Sequential:
    last = nn.Conv2d(hidden, outputs, 1)
    if start is not None:
        assert last.bias is not None
        nn.init.constant_(last.bias, start)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
        nn.GroupNorm(hidden // 8, hidden),
        nn.ReLU(),
        last,
    )


def cell_places(cells: VoxelGrid, boxes: Float[Tensor, "k 9"]) -> Float[Tensor, "k 2"]:
    """Where centres lie, counted in cells along x and y; boxes are in the cells' axes."""
    lower, size = (boxes.new_tensor(side[:2]) for side in (cells.lower_m, cells.voxel_size_m))
    return (boxes[:, :2] - lower) / size
