"""Trilinear lookup of a voxel volume at points, with its analytic spatial derivative.

Enters: a volume `b c z y x` and points in ego metres. Leaves: features, and their derivative per
metre along the ego axes. Corners outside the volume count as zero, so values fade out over the last
half voxel. The derivative is a value of its own and can be differentiated once more with respect to
the volume by ordinary autograd: nothing here needs a double backward, which torch's `grid_sample`
lacks in 3D before 2.13. Positions are constants: no gradient flows into them. That sets this sum
of corners apart from the warp's, which has no slopes and learns its positions.
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
    values, _ = _WeightedCorners.apply(_table(volume), *corners_and_weights(points_ego, grid))
    return values.unflatten(0, points_ego.shape[:2])


def lookup_with_derivative(
    volume: Float[Tensor, "b c z y x"], points_ego: Float[Tensor, "b q 3"], grid: VoxelGrid
) -> tuple[Float[Tensor, "b q c"], Float[Tensor, "b q 3 c"]]:
    """Features as in `lookup`, and their derivative along the ego axes.

    The derivative is that of the interpolation weights: constant in one axis between two planes of
    voxel centres, and undefined (one side is taken) on such a plane.

    Returns:
        Features, and their derivative per metre along x, y, z of the ego frame.
    """
    corners, weights = corners_and_weights(points_ego, grid, with_slopes=True)
    values, slopes = _WeightedCorners.apply(_table(volume), corners, weights)
    shape = points_ego.shape[:2]
    return values.unflatten(0, shape), slopes.unflatten(1, shape).permute(1, 2, 0, 3)


def _table(volume: Float[Tensor, "b c z y x"]) -> Float[Tensor, "v c"]:
    """All voxels of the batch as rows."""
    return rearrange(volume, "b c z y x -> (b z y x) c")


def corners_and_weights(
    points_ego: Float[Tensor, "b q 3"], grid: VoxelGrid, with_slopes: bool = False
) -> tuple[Int[Tensor, "m 8"], Float[Tensor, "k m 8"]]:
    """Rows of the eight voxels around each point, and their weights (m = b q).

    With slopes `k` is 4: the weights, then their derivatives along the ego axes; else it is 1. Axes
    of corners come first inside: elementwise work then runs along the many points.
    """
    # NaN in a point arrives at the loss: its weights are NaN, whatever row they are of.
    centred = grid.to_grid(points_ego.detach()).flatten(0, 1).T - 0.5  # centres at whole numbers
    near = neighbours(centred, grid.shape_xyz)
    volumes = torch.arange(points_ego.shape[0], device=centred.device, dtype=torch.int32)
    first_row = (volumes * math.prod(grid.shape_xyz)).repeat_interleave(points_ego.shape[1])
    corners = corner_rows(near.index, first_row, grid.shape_xyz)

    weight = near.weight
    weights = [corner_products(*weight)]
    if with_slopes:
        slope = near.inside * centred.new_tensor([-1.0, 1.0]).view(2, 1)
        by_grid = [
            corner_products(slope[0], weight[1], weight[2]),
            corner_products(weight[0], slope[1], weight[2]),
            corner_products(weight[0], weight[1], slope[2]),
        ]
        shape = centred.new_tensor(grid.shape_xyz).view(3, 1)
        grid_from_ego = grid.unit_from_ego.to(centred)[:3, :3] * shape / 2
        weights += torch.einsum("acm,ae->ecm", torch.stack(by_grid), grid_from_ego)
    return corners, torch.stack([w.T for w in weights])


class _WeightedCorners(torch.autograd.Function):
    """Weighted sums of eight rows of a table, for one or more sets of weights.

    `embedding_bag` does the forward in one pass. Its own backward sorts all indices of all sets;
    here the sets are first merged per corner (again a bag), then added to the table: four times
    faster on a CPU. Weights and indices get no gradient.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, corners: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Table `v c`, corners `q 8`, weights `k q 8` to sums, `q c` and `k-1 q c`."""
        ctx.save_for_backward(corners, weights)
        ctx.rows = table.shape[0]
        bags = corners.expand(weights.shape).reshape(-1, 8)
        flat = weights.to(table.dtype).reshape(-1, 8)
        sums = F.embedding_bag(bags, table, mode="sum", per_sample_weights=flat)
        sums = sums.unflatten(0, weights.shape[:2])
        return sums[0], sums[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, first: Tensor, others: Tensor) -> tuple[Tensor, None, None]:
        """Scatter the gradients of the sums back to the rows."""
        corners, weights = ctx.saved_tensors
        sets, count = weights.shape[:2]
        grads = torch.cat([first.unsqueeze(0), others]).flatten(0, 1)  # (k q) c
        source = torch.arange(sets * count, device=grads.device, dtype=torch.int32)
        source = source.view(sets, count, 1).expand(-1, -1, 8)
        per_corner = F.embedding_bag(
            source.permute(1, 2, 0).reshape(-1, sets),
            grads,
            mode="sum",
            per_sample_weights=weights.to(grads.dtype).permute(1, 2, 0).reshape(-1, sets),
        )
        table = grads.new_zeros(ctx.rows, grads.shape[-1])
        return table.index_add_(0, corners.reshape(-1), per_corner), None, None
