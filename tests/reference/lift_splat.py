"""Slow twin of the splat: one cell and depth bin at a time; and the released voxel index."""

import math

import torch
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.lifting import LiftGeometry


def splat_loops(
    features: Tensor, depth_probs: Tensor, geometry: LiftGeometry
) -> tuple[Tensor, Tensor]:
    """Voxel sums (m c z y x) and the number of points in each voxel (m z y x)."""
    m, n, c, hf, wf = features.shape
    grid, (height, width) = geometry.grid, geometry.padded_hw
    volume = features.new_zeros(m, c, *grid.shape_zyx)
    count = features.new_zeros(m, *grid.shape_zyx)
    for index in torch.cartesian_prod(*(torch.arange(k) for k in (m, n, hf, wf))).tolist():
        frame, camera, row, column = index
        u, v = (column + 0.5) / wf * width, (row + 0.5) / hf * height
        rows, columns = geometry.image_sizes[frame, camera].tolist()
        if u >= columns or v >= rows:
            continue
        matrix = geometry.intrinsics[frame, camera]
        pose = geometry.ego_from_camera[frame, camera]
        for k, depth in enumerate(geometry.bins.centres_m.tolist()):
            camera_point = torch.linalg.solve(matrix, torch.tensor([u, v, 1.0])) * depth
            point = (pose[:3, :3] @ camera_point + pose[:3, 3]).tolist()
            place = [
                math.floor((p - low) / size)
                for p, low, size in zip(point, grid.lower_m, grid.voxel_size_m, strict=True)
            ]
            if any(not 0 <= i < num for i, num in zip(place, grid.shape_xyz, strict=True)):
                continue
            x, y, z = place
            prob = depth_probs[frame, camera, k, row, column]
            volume[frame, :, z, y, x] += features[frame, camera, :, row, column] * prob
            count[frame, z, y, x] += 1
    return volume, count


def truncated_voxels(points: Tensor, grid: VoxelGrid) -> Tensor:
    """Voxel indices as released: truncated toward zero, so that one voxel's width of outside space
    falls into the lowest voxels."""
    index = (
        (points - points.new_tensor(grid.lower_m)) / points.new_tensor(grid.voxel_size_m)
    ).int()
    inside = ((index >= 0) & (index < index.new_tensor(grid.shape_xyz))).all(dim=-1)
    x, y, z = index.long().unbind(-1)
    flat = (z * grid.shape_xyz[1] + y) * grid.shape_xyz[0] + x
    return torch.where(inside, flat, -1)
