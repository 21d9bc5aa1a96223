"""The trilinear lookup with its derivative, as a plain sum over gathered corners."""

import torch
from einops import rearrange
from torch import Tensor

from mim4d.geometry.trilinear import corner_products, corner_rows, neighbours
from mim4d.geometry.voxel_grid import VoxelGrid


def lookup_with_derivative(
    volume: Tensor, points_ego: Tensor, grid: VoxelGrid
) -> tuple[Tensor, Tensor]:
    """Features `b q c` of a volume `b c z y x`, and their derivative `b q 3 c` along the ego axes.

    The derivative is that of the interpolation weights: constant in one axis between two planes of
    voxel centres, and undefined (one side is taken) on such a plane.
    """
    b, q = points_ego.shape[:2]
    table = rearrange(volume, "b c z y x -> (b z y x) c")
    centred = grid.to_grid(points_ego.detach()).flatten(0, 1).T - 0.5
    near = neighbours(centred, grid.shape_xyz)
    first_row = torch.arange(b, dtype=torch.int32) * (len(table) // b)
    rows = corner_rows(near.index, first_row.repeat_interleave(q), grid.shape_xyz)
    corners = table[rows.long()]  # m 8 c
    weight = near.weight
    slope = near.inside * centred.new_tensor([-1.0, 1.0]).view(2, 1)
    by_grid = [
        corner_products(slope[0], weight[1], weight[2]),
        corner_products(weight[0], slope[1], weight[2]),
        corner_products(weight[0], weight[1], slope[2]),
    ]
    grid_from_ego = grid.unit_from_ego.to(centred)[:3, :3]
    grid_from_ego = grid_from_ego * centred.new_tensor(grid.shape_xyz).view(3, 1) / 2
    slopes = torch.einsum("akm,ae->emk", torch.stack(by_grid), grid_from_ego)
    values = torch.einsum("mkc,km->mc", corners, corner_products(*weight))
    derivative = torch.einsum("mkc,emk->mec", corners, slopes)
    return values.unflatten(0, (b, q)), derivative.unflatten(0, (b, q))
