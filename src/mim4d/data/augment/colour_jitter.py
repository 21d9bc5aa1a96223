"""Brightness, contrast, saturation and hue as one affine map of colours.

What enters are RGB images and four numbers; what leaves are images of the same kind. Contrast
turns about mid-grey instead of about each image's own mean, so that one setting does the same to
every frame of a video, and the four together are one 3×4 matrix that rounds and clips only once.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

# Luminance and the two colour differences of NTSC (YIQ); the differences of a grey are 0.
_YIQ_FROM_RGB = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


@dataclass(frozen=True)
class ColourJitter:
    """One change of colours; the defaults change nothing.

    Attributes:
        brightness: Factor on every colour.
        contrast: Factor on the difference to mid-grey.
        saturation: Factor on the difference to the pixel's own grey.
        hue_rad: Turn of colours about the grey axis; luminance stays.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue_rad: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether images leave as they come."""
        return self == ColourJitter()

    def matrix(self) -> Float64[Tensor, "3 4"]:
        """New colour from old, homogeneous, colours in [0, 1]: brightness first, hue last."""
        yiq_from_rgb = torch.tensor(_YIQ_FROM_RGB, dtype=torch.float64)
        cos = self.saturation * math.cos(self.hue_rad)
        sin = self.saturation * math.sin(self.hue_rad)
        turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
        chroma = torch.linalg.inv(yiq_from_rgb) @ turn @ yiq_from_rgb
        # Greys are left alone by the turn, and so is the offset, which is grey.
        offset = torch.full((3, 1), 0.5 * (1 - self.contrast), dtype=torch.float64)
        return torch.cat([self.contrast * self.brightness * chroma, offset], dim=1)

    def apply(
        self, images: UInt8[Tensor, "t 3 h w"] | Float[Tensor, "t 3 h w"]
    ) -> UInt8[Tensor, "t 3 h w"] | Float[Tensor, "t 3 h w"]:
        """The images in other colours; integers 0 to 255, or numbers in [0, 1]."""
        if self.changes_nothing:
            return images
        is_float = images.is_floating_point()
        top = 1.0 if is_float else 255.0
        matrix = self.matrix().float()
        # One pass over memory where colours lie last, as the reader leaves them. The offset is the
        # same for every colour; to add one number is several times as fast as to add three.
        colours = images.movedim(1, -1).float() @ matrix[:, :3].T
        colours = colours.add_(top * float(matrix[0, 3])).clamp_(0.0, top)
        if not is_float:
            colours = colours.add_(0.5)  # conversion to integers rounds down
        return colours.to(images.dtype).movedim(-1, 1)
