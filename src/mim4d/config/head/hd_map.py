"""A head that draws the map around the car as lines."""

from dataclasses import dataclass, field
from typing import Literal

import tyro

from mim4d.config.checks import require
from mim4d.config.head.bev_trunk import BevTrunkConfig


@dataclass(frozen=True)
class HdMapHeadConfig:
    """Lines of so many points each, found by queries; see `mim4d.tasks.hd_map`."""

    kind: tyro.conf.Fixed[Literal["hd_map"]] = "hd_map"
    """Tells the kinds of heads apart where a configuration is read."""
    range_xy_m: tuple[float, float] = (60.0, 30.0)
    """Length along x and width along y of the map, centred on the car."""
    cells_xy: tuple[int, int] = (100, 50)
    """Number of cells along x and y over that range, from which points read features."""
    lines: int = 20
    """Largest number of lines."""
    points: int = 10
    """Points of a line, evenly spaced."""
    layers: int = 3
    """Layers of the decoder; each moves the points and is trained."""
    heads: int = 4
    """Heads of every attention; they divide `trunk.width`."""
    places: int = 4
    """Places around each point that an attention head reads."""
    boundary: Literal["drivable_area", "road_boundary"] = "drivable_area"
    """What boundaries are the outline of. `drivable_area`: all areas that may be driven on.
    `road_boundary`: road segments and lanes, as MapTR does on nuScenes."""
    class_weight: float = 2.0
    """Weight of the focal loss of classes."""
    points_weight: float = 5.0
    """Weight of the L1 loss of points, in shares of the range, summed over a line."""
    direction_weight: float = 0.005
    """Weight of one minus the cosine between predicted and true pieces of a line."""
    segmentation_weight: float = 1.0
    """Weight of the auxiliary loss of cells near lines."""
    warmup_steps: int = 50
    """First steps, which train the cells alone: lines need their features."""
    one_to_many: int = 0
    """Further lines in training alone, several of which learn each true one (one-to-many)."""
    repeats: int = 6
    """Number of further lines that learn each true one."""
    one_to_many_weight: float = 1.0
    """Weight of the losses of the further lines."""
    trunk: BevTrunkConfig = field(default_factory=BevTrunkConfig)

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return True

    def __post_init__(self) -> None:
        least = {"lines": 1, "points": 2, "layers": 1, "heads": 1, "places": 1, "warmup_steps": 0}
        least |= {"one_to_many": 0, "repeats": 1}
        for name, value in least.items():
            found = getattr(self, name)
            require(found >= value, f"head.{name}", found, f"at least {value}")
        require(min(self.range_xy_m) > 0, "head.range_xy_m", self.range_xy_m, "positive metres")
        require(min(self.cells_xy) >= 1, "head.cells_xy", self.cells_xy, "at least 1 each")
        require(
            self.trunk.width % self.heads == 0,
            "head.heads",
            self.heads,
            f"a divisor of head.trunk.width ({self.trunk.width})",
        )
        for name in ("class", "points", "direction", "segmentation", "one_to_many"):
            weight = getattr(self, f"{name}_weight")
            require(0 <= weight < float("inf"), f"head.{name}_weight", weight, "0 or more")
