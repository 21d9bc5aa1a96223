"""How bright and colourful a frame is as a whole, handed on past the norms.

All images of a frame show one scene. Norms of the image encoder and of the volume take away what is
common to it: dusk and haze look like noon to what follows, and colours rendered from the volume are
no brighter or darker than a guess. So what was seen of the colours stands in channels of the volume
of their own, the same in every voxel. Colours are made from them; signed distances and tasks are
not, because the few scenes of a small data set could be told apart by them, and shapes learned by
heart. The temporal decoder carries them along. In radiance fields of photographs, appearance
vectors do this (arXiv 2008.02268); these are measured instead of learned by image, so that a new
drive has its own.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_USUAL_MEAN, _USUAL_MEAN_SPREAD = 0.45, 0.2
_USUAL_STD, _USUAL_STD_SPREAD = 0.2, 0.1
"""Of daylight pictures; they only bring the channels to about unit size."""


def add_exposure(
    volume: Float[Tensor, "m c z y x"],
    images: Float[Tensor, "m n 3 h w"],
    seen: Bool[Tensor, "m n h w"],
) -> Float[Tensor, "m c+4 z y x"]:
    """The volume with the channels of its frame's exposure behind its own.

    Args:
        volume: Of each frame.
        images: Of every camera of a frame; RGB in [0, 1].
        seen: Pixels that count: of the picture, not of its padding, and visible to the encoder. A
            frame without any counts as black.
    """
    mean, std = seen_colours(images, seen)
    brightness = (mean - _USUAL_MEAN) / _USUAL_MEAN_SPREAD
    contrast = (std.mean(dim=1, keepdim=True) - _USUAL_STD) / _USUAL_STD_SPREAD
    channels = torch.cat([brightness, contrast], dim=1).to(volume.dtype)
    shape = (*channels.shape, *volume.shape[2:])
    return torch.cat([volume, channels[:, :, None, None, None].expand(shape)], dim=1)


def seen_colours(
    images: Float[Tensor, "m n 3 h w"], seen: Bool[Tensor, "m n h w"]
) -> tuple[Float[Tensor, "m 3"], Float[Tensor, "m 3"]]:
    """Mean and standard deviation of the colours of all seen pixels; zeros where none is."""
    weight = seen.to(images.dtype)
    count = weight.sum(dim=(1, 2, 3)).clamp(min=1).unsqueeze(-1)
    mean, square = (
        torch.einsum("mnchw,mnhw->mc", values, weight) / count
        for values in (images, images.square())
    )
    return mean, (square - mean.square()).clamp(min=0).sqrt()
