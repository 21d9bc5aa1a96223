"""What a patch mask does to a feature map: hidden cells become exactly zero.

Maps are `m c hf wf`, masks `m hp wp` with True where a cell is shown; a cell covers whole positions
of the map, as many along both axes.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.models.encoder.masking import enlarge_mask


def visible_positions(visible: Bool[Tensor, "m hp wp"], x: Tensor) -> Bool[Tensor, "m 1 hf wf"]:
    """The mask at the resolution of the map `x`."""
    return enlarge_mask(visible, x.shape[-2] // visible.shape[-2])[:, None]


def hide(
    x: Float[Tensor, "m c hf wf"], visible: Bool[Tensor, "m hp wp"] | None
) -> Float[Tensor, "m c hf wf"]:
    """Set hidden cells to zero; dtype and memory layout stay. None shows everything."""
    return x if visible is None else x * visible_positions(visible, x)
