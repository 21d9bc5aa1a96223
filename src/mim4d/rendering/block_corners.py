"""The eight voxels around each sample of a block, their weights, and the weights' slopes.

Enters: points in ego metres. Leaves: rows of the table of voxels, and weights, samples along the
last axis, so that all arithmetic runs along the many samples. The same trilinear rule as
`volume_lookup`: corners outside the volume weigh nothing.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid


def block_corners(
    points_ego: Float[Tensor, "v q 3"], grid: VoxelGrid, with_slopes: bool
) -> tuple[Int[Tensor, "8 n"], Float[Tensor, "k 8 n"]]:
    """Rows and weights (n = v q), x fastest among the eight.

    With slopes `k` is 4: the weights, then their derivatives along the grid's axes x, y and z, per
    voxel; else it is 1.
    """
    centred = (grid.to_grid(points_ego) - 0.5).flatten(0, 1).T.contiguous()  # whole at centres
    # NaN is no index: such a point reads some row, with weights of NaN that arrive at the loss.
    lower = centred.floor().nan_to_num_()
    fraction = centred.sub_(lower)
    size_x, size_y, size_z = grid.shape_xyz
    asked = torch.stack([lower, lower + 1], dim=1)  # 3 2 n
    index = asked.clamp(min=0).minimum(asked.new_tensor(grid.shape_xyz).view(3, 1, 1) - 1)
    inside = (index == asked).to(asked)
    x, y, z = index.to(torch.int32)
    volumes, count = points_ego.shape[:2]
    if volumes > 1:
        volume = torch.arange(volumes, device=z.device, dtype=z.dtype)
        z = z + size_z * volume.repeat_interleave(count)
    rows = (z * size_y)[:, None] + y  # 2 2 n
    corners = (rows * size_x)[:, :, None] + x

    weight = torch.stack([1 - fraction, fraction], dim=1).mul_(inside)
    products = weight.new_empty(4 if with_slopes else 1, 2, 2, 2, weight.shape[-1])
    along_x, along_y, along_z = weight
    plane = along_z[:, None] * along_y
    torch.mul(plane[:, :, None], along_x, out=products[0])
    if with_slopes:
        inside[:, 0].neg_()
        slope_x, slope_y, slope_z = inside
        torch.mul(plane[:, :, None], slope_x, out=products[1])
        torch.mul((along_z[:, None] * slope_y)[:, :, None], along_x, out=products[2])
        torch.mul((slope_z[:, None] * along_y)[:, :, None], along_x, out=products[3])
    return corners.flatten(0, 2), products.flatten(1, 3)


def voxels_per_metre(grid: VoxelGrid, like: Tensor) -> Float[Tensor, "3 3"]:
    """Derivative of grid coordinates (rows) along the ego axes (columns)."""
    shape = like.new_tensor(grid.shape_xyz)
    return grid.unit_from_ego.to(like)[:3, :3] * (shape / 2).unsqueeze(1)
