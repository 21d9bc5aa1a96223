"""A dense head for boxes: in which cell a centre lies, and what stands there."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mim4d.config.checks import require
from mim4d.config.head.bev_trunk import BevTrunkConfig


@dataclass(frozen=True)
class CentreHeadConfig:
    """A dense head for boxes: in which cell a centre lies, and what stands there."""

    kind: tyro.conf.Fixed[Literal["centres"]] = "centres"
    """Tells the kinds of heads apart where a configuration is read."""
    cells_xy: tuple[int, int] = (128, 128)
    """Number of cells along x and y, over range_xy_m."""
    range_xy_m: tuple[float, float] | None = None
    """Length and width of the searched area, metres, centred on the car. None: the whole grid."""
    trunk: BevTrunkConfig = field(default_factory=BevTrunkConfig)
    hidden: int = 64
    """Channels of each branch."""
    box_hidden: int | None = None
    """The same for the branches of place, height, size, heading, velocity and attribute, which
    are six. None: as `hidden`."""
    box_weight: float = 1.0
    """Weight of the L1 losses of place in the cell, height, size and heading."""
    velocity_weight: float = 0.2
    """Weight of the L1 loss of the velocity, m/s, mean over what moves; what the attribute says
    stands is given 0. Seeing motion takes more than one frame: see `join`."""
    attribute_weight: float = 0.2
    """Weight of the cross-entropy of the attribute."""
    min_lidar_points: int = 1
    """Boxes with fewer LiDAR points are ignored in training: finding them is neither right nor
    wrong. 0 takes all. Boxes without a count of points are taken."""
    min_visibility: int = 1
    """Boxes of a lower visibility (nuScenes' 1 to 4) are ignored as well."""
    max_boxes: int = 300
    """Largest number of boxes of a clip; a submission allows 500."""
    min_score: float = 0.01
    """Boxes of a lower score are dropped."""
    class_names: tuple[str, ...] = ()
    """Names of the data's categories where they differ from nuScenes', as NAME=CLASS with one of
    the ten classes."""

    @property
    def box_channels(self) -> int:
        """Channels of the branches that say what a box is like."""
        return self.hidden if self.box_hidden is None else self.box_hidden

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return False

    def __post_init__(self) -> None:
        require(min(self.cells_xy) >= 3, "head.cells_xy", self.cells_xy, "at least 3 each")
        for name, channels in (("hidden", self.hidden), ("box_hidden", self.box_channels)):
            require(channels >= 8, f"head.{name}", channels, "at least 8")
            require(channels % 8 == 0, f"head.{name}", channels, "a multiple of 8")
        for name in ("box_weight", "velocity_weight", "attribute_weight"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), f"head.{name}", value, "0 or more")
        gated = self.velocity_weight == 0 or self.attribute_weight > 0
        expected = "above 0 beside head.velocity_weight: the attribute tells what moves"
        require(gated, "head.attribute_weight", self.attribute_weight, expected)
        require(
            self.min_lidar_points >= 0, "head.min_lidar_points", self.min_lidar_points, "0 or more"
        )
        require(1 <= self.min_visibility <= 4, "head.min_visibility", self.min_visibility, "1 to 4")
        require(1 <= self.max_boxes <= 500, "head.max_boxes", self.max_boxes, "1 to 500")
        require(0 <= self.min_score < 1, "head.min_score", self.min_score, "in [0, 1)")
