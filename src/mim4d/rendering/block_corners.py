"""The eight voxels around each sample of a block, their weights, and the weights' slopes.

Enters: points in ego metres. Leaves: rows of the table of voxels, and weights, samples along the
last axis, so that all arithmetic runs along the many samples. The rule is that of
`geometry.trilinear` (corners outside weigh nothing), written out: it is the renderer's innermost
loop, which here works in place, takes points to the grid in three passes, and leaves weights and
slopes where the field reads them, `k 8 n`, without a transposed copy. `test_field_blocks` holds
the two against each other.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid


class GridAxes(NamedTuple):
    """A grid as tensors, made once for all blocks.

    Attributes:
        per_metre: Derivative of grid coordinates (rows) along the ego axes (columns).
        origin: Grid coordinates of the ego origin, less half a voxel: whole at voxel centres.
        last: Index of the last voxel along x, y and z.
        shape_xyz: Number of voxels.
    """

    per_metre: Float[Tensor, "3 3"]
    origin: Float[Tensor, "3 1"]
    last: Float[Tensor, "3 1 1"]
    shape_xyz: tuple[int, int, int]

    @staticmethod
    def of(grid: VoxelGrid, like: Tensor) -> "GridAxes":
        """For points such as `like`."""
        shape = like.new_tensor(grid.shape_xyz).unsqueeze(1)
        unit_from_ego = grid.unit_from_ego.to(like)
        return GridAxes(
            per_metre=unit_from_ego[:3, :3] * (shape / 2),
            origin=(unit_from_ego[:3, 3:] + 1) * (shape / 2) - 0.5,
            last=shape.unsqueeze(1) - 1,
            shape_xyz=grid.shape_xyz,
        )


def block_corners(
    points_ego: Float[Tensor, "3 n"], axes: GridAxes, volumes: int, with_slopes: bool
) -> tuple[Int[Tensor, "8 n"], Float[Tensor, "k 8 n"]]:
    """Rows and weights, x fastest among the eight; every volume has the same number of points.

    With slopes `k` is 4: the weights, then their derivatives along the grid's axes x, y and z, per
    voxel; else it is 1.
    """
    # Written out instead of `@`: TF32 cannot round coordinates.
    centred = torch.addcmul(axes.origin, axes.per_metre[:, :1], points_ego[0])
    centred.addcmul_(axes.per_metre[:, 1:2], points_ego[1])
    centred.addcmul_(axes.per_metre[:, 2:], points_ego[2])
    # NaN is no index: such a point reads some row, with weights of NaN that arrive at the loss.
    lower = centred.floor().nan_to_num_()
    fraction = centred.sub_(lower)
    size_x, size_y, size_z = axes.shape_xyz
    asked = torch.stack([lower, lower + 1], dim=1)  # 3 2 n
    index = asked.clamp(min=0).minimum(axes.last)
    inside = (index == asked).to(asked)
    x, y, z = index.to(torch.int32)
    if volumes > 1:
        volume = torch.arange(volumes, device=z.device, dtype=z.dtype)
        z = z + size_z * volume.repeat_interleave(points_ego.shape[1] // volumes)
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
