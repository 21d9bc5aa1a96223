"""A head that says of each cell of the ground whether something is there."""

from dataclasses import dataclass
from typing import Literal

import tyro

from mim4d.config.checks import require


@dataclass(frozen=True)
class CellsHeadConfig:
    """A head that says of each cell of the ground whether something is there."""

    kind: tyro.conf.Fixed[Literal["cells"]] = "cells"
    """Tells the kinds of heads apart where a configuration is read."""
    cells_xy: tuple[int, int] = (96, 96)
    """Number of cells along x and y. Together they cover the trunk's whole grid."""
    hidden: int = 64
    """Channels between the convolutions."""
    bce_weight: float = 1.0
    """Weight of the binary cross-entropy."""
    dice_weight: float = 1.0
    """Weight of the dice loss, which gives rare cells more weight."""
    min_lidar_points: int = 1
    """Cells of boxes with fewer LiDAR points are ignored, in the loss and in the counts; 0 ignores
    none. Boxes without a count of points are kept."""
    min_visibility: int = 2
    """Cells of boxes of a lower visibility (nuScenes' 1 to 4) are ignored as well; 1 ignores none.
    Boxes without a visibility are kept."""
    threshold: float = 0.5
    """A cell counts as predicted from this probability on."""

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return False

    def __post_init__(self) -> None:
        require(min(self.cells_xy) >= 1, "head.cells_xy", self.cells_xy, "at least 1 each")
        require(self.hidden >= 1, "head.hidden", self.hidden, "at least 1")
        for name in ("bce_weight", "dice_weight"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), f"head.{name}", value, "0 or more")
        require(
            self.bce_weight + self.dice_weight > 0,
            "head.dice_weight",
            self.dice_weight,
            "a positive number while head.bce_weight is 0",
        )
        require(
            self.min_lidar_points >= 0, "head.min_lidar_points", self.min_lidar_points, "0 or more"
        )
        require(1 <= self.min_visibility <= 4, "head.min_visibility", self.min_visibility, "1 to 4")
        require(0 < self.threshold < 1, "head.threshold", self.threshold, "between 0 and 1")
