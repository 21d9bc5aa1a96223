"""Vehicles seen from above: the smallest task, and the yardstick that others are held against.

A cell is occupied if its centre lies in the footprint of a vehicle's box. Which boxes are vehicles
follows CVT's habit (arXiv 2205.02833), whose IoUs most papers quote: cars, trucks, buses, trailers,
construction vehicles, motorcycles and bicycles, but not police cars and ambulances. Boxes that
hardly anybody could have seen are ignored, in the loss and in the counts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.config.head import CellsHeadConfig, HeadConfig
from mim4d.data.clip import Clip
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.cell_iou import CellIou, CellTruth
from mim4d.tasks.cells import (
    CellHead,
    boxes_of,
    cell_centres,
    cell_losses,
    is_vehicle,
    seen_boxes,
    truth_of_boxes,
)
from mim4d.tasks.task import require_head


class Vehicles:
    """Which cells of the ground a vehicle covers.

    Args:
        options: Of the head, the losses, and what is ignored.
        grid: Of the trunk's volumes.

    Raises:
        ValueError: If the head is of another kind.
    """

    def __init__(self, options: HeadConfig, grid: VoxelGrid) -> None:
        options = require_head("vehicles", options, CellsHeadConfig)
        self.options = options
        self.grid = grid
        self.centres = cell_centres(grid, options.cells_xy)

    def build_head(self, channels: int) -> nn.Module:
        """Three convolutions and a logit."""
        layers = self.grid.shape_xyz[2]
        return CellHead(channels, layers, self.options.cells_xy, self.options.hidden)

    def targets(self, clip: Clip) -> CellTruth:
        """Cells under vehicles of the key frame.

        Raises:
            DataError: If the data set has no class of vehicles.
        """
        chosen = boxes_of(clip, vehicle_classes(clip.category_names))
        seen = seen_boxes(clip, self.options.min_lidar_points, self.options.min_visibility)
        return truth_of_boxes(clip, chosen, seen, self.centres)

    def losses(self, output: Float[Tensor, "b y x"], targets: CellTruth) -> dict[str, Tensor]:
        """Cross-entropy and dice."""
        options = self.options
        return cell_losses(output, targets, options.bce_weight, options.dice_weight)

    def decode(self, output: Float[Tensor, "b y x"]) -> Float[Tensor, "b y x"]:
        """Probability that a vehicle covers the cell."""
        return output.sigmoid()

    def usual(self, truths: Sequence[CellTruth]) -> Float[Tensor, "1 y x"]:
        """Among the clips in which a cell counts: in how many a vehicle covers it."""
        counted = torch.cat([~truth.ignored for truth in truths]).sum(dim=0)
        occupied = torch.cat([truth.occupied for truth in truths]).sum(dim=0)
        return (occupied / counted.clamp(min=1))[None]

    def build_metric(self) -> CellIou:
        """IoU of all and of visible vehicles."""
        return CellIou("vehicles", self.centres, self.options.threshold)


def vehicle_classes(category_names: tuple[str, ...]) -> tuple[int, ...]:
    """Rows of the categories that are vehicles.

    Raises:
        DataError: If none is.
    """
    found = tuple(row for row, name in enumerate(category_names) if is_vehicle(name))
    if not found:
        raise DataError(
            "the task vehicles needs boxes of vehicles, but the data set's classes are: "
            f"{', '.join(category_names) or 'none'}; expected names such as vehicle.car"
        )
    return found
