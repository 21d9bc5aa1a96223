"""Ego-motion alignment: volumes of other frames, looked up where the target frame's voxels were.

A volume lives in its own frame's ego axes. For every voxel centre of the target frame the rigid
motion (metres) gives the place in the source frame, and the source volume is interpolated there:
metres go in, voxel coordinates are derived from the grid, so motion and grid cannot be mixed up
(the released code of MIM4D, arXiv 2403.08760, multiplies voxel indices by the metric matrix).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.geometry.rigid import compose
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.temporal.volume_lookup import read_volume

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
    device = volume.device
    # Doubles for the few numbers of the motion and of each axis: the sums are rounded once.
    exact = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have none
    grid_from_ego, ego_from_grid = (
        matrix.to(exact).to(device, non_blocking=True) for matrix in _grid_and_ego(grid)
    )
    motion = source_from_target.to(grid_from_ego)
    grid_from_grid = compose(compose(grid_from_ego, motion), ego_from_grid)
    warped, valid = sample_along_axes(volume, _lattice(grid_from_grid, grid.shape_zyx))
    shape = grid.shape_zyx
    return warped.unflatten(-1, shape), valid.unflatten(-1, shape)


def _grid_and_ego(grid: VoxelGrid) -> tuple[Float[Tensor, "4 4"], Float[Tensor, "4 4"]]:
    """From ego metres to voxel coordinates and back, in double precision."""
    ego_from_box = torch.tensor(grid.ego_from_box, dtype=torch.float64)
    size, lower = ego_from_box.new_tensor(grid.voxel_size_m), ego_from_box.new_tensor(grid.lower_m)
    box_from_grid = torch.eye(4, dtype=torch.float64)
    box_from_grid[:3, :3] = torch.diag(size)
    box_from_grid[:3, 3] = lower
    ego_from_grid = ego_from_box @ box_from_grid
    return torch.linalg.inv(ego_from_grid), ego_from_grid


def _lattice(
    grid_from_grid: Float[Tensor, "m 4 4"], shape_zyx: tuple[int, int, int]
) -> tuple[Float[Tensor, "m p"], ...]:
    """Where an affine map takes all voxel centres: along x, y and z.

    Along each axis that is a sum of one term for each axis of the lattice.
    """
    z, y, x = (
        torch.arange(count, device=grid_from_grid.device, dtype=grid_from_grid.dtype) + 0.5
        for count in shape_zyx
    )
    positions = []
    for row in grid_from_grid[:, :3].unbind(1):  # m 4
        by_x, by_y, by_z, shift = row.unsqueeze(-1).unbind(1)  # m 1
        layers = by_z * z + shift
        lines = layers.unsqueeze(-1) + (by_y * y).unsqueeze(1)
        places = lines.unsqueeze(-1) + (by_x * x)[:, None, None]
        positions.append(places.float().flatten(1))
    return tuple(positions)


def sample_volume(
    volume: Float[Tensor, "m c z y x"], positions_grid: Float[Tensor, "m p 3"]
) -> tuple[Float[Tensor, "m c p"], Bool[Tensor, "m p"]]:
    """Trilinear lookup at continuous voxel coordinates, zero outside; differentiable in both.

    A grid that is one voxel thick along an axis is constant over that voxel's thickness.

    Args:
        volume: Features by voxel.
        positions_grid: Positions (x, y, z) in voxels: the centre of voxel 0 is 0.5.

    Returns:
        Float32 features, and whether each position lies within the hull of the voxel centres.
    """
    return sample_along_axes(volume, positions_grid.float().unbind(-1))


def sample_along_axes(
    volume: Float[Tensor, "m c z y x"], positions_grid: Sequence[Float[Tensor, "m p"]]
) -> tuple[Float[Tensor, "m c p"], Bool[Tensor, "m p"]]:
    """`sample_volume` at positions that are given along x, along y and along z."""
    z, y, x = volume.shape[2:]
    centred, valid = zip(*map(_centred, positions_grid, (x, y, z)), strict=True)
    return read_volume(volume.float(), *centred), valid[0] & valid[1] & valid[2]


def _centred(
    position: Float[Tensor, "m p"], count: int
) -> tuple[Float[Tensor, "m p"], Bool[Tensor, "m p"]]:
    """Positions along one axis with centres at whole numbers, and whether they are in the hull."""
    centred = position - 0.5
    if count == 1:
        valid = (position > -_TOLERANCE_VOXELS) & (position < 1 + _TOLERANCE_VOXELS)
        return torch.where(valid, 0.0, torch.full_like(position, -2.0)), valid
    valid = (centred > -_TOLERANCE_VOXELS) & (centred < count - 1 + _TOLERANCE_VOXELS)
    return torch.where(valid, centred.clamp(0, count - 1), centred), valid
