"""Which images make a clip, and at what size."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.config.checks import require
from mim4d.data.images.image_fit import Fit


@dataclass(frozen=True)
class ClipConfig:
    """Which images make a clip, and at what size."""

    frames: int = 3
    """Frames of a clip. With 1 no frame is dropped, and nothing is learned about time."""
    key: int = 1
    """Index of the key frame among the frames, oldest first. Its ego frame is `ref`."""
    frame_interval_s: float | None = None
    """Time between frames, seconds. None: consecutive keyframes, whatever their spacing."""
    image_height: int = 128
    """Height that images are fitted into, pixels; a multiple of 32."""
    image_width: int = 224
    """Width that images are fitted into, pixels; a multiple of 32."""
    fit: Fit = "inside"
    """`inside`: the whole image, with padding. `cover`: fill the target and crop the sky."""
    cameras: tuple[str, ...] | None = None
    """Camera channels to use. None: all."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel. None: no LiDAR; frames then have the time and pose of the front camera."""
    body_masks: Path | None = None
    """Folder with a mask CHANNEL.png for each camera that sees its own car, non-zero on the car.
    Masked pixels get no rays, and no distance counts there."""
    sky_masks: Path | None = None
    """Folder with a mask for every image (PNG, at the image's path below the data set), non-zero on
    the sky. Masked pixels get no rays."""

    def __post_init__(self) -> None:
        require(self.frames >= 1, "clip.frames", self.frames, "at least 1")
        require(
            -self.frames <= self.key < self.frames,
            "clip.key",
            self.key,
            f"the index of one of clip.frames ({self.frames}) frames",
        )
        require(
            self.frame_interval_s is None or self.frame_interval_s > 0,
            "clip.frame_interval_s",
            self.frame_interval_s,
            "a positive number of seconds",
        )
        for name in ("image_height", "image_width"):
            size = getattr(self, name)
            require(size > 0 and size % 32 == 0, f"clip.{name}", size, "a positive multiple of 32")
