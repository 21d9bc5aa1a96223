"""What stands on the trunk: one file for each kind of head, told apart by its field "kind".

Every kind says whether its task reads the vector map. `BevTrunkConfig` is the part
that most of them share: see `mim4d.tasks.bev_trunk`.
"""

from mim4d.config.head.bev_trunk import BevTrunkConfig
from mim4d.config.head.cells import CellsHeadConfig
from mim4d.config.head.centres import CentreHeadConfig
from mim4d.config.head.hd_map import HdMapHeadConfig
from mim4d.config.head.occupancy import OccupancyHeadConfig
from mim4d.config.head.queries import QueryHeadConfig
from mim4d.config.head.segmentation import BevLayer, SegmentationHeadConfig

__all__ = [
    "BevLayer",
    "BevTrunkConfig",
    "CellsHeadConfig",
    "CentreHeadConfig",
    "HdMapHeadConfig",
    "HeadConfig",
    "OccupancyHeadConfig",
    "QueryHeadConfig",
    "SegmentationHeadConfig",
]

HeadConfig = (
    CellsHeadConfig
    | CentreHeadConfig
    | HdMapHeadConfig
    | OccupancyHeadConfig
    | QueryHeadConfig
    | SegmentationHeadConfig
)
"""Every kind of head."""
