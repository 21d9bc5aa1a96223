"""How images are compared by the losses that need no LiDAR."""

from dataclasses import dataclass

from mim4d.config.checks import require


@dataclass(frozen=True)
class PhotometricConfig:
    """How images are compared by the losses that need no LiDAR."""

    sources: int = 4
    """Images that each image is compared with: those of its clip with the largest overlap."""
    downscale: int = 2
    """Images are made smaller by this factor, by averaging, before they are compared."""
    patch_side: int = 3
    """Pixels along a side of the compared patches; odd, at least 3."""
    patch_step_px: float = 2.0
    """Distance between a patch's pixels, in pixels of the averaged images."""
    sweep_depths: int = 40
    """Depths of the plane sweep, in equal ratios over the range of the lifting's bins."""
    temperature: float = 0.06
    """Temperature of the plane sweep: the difference in cost (0 to 1) that counts as clear."""

    def __post_init__(self) -> None:
        for name, least in (("sources", 1), ("downscale", 1), ("sweep_depths", 2)):
            value = getattr(self, name)
            require(value >= least, f"photometric.{name}", value, f"at least {least}")
        require(
            self.patch_side >= 3 and self.patch_side % 2 == 1,
            "photometric.patch_side",
            self.patch_side,
            "an odd number, at least 3",
        )
        for name in ("patch_step_px", "temperature"):
            value = getattr(self, name)
            require(value > 0, f"photometric.{name}", value, "a positive number")

    def check_images(self, image_height: int, image_width: int) -> None:
        """Refuse to average over blocks of pixels that do not fill an image."""
        for name, size in (("image_height", image_height), ("image_width", image_width)):
            require(
                size % self.downscale == 0,
                "photometric.downscale",
                self.downscale,
                f"a divisor of clip.{name} ({size})",
            )
