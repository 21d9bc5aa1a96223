"""How one camera's images are placed in training: a draw that is made before their size is known.

What enters is a draw of `augment`, in shares and factors; what leaves, for images of one stored
size, is their placement in the target, in pixels.
"""

from dataclasses import dataclass, replace

from mim4d.data.images.placement import ImagePlacement, Size


@dataclass(frozen=True)
class ImageDraw:
    """One camera's draw, before the size of its images is known.

    Attributes:
        scale: Factor on the usual size.
        crop_shares: Shares of what must be cropped that are cropped at the left and at the top;
            None: cropped as usual.
        flipped: Whether to mirror.
    """

    scale: float = 1.0
    crop_shares: tuple[float, float] | None = None
    flipped: bool = False

    def placement(self, usual: ImagePlacement, stored_hw: Size, target_hw: Size) -> ImagePlacement:
        """How images of one size are laid into their target, instead of as usual."""
        if self.crop_shares is None:
            return replace(usual, flipped=self.flipped)
        scale = self.scale * usual.scale
        height, width = ImagePlacement(scale).scaled_hw(stored_hw)
        spare_rows, spare_columns = max(0, height - target_hw[0]), max(0, width - target_hw[1])
        # Shares are below 1, so that every whole number from 0 to the spare is as likely.
        left, top = (
            int(self.crop_shares[0] * (spare_columns + 1)),
            int(self.crop_shares[1] * (spare_rows + 1)),
        )
        return ImagePlacement(scale, left, top, self.flipped)
