"""Linear look-ups: which cells surround a position along each axis, and with what weights.

Everything that is looked up between centres is looked up by this: the renderer's features, the
sources of the warp, the image features and depth bins of the lift. Each reader then sums the
corners in its own way, because each differentiates something else: the renderer takes the slopes
along the axes as values (and its positions are constants), the warp wants gradients of its
positions, and the lift multiplies a bilinear weight by a looked-up probability. Positions count
cells, with the *centres* at whole numbers; what lies outside the lattice has weight 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Neighbours:
    """The two cells around each of `m` positions along each of `a` axes.

    Attributes:
        weight: Of the lower and the upper one; differentiable in the positions. 0 outside.
        index: Of the cells along their axis, within the lattice also where the weight is 0.
        inside: 1 where they are cells of the lattice, else 0.
    """

    weight: Float[Tensor, "a 2 m"]
    index: Int[Tensor, "a 2 m"]
    inside: Float[Tensor, "a 2 m"]


def neighbours(centred: Float[Tensor, "a m"], counts: Sequence[int]) -> Neighbours:
    """The cells around positions.

    Args:
        centred: Positions along each axis, in cells, the first centre at 0. The axes come first, so
            that elementwise work runs along the many positions.
        counts: Number of cells along each axis.
    """
    # NaN is no index: such a position reads some cell, with a weight of NaN that arrives in the
    # result.
    lower = centred.detach().floor().nan_to_num()
    fraction = centred - lower
    size = centred.new_tensor(counts).view(-1, 1, 1)
    index = torch.stack([lower, lower + 1], dim=1)
    inside = ((index >= 0) & (index < size)).to(centred.dtype)
    weight = torch.stack([1 - fraction, fraction], dim=1) * inside
    return Neighbours(weight, index.clamp(min=0).minimum(size - 1).to(torch.int32), inside)


def corner_rows(
    index_xyz: Int[Tensor, "3 2 m"], first_row: Int[Tensor, " m"], shape_xyz: tuple[int, int, int]
) -> Int[Tensor, "m 8"]:
    """Where the eight voxels around each position stand in a table of voxels, x fastest.

    Args:
        index_xyz: Along x, y and z, from `neighbours`.
        first_row: Row of the first voxel of each position's volume.
        shape_xyz: Shape of a volume.
    """
    size_x, size_y, _ = shape_xyz
    x, y, z = index_xyz
    plane = z.unsqueeze(1) * size_y + y.unsqueeze(0)  # z y m
    rows = first_row + plane.unsqueeze(2) * size_x + x
    return rows.flatten(0, 2).T.contiguous()


def corner_products(
    x: Float[Tensor, "2 m"], y: Float[Tensor, "2 m"], z: Float[Tensor, "2 m"]
) -> Float[Tensor, "8 m"]:
    """Products of one factor per axis for the eight corners, x fastest."""
    plane = y[:, None] * x[None]
    return (z[:, None, None] * plane).flatten(0, 2)
