"""How a stored image is laid into its target: made smaller or larger, cropped, mirrored, padded.

What enters are sizes in whole pixels (rows, columns); what leaves are the picture's size, the part
of the stored image that it shows, and the 3×3 matrix that takes stored pixels to target pixels (the
first pixel's corner is (0, 0)). The picture always begins at the target's corner, so that padding
lies at the right and at the bottom only.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mim4d.data.images.image_fit import Fit

Size = tuple[int, int]


@dataclass(frozen=True)
class ImagePlacement:
    """Scale, then crop, then mirror, then pad to the target.

    Attributes:
        scale: Target pixels per stored pixel. Sizes are rounded to whole pixels, so that the exact
            factor of each axis differs a little (`scaled_hw`).
        crop_left_px: Columns of the scaled image left out at its left.
        crop_top_px: Rows of the scaled image left out at its top. What lies beyond the target at
            the right and at the bottom is left out as well.
        flipped: Whether the picture, crop done, is mirrored left to right: u → width − u.

    Raises:
        ValueError: If the scale is not a positive number, or a crop is negative.
    """

    scale: float
    crop_left_px: int = 0
    crop_top_px: int = 0
    flipped: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"image placement: scale is {self.scale}; expected a positive number")
        if self.crop_left_px < 0 or self.crop_top_px < 0:
            raise ValueError(
                f"image placement: crop of {self.crop_left_px} columns and {self.crop_top_px} rows;"
                " expected 0 or more (the picture begins at the target's corner)"
            )

    @classmethod
    def fitted(cls, stored_hw: Size, target_hw: Size, fit: Fit = "inside") -> "ImagePlacement":
        """The largest picture that shows the whole image, or the smallest without padding.

        Of the latter, rows at the top (sky) and as many columns left as right are cropped.
        """
        ratios = (target_hw[0] / stored_hw[0], target_hw[1] / stored_hw[1])
        if fit == "inside":
            return cls(min(ratios))
        height, width = cls(max(ratios)).scaled_hw(stored_hw)
        return cls(max(ratios), (width - target_hw[1]) // 2, height - target_hw[0])

    def scaled_hw(self, stored_hw: Size) -> Size:
        """Rows and columns of the whole image after scaling."""
        height, width = stored_hw
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))

    def picture_hw(self, stored_hw: Size, target_hw: Size) -> Size:
        """Rows and columns of the target that are picture.

        Raises:
            ValueError: If the crop leaves nothing of the image.
        """
        height, width = self.scaled_hw(stored_hw)
        rows = min(target_hw[0], height - self.crop_top_px)
        columns = min(target_hw[1], width - self.crop_left_px)
        if rows < 1 or columns < 1:
            raise ValueError(
                f"image placement: an image of {stored_hw[0]}x{stored_hw[1]} pixels scaled to "
                f"{height}x{width} has nothing left after a crop of {self.crop_top_px} rows and "
                f"{self.crop_left_px} columns; crop less"
            )
        return rows, columns

    def shown_box(self, stored_hw: Size, target_hw: Size) -> tuple[float, float, float, float]:
        """The part of the stored image that is shown: left, top, right, bottom, stored pixels."""
        (height, width), (rows, columns) = stored_hw, self.picture_hw(stored_hw, target_hw)
        scaled_height, scaled_width = self.scaled_hw(stored_hw)
        left, right = self.crop_left_px, self.crop_left_px + columns
        top, bottom = self.crop_top_px, self.crop_top_px + rows
        return (
            left * width / scaled_width,
            top * height / scaled_height,
            right * width / scaled_width,
            bottom * height / scaled_height,
        )

    def target_from_stored(self, stored_hw: Size, target_hw: Size) -> Float64[Tensor, "3 3"]:
        """Homogeneous stored pixels to target pixels; times the intrinsics: the new intrinsics.

        Rounding of the scaled size to whole pixels is included. A mirrored picture has a negative
        first element: intrinsics then have a negative fx, and the camera's pose stays as it is.
        """
        scaled_height, scaled_width = self.scaled_hw(stored_hw)
        _, columns = self.picture_hw(stored_hw, target_hw)
        scale_x, scale_y = scaled_width / stored_hw[1], scaled_height / stored_hw[0]
        first = [scale_x, 0.0, -float(self.crop_left_px)]
        if self.flipped:
            first = [-scale_x, 0.0, float(columns + self.crop_left_px)]
        second = [0.0, scale_y, -float(self.crop_top_px)]
        return torch.tensor([first, second, [0.0, 0.0, 1.0]], dtype=torch.float64)
