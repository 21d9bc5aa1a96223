"""Trilinear lookup of a voxel volume at points.

Enters: a volume `b c z y x` and points in ego metres. Leaves: features. Corners outside the volume
count as zero, so values fade out over the last half voxel. Positions are constants: no gradient
flows into them. That sets this sum of corners apart from the warp's, which learns its positions.
What renders looks up block by block, with slopes (`block_corners`).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.geometry.trilinear import corner_products, corner_rows, neighbours
from mim4d.geometry.voxel_grid import VoxelGrid


def lookup(
    volume: Float[Tensor, "b c z y x"], points_ego: Float[Tensor, "b q 3"], grid: VoxelGrid
) -> Float[Tensor, "b q c"]:
    """Trilinear interpolation of `volume` at `points_ego` (metres); zero outside the grid.

    Equal to `grid_sample` with zero padding and `align_corners=False`. A volume in the memory
    format `channels_last_3d` is read without a copy.
    """
    table = rearrange(volume, "b c z y x -> (b z y x) c")
    values: Tensor = _WeightedCorners.apply(table, *_corners(points_ego, grid))
    return values.unflatten(0, points_ego.shape[:2])


def _corners(
    points_ego: Float[Tensor, "b q 3"], grid: VoxelGrid
) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "m 8"]]:
    """Rows of the eight voxels around each point, and their weights (m = b q)."""
    # NaN in a point arrives at the loss: its weights are NaN, whatever row they are of.
    centred = grid.to_grid(points_ego.detach()).flatten(0, 1).T - 0.5  # centres at whole numbers
    near = neighbours(centred, grid.shape_xyz)
    volumes = torch.arange(points_ego.shape[0], device=centred.device, dtype=torch.int32)
    first_row = (volumes * math.prod(grid.shape_xyz)).repeat_interleave(points_ego.shape[1])
    corners = corner_rows(near.index, first_row, grid.shape_xyz)
    return corners, corner_products(*near.weight).T.contiguous()


class _WeightedCorners(torch.autograd.Function):
    """Weighted sums of eight rows of a table.

    `embedding_bag` does the forward in one pass. Its own backward sorts all indices, which adding
    the rows' shares to the table does not. Weights and indices get no gradient.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
        """Table `v c`, corners and weights `m 8` to sums `m c`."""
        weights = weights.to(table.dtype)
        ctx.save_for_backward(corners, weights)
        ctx.rows = table.shape[0]
        return F.embedding_bag(corners, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Scatter the gradients of the sums back to the rows."""
        corners, weights = ctx.saved_tensors
        shares = weights.unsqueeze(-1) * grad.unsqueeze(1)  # m 8 c
        table = grad.new_zeros(ctx.rows, grad.shape[-1])
        return table.index_add_(0, corners.reshape(-1), shares.flatten(0, 1)), None, None
