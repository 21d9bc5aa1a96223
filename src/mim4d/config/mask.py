"""What is hidden from the model: patches of images, and whole frames."""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require


@dataclass(frozen=True)
class MaskConfig:
    """Which part of the input is hidden."""

    ratio: float = 0.3
    """Share of image patches that are hidden, drawn anew for every image. 0: none."""
    patch_px: int = 32
    """Side of a patch, pixels: 32, the encoder's largest stride, or a multiple of it."""
    shared_over_time: bool = False
    """Hide the same patches in all frames of a camera, so that no other frame of it shows them."""
    dropped_frame: Literal["inner", "any", "key"] = "inner"
    """Which frame is dropped and rebuilt. `inner`: one with neighbours on both sides. `any`: any.
    `key`: the key frame (and, if more are dropped, any others)."""
    num_dropped: int = 1
    """Frames of a clip that are dropped. 0: none, and nothing is learned about time. The published
    recipe drops two, the key frame and another, not together."""
    dropped_together: bool = True
    """Rebuild each dropped frame only from frames that are not dropped; with
    --mask.no-dropped-together from all others, dropped ones too."""

    def __post_init__(self) -> None:
        require(0 <= self.ratio < 1, "mask.ratio", self.ratio, "a share in [0, 1)")
        require(
            self.patch_px > 0 and self.patch_px % 32 == 0,
            "mask.patch_px",
            self.patch_px,
            "a positive multiple of 32",
        )
        require(self.num_dropped >= 0, "mask.num_dropped", self.num_dropped, "0 or more")

    def check_patches(self, image_height: int, image_width: int, rays_on_hidden: bool) -> None:
        """Refuse a ratio that hides all patches of an image, or none where rays need some."""
        for name, size in (("image_height", image_height), ("image_width", image_width)):
            require(
                size % self.patch_px == 0,
                f"clip.{name}",
                size,
                f"a multiple of mask.patch_px ({self.patch_px})",
            )
        count = (image_height // self.patch_px) * (image_width // self.patch_px)
        num_visible = round(count * (1 - self.ratio))
        require(
            num_visible >= 1,
            "mask.ratio",
            self.ratio,
            f"less, so that at least one of an image's {count} patches stays visible",
        )
        require(
            num_visible < count or not rays_on_hidden,
            "mask.ratio",
            self.ratio,
            f"more, so that at least one of an image's {count} patches is hidden, or "
            "render.rays_on 'everywhere'",
        )

    def check_dropped(self, frames: int) -> None:
        """Refuse to drop more frames than a clip of so many has to offer."""
        if frames == 1 or self.num_dropped == 0:
            return
        require(
            self.dropped_frame != "inner" or frames >= 3,
            "clip.frames",
            frames,
            "at least 3 where mask.dropped_frame is 'inner' (choose 'any' or 'key')",
        )
        candidates = frames - 2 if self.dropped_frame == "inner" else frames
        require(
            self.num_dropped <= candidates,
            "mask.num_dropped",
            self.num_dropped,
            f"at most {candidates} (mask.dropped_frame {self.dropped_frame!r} of clip.frames "
            f"{frames})",
        )
        require(
            self.num_dropped < frames or not self.dropped_together,
            "mask.num_dropped",
            self.num_dropped,
            f"less than clip.frames ({frames}), or --mask.no-dropped-together",
        )
