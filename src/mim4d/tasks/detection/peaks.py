"""Heat maps of boxes: a bump for each, 1 at the cell of its centre, and the highest of each class.

The same on the ground and in images; places are counted in cells (x, y), the first cell's corner is
(0, 0).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.metrics.detection.rules import CLASSES

_MIN_SIGMA_CELLS = 0.7
_SIGMA_OF_WIDTH = 1 / 6
"""A box is three standard deviations wide to each side of its middle."""
_IGNORED_FROM = 0.5
"""Where the bump of a box that is not learned is this high, nothing is said to be right."""


def bumps(
    places: Float[Tensor, "*k 2"], widths: Float[Tensor, "*k 2"], shape_yx: tuple[int, int]
) -> Float[Tensor, "*k y x"]:
    """A Gaussian round each box's cell, 1 there.

    Args:
        places: Of the centres.
        widths: Of the boxes, along x and y.
        shape_yx: Rows and columns of the cells.
    """
    sigma = (widths * _SIGMA_OF_WIDTH).clamp(min=_MIN_SIGMA_CELLS)
    centre = places.floor()
    y, x = (torch.arange(count, device=places.device) for count in shape_yx)
    across = (-((x - centre[..., :1]) ** 2) / (2 * sigma[..., :1] ** 2)).exp()
    along = (-((y - centre[..., 1:]) ** 2) / (2 * sigma[..., 1:] ** 2)).exp()
    return along[..., :, None] * across[..., None, :]


def class_peaks(
    heat: Float[Tensor, "*n k y x"], classes: Int[Tensor, " k"], learned: Bool[Tensor, " k"]
) -> tuple[Float[Tensor, "*n c y x"], Bool[Tensor, "*n c y x"]]:
    """The heat map of each class, and where it counts.

    Args:
        heat: Of each box; 0 everywhere leaves it out.
        classes: Of each box.
        learned: Boxes to be found; near others, nothing counts but peaks.
    """
    # Factors, not choices of rows: those would wait for the device.
    peaks, ignored = (_highest(heat * rows[:, None, None], classes) for rows in (learned, ~learned))
    return peaks, (ignored < _IGNORED_FROM) | (peaks == 1)


def _highest(
    heat: Float[Tensor, "*n k y x"], classes: Int[Tensor, " k"]
) -> Float[Tensor, "*n c y x"]:
    highest = heat.new_zeros(*heat.shape[:-3], len(CLASSES), *heat.shape[-2:])
    return highest.scatter_reduce(-3, classes[:, None, None].expand_as(heat), heat, "amax")
