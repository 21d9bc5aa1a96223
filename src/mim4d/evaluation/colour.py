"""Colour: how well pictures are met, on all pixels and in parts, and what averages alone give.

The references use the image that is to be met, averaged: what a rendering has to beat before one
can speak of recognising anything. Colours are RGB in [0, 1] in images of the lattice.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.truth import FrameTruth
from mim4d.evaluation.view import EvaluatedView
from mim4d.metrics.image import psnr, ssim
from mim4d.tensors.pixels import unit_colours

BLOCKS_PX = (32, 16, 8)


@dataclass(frozen=True)
class ColourScores:
    """Means over images; None where no image has such pixels.

    Attributes:
        psnr_db: Over all pixels that are shown.
        psnr_known_db: Over those whose distance is known and inside the grid.
        psnr_sky_db: Over all others: sky, and what lies beyond the grid. (With LiDAR for truth:
            wherever there is no return.)
        ssim: Over images that hold a whole window.
    """

    psnr_db: float | None = None
    psnr_known_db: float | None = None
    psnr_sky_db: float | None = None
    ssim: float | None = None


NO_COLOUR = ColourScores()
"""Of a row that predicts none."""


class ColourCollector:
    """Collects the colours of one row, clip by clip."""

    def __init__(self) -> None:
        self._images: list[list[Tensor]] = []

    def add(self, predicted: Float[Tensor, "n h w 3"], truth: FrameTruth) -> None:
        """Colours of one clip's images."""
        known = ~truth.distances_m.isnan()
        parts = (truth.shown, truth.shown & known, truth.shown & ~known)
        measured = [psnr(predicted, truth.colours, part) for part in parts]
        self._images.append([*measured, ssim(predicted, truth.colours, truth.shown)])

    def scores(self) -> ColourScores:
        """Means over all images so far."""
        return ColourScores(*(_mean(list(each)) for each in zip(*self._images, strict=True)))


def _mean(values: list[Tensor]) -> float | None:
    """Mean of all that are not NaN."""
    mean = torch.cat(values).nanmean().item()
    return mean if mean == mean else None


def colour_references(clip: Clip, view: EvaluatedView) -> dict[str, Float[Tensor, "n h w 3"]]:
    """The frame's own images, averaged: over the whole, over rows of pixels, over squares."""
    images = unit_colours(clip.images[0, view.frame])
    height, width = images.shape[-2:]
    picture = _picture(clip, view)
    windows = {"image_mean": (height, width), "row_means": (1, width)}
    windows |= {f"blocks_{side}": (side, side) for side in BLOCKS_PX}
    pixels = view.rays_and_pixels(clip)[1][0].unflatten(0, (len(images), -1))
    return {
        name: _at(averaged(images, picture, window), pixels, view)
        for name, window in windows.items()
    }


def visible_mean(
    clip: Clip, view: EvaluatedView, visible: Bool[Tensor, "n hp wp"], patch_px: int
) -> Float[Tensor, "n h w 3"]:
    """Everywhere the mean colour of the patches that each image of the frame shows."""
    images = unit_colours(clip.images[0, view.frame])
    shown = F.interpolate(visible[:, None].float(), scale_factor=float(patch_px))[:, 0] > 0
    shown &= _picture(clip, view)
    mean = averaged(images, shown, (images.shape[-2], images.shape[-1]))[:, :, 0, 0]
    return mean[:, None, None].expand(-1, *view.lattice, -1)


def _picture(clip: Clip, view: EvaluatedView) -> Bool[Tensor, "n h w"]:
    """Pixels of the frame's images that are no padding."""
    sizes = clip.image_sizes[0, view.frame]
    rows, columns = (torch.arange(side, device=sizes.device) for side in clip.images.shape[-2:])
    return (rows[:, None] < sizes[:, :1, None]) & (columns < sizes[:, 1:, None])


def averaged(
    images: Float[Tensor, "n 3 h w"], counted: Bool[Tensor, "n h w"], window: tuple[int, int]
) -> Float[Tensor, "n 3 h w"]:
    """Every pixel replaced by the mean of the counted ones in its window; 0 where there is none."""
    height, width = images.shape[-2:]
    weights = counted.unsqueeze(1).to(images)
    total, count = (
        F.avg_pool2d(each, window, ceil_mode=True, divisor_override=1)
        for each in (images * weights, weights)
    )
    means = total / count.clamp(min=1)
    means = means.repeat_interleave(window[0], -2).repeat_interleave(window[1], -1)
    return means[..., :height, :width]


def _at(
    images: Float[Tensor, "n 3 h w"], pixels: Float[Tensor, "n p 2"], view: EvaluatedView
) -> Float[Tensor, "n hl wl 3"]:
    """The pixels under the rays."""
    h, w = images.shape[-2:]
    u, v = pixels[..., 0].long().clamp(0, w - 1), pixels[..., 1].long().clamp(0, h - 1)
    index = (v * w + u).unsqueeze(1).expand(-1, 3, -1)
    found = images.flatten(2).gather(2, index)
    return rearrange(found.unflatten(2, view.lattice), "n k h w -> n h w k")
