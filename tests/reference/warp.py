"""Twins of the ego-motion warp: a loop over voxels, and the released code's index-unit error."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid


def warp_loops(volume: Tensor, source_from_target: Tensor, grid: VoxelGrid) -> Tensor:
    """Trilinear lookup of one volume (c z y x), zero outside, voxel by voxel."""
    c, *shape = volume.shape
    lower, size = torch.tensor(grid.lower_m), torch.tensor(grid.voxel_size_m)
    warped = torch.zeros_like(volume)
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                centre = lower + (torch.tensor([x, y, z]) + 0.5) * size
                source = source_from_target[:3, :3] @ centre + source_from_target[:3, 3]
                position = ((source - lower) / size - 0.5).tolist()
                value = volume.new_zeros(c)
                for corner in range(8):
                    index, weight = [], 1.0
                    for axis in range(3):
                        low = math.floor(position[axis])
                        upper = (corner >> axis) & 1
                        fraction = position[axis] - low
                        weight *= fraction if upper else 1 - fraction
                        index.append(low + upper)
                    i, j, k = index
                    if 0 <= k < shape[0] and 0 <= j < shape[1] and 0 <= i < shape[2]:
                        value = value + weight * volume[:, k, j, i]
                warped[:, z, y, x] = value
    return warped


def warp_in_index_units(volume: Tensor, source_from_target: Tensor) -> Tensor:
    """The released warp: the metric matrix multiplies voxel indices (volume: b c z y x)."""
    z, y, x = volume.shape[-3:]
    axes = torch.meshgrid(torch.arange(z), torch.arange(y), torch.arange(x), indexing="ij")
    index = torch.stack([axes[2], axes[1], axes[0]], dim=-1).float()
    moved = index @ source_from_target[:3, :3].T + source_from_target[:3, 3]
    unit = 2 * moved / (torch.tensor([x, y, z]) - 1.0) - 1
    lookup = unit.expand(len(volume), -1, -1, -1, -1)
    return F.grid_sample(volume, lookup, align_corners=True)
