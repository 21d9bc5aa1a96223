"""Ego-motion alignment: volumes of other frames, looked up where the target frame's voxels were.

A volume lives in its own frame's ego axes. For every voxel centre of the target frame the rigid
motion (metres) gives the place in the source frame, and the source volume is interpolated there:
metres go in, voxel coordinates are derived from the grid, so motion and grid cannot be mixed up
(the released code of MIM4D, arXiv 2403.08760, multiplies voxel indices by the metric matrix).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid

# Rounding of a 4×4 float32 transform, in voxels: within it a position counts as on the hull.
_TOLERANCE_VOXELS = 1e-4

Warp = Callable[[Tensor, Tensor, VoxelGrid], tuple[Tensor, Tensor]]
"""The signature of `warp_volume`."""


def warp_volume(
    volume: Float[Tensor, "m c z y x"],
    source_from_target: Float[Tensor, "m 4 4"],
    grid: VoxelGrid,
) -> tuple[Float[Tensor, "m c z y x"], Bool[Tensor, "m z y x"]]:
    """Express source volumes on the target frame's voxels.

    Args:
        volume: Features of the source frame, on `grid` in the source's ego axes.
        source_from_target: Rigid motion from the target's ego axes to the source's, metres.
        grid: The grid that both frames share.

    Returns:
        The warped volume, fading to zero outside the source volume, and whether each target voxel
        lies within the hull of the source's voxel centres, where nothing has faded.
    """
    centres_target = grid.centres_ego.to(volume.device).reshape(-1, 3)
    points = centres_target.expand(volume.shape[0], -1, -1)
    points_source = transform_points(source_from_target.float(), points)
    warped, valid = sample_volume(volume, grid.to_grid(points_source))
    shape = grid.shape_zyx
    return warped.unflatten(-1, shape), valid.unflatten(-1, shape)


def sample_volume(
    volume: Float[Tensor, "m c z y x"], positions_grid: Float[Tensor, "m p 3"]
) -> tuple[Float[Tensor, "m c p"], Bool[Tensor, "m p"]]:
    """Trilinear lookup at continuous voxel coordinates, zero outside; differentiable in both.

    Eight rows of features are summed with their weights by one `embedding_bag`, which on a CPU is
    faster than `grid_sample` in both directions. A grid that is one voxel thick along an axis is
    constant over that voxel's thickness.

    Args:
        volume: Features by voxel.
        positions_grid: Positions (x, y, z) in voxels: the centre of voxel 0 is 0.5.

    Returns:
        Float32 features, and whether each position lies within the hull of the voxel centres.
    """
    m, c, z, y, x = volume.shape
    lookups = [
        _axis_lookup(position, count)
        for position, count in zip(positions_grid.float().unbind(-1), (x, y, z), strict=True)
    ]
    (weight_x, index_x, valid_x), (weight_y, index_y, valid_y), (weight_z, index_z, valid_z) = (
        lookups
    )
    weight = (
        weight_z[..., :, None, None] * weight_y[..., None, :, None] * weight_x[..., None, None, :]
    )
    row = index_z * (y * x) + torch.arange(m, device=volume.device, dtype=torch.int32).view(
        m, 1, 1
    ) * (z * y * x)
    row = row[..., :, None, None] + (index_y * x)[..., None, :, None] + index_x[..., None, None, :]
    values = F.embedding_bag(
        row.reshape(-1, 8),
        volume.float().permute(0, 2, 3, 4, 1).reshape(-1, c),
        mode="sum",
        per_sample_weights=weight.reshape(-1, 8),
    )
    return values.unflatten(0, (m, -1)).transpose(1, 2), valid_x & valid_y & valid_z


def _axis_lookup(
    position: Float[Tensor, "m p"], count: int
) -> tuple[Tensor, Tensor, Bool[Tensor, "m p"]]:
    """Weights and indices (both m p 2) of the two voxels along one axis, and the validity."""
    if count == 1:
        inside = (position > -_TOLERANCE_VOXELS) & (position < 1 + _TOLERANCE_VOXELS)
        weight = torch.stack([inside, torch.zeros_like(inside)], dim=-1).to(position.dtype)
        return weight, torch.zeros_like(weight, dtype=torch.int32), inside
    position = position - 0.5
    valid = (position > -_TOLERANCE_VOXELS) & (position < count - 1 + _TOLERANCE_VOXELS)
    position = torch.where(valid, position.clamp(0, count - 1), position)
    lower = position.detach().floor()
    fraction = position - lower
    index = torch.stack([lower, lower + 1], dim=-1).int()
    inside = (index >= 0) & (index < count)
    weight = torch.stack([1 - fraction, fraction], dim=-1) * inside
    return weight, index.clamp(0, count - 1), valid
