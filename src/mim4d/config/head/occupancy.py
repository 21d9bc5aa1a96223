"""A head that says of each voxel whether it is free, or what stands in it."""

from dataclasses import dataclass
from typing import Literal

import tyro

from mim4d.config.checks import require


@dataclass(frozen=True)
class OccupancyHeadConfig:
    """One convolution on the volume; see `mim4d.tasks.occupancy`."""

    kind: tyro.conf.Fixed[Literal["occupancy"]] = "occupancy"
    """Tells the kinds of heads apart where a configuration is read."""
    labels: Literal["auto", "exact", "lidar"] = "auto"
    """Source of the labels. `exact`: truth of an embedded world. `lidar`: LiDAR of several key
    frames, boxes moved along. `auto`: exact where there is, else lidar."""
    sweeps: int = 2
    """Key frames before and after the key frame whose LiDAR makes labels."""
    classes: bool = False
    """Predict vehicles, people, other objects and background apart, not just occupied."""
    hidden: int = 32
    """Channels of the convolution."""
    occupied_weight: float = 1.0
    """Weight of occupied voxels in the cross-entropy; free ones weigh 1."""

    @property
    def needs_map(self) -> bool:
        """Whether clips must come with the vector map."""
        return False

    def __post_init__(self) -> None:
        require(self.sweeps >= 0, "head.sweeps", self.sweeps, "0 or more")
        require(self.hidden >= 1, "head.hidden", self.hidden, "at least 1")
        weight = self.occupied_weight
        require(0 < weight < float("inf"), "head.occupied_weight", weight, "a positive number")
