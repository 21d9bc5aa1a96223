"""From image features to voxels: depth bins, depth head, lifting."""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require

EXPOSURE_CHANNELS = 4
"""Mean red, green and blue, and their mean standard deviation."""


@dataclass(frozen=True)
class LiftConfig:
    """Image features to voxels."""

    method: Literal["lookup", "splat"] = "lookup"
    """`lookup`: each voxel reads the cameras that see it, so none of these stays empty. `splat`:
    each image cell and depth bin falls into one voxel, so no probability is lost or counted
    twice."""
    num_bins: int = 48
    """Number of depth bins."""
    first_bin_m: float = 1.0
    """Centre of the first bin, metres along the optical axis."""
    last_bin_m: float = 48.0
    """Centre of the last bin, metres."""
    depth_head: Literal["camera_aware", "simple", "aspp"] = "camera_aware"
    """`camera_aware`: gets the ray of each cell and starts from a flat road. `simple` (one 1×1
    convolution) and `aspp`: the published ones."""
    normalise: Literal["sum", "mean"] = "mean"
    """Sum or mean of what several cameras (lookup) or points (splat) contribute to a voxel."""
    light: bool = False
    """Give the volume's convolution three more channels: how much light ends at a voxel, passes it,
    and ended before. They tell free space from hidden space, and place surfaces between voxels
    that are wider than a depth bin; --lift.no-light turns that off."""
    exposure: bool = False
    """Give each volume four more channels, the same in every voxel: mean colour and contrast of
    what the encoder saw of its frame. Norms take that away, and rendered colours want it; shapes
    are decoded without. --lift.no-exposure turns that off."""
    volume_channels: int = 32
    """Channels of each voxel."""
    volume_layers: int = 1
    """Number of 3×3×3 convolutions on a volume; published detectors have three."""
    aspp_channels: int = 96
    """Channels of each branch of the pyramid, with depth_head aspp."""

    @property
    def channels(self) -> int:
        """Channels of a volume: the learned ones, then those of the exposure."""
        return self.volume_channels + (EXPOSURE_CHANNELS if self.exposure else 0)

    def __post_init__(self) -> None:
        require(
            0 <= self.first_bin_m < self.last_bin_m,
            "lift.first_bin_m",
            self.first_bin_m,
            f"between 0 and last_bin_m ({self.last_bin_m})",
        )
        for name, least in (
            ("num_bins", 2),
            ("volume_channels", 1),
            ("volume_layers", 1),
            ("aspp_channels", 1),
        ):
            value = getattr(self, name)
            require(value >= least, f"lift.{name}", value, f"at least {least}")
