"""UVTR's heads: queries that look the volume up and become boxes."""

from dataclasses import dataclass
from typing import Literal

import tyro

from mim4d.config.checks import require

_CODE = 10


@dataclass(frozen=True)
class QueryHeadConfig:
    """UVTR's heads: queries that look the volume up and become boxes."""

    kind: tyro.conf.Fixed[Literal["queries"]] = "queries"
    """Tells the kinds of heads apart where a configuration is read."""
    queries: Literal["learned", "placed"] = "learned"
    """`learned`: content and position are learned (UVTR, the 0.1 m release). `placed`: places are
    learned, and noisy true boxes are added in training (UVTR-DN, 0.075 m)."""
    num_queries: int = 900
    """Number of queries."""
    layers: int = 6
    """Layers of the decoder."""
    heads: int = 8
    """Heads of the attention among queries; they share the volume's channels."""
    hidden: int = 512
    """Channels of the feed-forward parts."""
    dropout: float = 0.1
    """Dropout rate in training."""
    class_weight: float = 2.0
    """Weight of the focal loss and of its matching cost."""
    box_weight: float = 0.25
    """Weight of the L1 of box codes and of its matching cost."""
    overlap_weight: float = 0.5
    """Weight of the L1 loss of 2·IoU − 1, which placed queries predict of their boxes."""
    code_weights: tuple[float, ...] = (1.0,) * 8 + (0.2, 0.2)
    """Weights within a box code: cx, cy, log w, log l, cz, log h, sin, cos, vx, vy."""
    denoising_groups: int = 10
    """Largest number of noisy copies of each true box, with `placed`; 0: no denoising."""
    max_boxes: int = 300
    """Boxes of a clip: the best-scored over queries and classes."""
    centre_limits_m: tuple[float, float, float] = (61.2, 61.2, 10.0)
    """Boxes whose centre lies further along x, y or z of the grid's axes are dropped."""
    min_lidar_points: int = 1
    """Boxes with fewer LiDAR points are not learned; 0 takes all."""
    class_names: tuple[str, ...] = ()
    """Names of the data's categories where they differ from nuScenes', as NAME=CLASS with one of
    the ten classes."""

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return False

    def __post_init__(self) -> None:
        for name in ("num_queries", "layers", "heads", "hidden"):
            value = getattr(self, name)
            require(value >= 1, f"head.{name}", value, "at least 1")
        for name in ("class_weight", "box_weight", "overlap_weight"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), f"head.{name}", value, "0 or more")
        require(0 <= self.dropout < 1, "head.dropout", self.dropout, "in [0, 1)")
        require(
            len(self.code_weights) == _CODE and min(self.code_weights, default=0) >= 0,
            "head.code_weights",
            self.code_weights,
            f"{_CODE} numbers, 0 or more",
        )
        groups = self.denoising_groups
        require(groups >= 0, "head.denoising_groups", groups, "0 or more")
        require(1 <= self.max_boxes <= 500, "head.max_boxes", self.max_boxes, "1 to 500")
        require(
            self.min_lidar_points >= 0, "head.min_lidar_points", self.min_lidar_points, "0 or more"
        )
