"""Regular lattices of cells: where their centres lie.

Coordinates count cells: the first cell's corner is 0 and its centre 0.5, as for pixels and voxels.
A caller who wants pixels, metres or `unit` coordinates multiplies by the size of a cell.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def cell_centres(
    shape: tuple[int, ...],
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "*cells k"]:
    """Centre of every cell of a lattice with `k` axes.

    Args:
        shape: Number of cells by axis, in the order of a tensor's axes: (rows, columns) or
            (z, y, x).
        device: Of the result.
        dtype: Of the result.

    Returns:
        Coordinates in cells, in the order of geometry: (u, v) or (x, y, z).
    """
    along = [torch.arange(count, device=device, dtype=dtype) + 0.5 for count in shape]
    return torch.stack(torch.meshgrid(*along, indexing="ij")[::-1], dim=-1)
