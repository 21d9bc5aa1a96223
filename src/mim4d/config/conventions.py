"""What an imported checkpoint takes for granted.

The defaults are right for every model of our own; `mim4d import-official` sets what the authors'
checkpoints need.
"""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require


@dataclass(frozen=True)
class ConventionConfig:
    """Conventions of imported checkpoints; leave them alone for models of your own."""

    lifted_at: Literal["centre", "corner"] = "centre"
    """Where features are lifted: at the centre of a voxel (lookup) or image cell (splat), or at the
    corner where its axes begin."""
    maps_span: Literal["faces", "centres"] = "faces"
    """What the image's borders and the ends of the depth range are to the maps that lift.method
    lookup reads: the outer faces of the outermost cells and bins, or their centres."""
    volume_spans: Literal["faces", "centres"] = "faces"
    """What the grid's bounds are when a volume is rendered: the outer faces of the outermost
    voxels, or their centres."""
    norms: Literal["single", "batch"] = "single"
    """Norms of the volumes' convolution and of lift.depth_head aspp: of each volume and image by
    itself, or batch norms over clips, frames and cameras."""
    sources_by: Literal["time", "position"] = "time"
    """What tells the decoder's sources apart: their signed time, or their place in the list of
    sources, newest first, whose first one the short branch reads."""
    queries: Literal["shared", "per_cell"] = "shared"
    """The decoder's queries: the mean of the sources and one learned vector, or a learned vector
    for each cell of the grid."""
    start_from_mean: bool = True
    """The decoder adds to the mean of the sources; otherwise it gives the whole volume."""
    samples_at: Literal["middle", "start"] = "middle"
    """Where in its section of a ray a sample lies."""
    alpha_epsilon: float = 0.0
    """Added to both parts of the ratio that gives a section's opacity."""
    importance_sharpness_per_m: float = 1.25
    """Sharpness with which the SDF is read to place the further samples, 1/metre."""

    def __post_init__(self) -> None:
        value = self.alpha_epsilon
        require(0 <= value < 1, "conventions.alpha_epsilon", value, "a number in [0, 1)")
        value = self.importance_sharpness_per_m
        path = "conventions.importance_sharpness_per_m"
        require(value > 0, path, value, "a positive number")
