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
from mim4d.geometry.trilinear import corner_products, corner_rows, neighbours
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
    faster than `grid_sample` in both directions. The renderer sums the same corners by a function
    of its own that wants no gradient of the positions; here a scene flow is learned through them. A
    grid that is one voxel thick along an axis is constant over that voxel's thickness.

    Args:
        volume: Features by voxel.
        positions_grid: Positions (x, y, z) in voxels: the centre of voxel 0 is 0.5.

    Returns:
        Float32 features, and whether each position lies within the hull of the voxel centres.
    """
    m, c, z, y, x = volume.shape
    shape_xyz = (x, y, z)
    centred, valid = zip(
        *map(_centred, positions_grid.float().flatten(0, 1).unbind(-1), shape_xyz), strict=True
    )
    near = neighbours(torch.stack(centred), shape_xyz)
    volumes = torch.arange(m, device=volume.device, dtype=torch.int32) * (z * y * x)
    values = F.embedding_bag(
        corner_rows(near.index, volumes.repeat_interleave(positions_grid.shape[1]), shape_xyz),
        volume.float().permute(0, 2, 3, 4, 1).reshape(-1, c),
        mode="sum",
        per_sample_weights=corner_products(*near.weight).T.contiguous(),
    )
    within = valid[0] & valid[1] & valid[2]
    return values.unflatten(0, (m, -1)).transpose(1, 2), within.view(m, -1)


def _centred(
    position: Float[Tensor, " q"], count: int
) -> tuple[Float[Tensor, " q"], Bool[Tensor, " q"]]:
    """Positions along one axis with centres at whole numbers, and whether they are in the hull."""
    centred = position - 0.5
    if count == 1:
        valid = (position > -_TOLERANCE_VOXELS) & (position < 1 + _TOLERANCE_VOXELS)
        return torch.where(valid, 0.0, torch.full_like(position, -2.0)), valid
    valid = (centred > -_TOLERANCE_VOXELS) & (centred < count - 1 + _TOLERANCE_VOXELS)
    return torch.where(valid, centred.clamp(0, count - 1), centred), valid
