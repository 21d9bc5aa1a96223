"""From the key frame's volume to features of cells of the ground, which several heads share."""

from dataclasses import dataclass

from mim4d.config.checks import require


@dataclass(frozen=True)
class BevTrunkConfig:
    """A small residual network seen from above."""

    width: int = 64
    """Channels at the volume's own resolution, and of each cell at the end."""
    scales: int = 2
    """Resolutions of the network, the voxels' own included; each further one has half the cells a
    side and one and a half times the channels."""
    blocks: int = 1
    """Residual blocks at each scale, on the way down and on the way up."""
    cell_blocks: int = 1
    """Residual blocks on the cells, if these are not the voxels' own columns."""
    place_octaves: int = 0
    """Position encoding of each cell around the car: sine waves along x and y of so many
    wavelengths, each half of the one before. 0: none. Roads run where one drives, which
    convolutions alone cannot know."""

    def __post_init__(self) -> None:
        numbers = (("width", 8), ("blocks", 1), ("cell_blocks", 0), ("place_octaves", 0))
        for name, least in numbers:
            value = getattr(self, name)
            require(value >= least, f"head.trunk.{name}", value, f"at least {least}")
        require(self.width % 8 == 0, "head.trunk.width", self.width, "a multiple of 8")
        require(1 <= self.scales <= 4, "head.trunk.scales", self.scales, "1 to 4")
