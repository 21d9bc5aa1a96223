"""Which positions of a feature map are worked on: the rows of what a mask shows.

A map `m c hf wf` whose channels lie innermost is a matrix of positions `m·hf·wf` by channels. What
acts on each position by itself (norms, linear layers) needs only the rows that are visible.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.models.encoder.masking import enlarge_mask
from mim4d.tensors.counting import can_count


@dataclass(frozen=True)
class VisibleRows:
    """Rows of a map, each at most once.

    Attributes:
        index: The rows' numbers, image by image.
        weight: What a row's result counts: 1, or 0 for rows that only fill up to a fixed number
            of rows per image. None: all count.
    """

    index: Int[Tensor, " r"]
    weight: Float[Tensor, "r 1"] | None = None


def visible_rows(
    visible: Bool[Tensor, "m hp wp"], map_height: int, max_cells: int | None = None
) -> VisibleRows | None:
    """The rows of the visible positions of a map.

    On a CPU exactly these, in the order of the map. Elsewhere counting them would wait for the
    device and make shapes depend on data; there each image gives the rows of `max_cells` cells,
    visible ones first.

    Args:
        visible: The mask.
        map_height: Rows of positions of the map, a multiple of the mask's.
        max_cells: What no image's visible cells exceed.

    Returns:
        None if the number of rows is not known without looking at the mask's values.
    """
    factor = map_height // visible.shape[1]
    if can_count(visible):
        return VisibleRows(enlarge_mask(visible, factor).flatten().nonzero()[:, 0])
    if max_cells is None:
        return None
    return _fixed_number_of_rows(visible, factor, max_cells)


def map_rows(x: Float[Tensor, "m c hf wf"]) -> Float[Tensor, "r c"]:
    """A map with its channels innermost as a matrix of positions by channels, without a copy."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


def _fixed_number_of_rows(
    visible: Bool[Tensor, "m hp wp"], factor: int, max_cells: int
) -> VisibleRows:
    m, hp, wp = visible.shape
    hidden = ~visible.flatten(1)
    cells = hidden.byte().argsort(dim=1, stable=True)[:, :max_cells]
    steps = torch.arange(factor, device=visible.device)
    images = torch.arange(m, device=visible.device)[:, None, None, None] * (hp * factor)
    row = images + (cells // wp * factor)[:, :, None, None] + steps[:, None]
    column = (cells % wp * factor)[:, :, None, None] + steps
    index = row * (wp * factor) + column
    shown = visible.flatten(1).gather(1, cells)[:, :, None, None].expand(index.shape)
    return VisibleRows(index.flatten(), shown.reshape(-1, 1).float())
