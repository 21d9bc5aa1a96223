"""Lifting by splat: every point of the cameras' frustums is put into the voxel that contains it.

Each feature cell's centre (pixels) at each depth bin's centre (metres) is a point of the frame's
ego axes; the voxel around it receives feature × probability. Where `lookup.py` asks from the
voxels' side and reaches every visible voxel, this asks from the images' side: no probability is
lost inside the grid, but far voxels may receive no point. Lift-splat, arXiv 2008.05711.
"""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import apply_linear
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.lifting import LiftGeometry, Normalise, full_precision, sum_into_voxels
from mim4d.tensors.counting import can_count

SampleAt = Literal["centre", "corner"]


def lift_by_splat(
    features: list[Float[Tensor, "m n c _hf _wf"]],
    depth_probs: list[Float[Tensor, "m n d _hf _wf"]],
    geometry: LiftGeometry,
    normalise: Normalise = "sum",
    sample_at: SampleAt = "centre",
) -> Float[Tensor, "m c z y x"]:
    """Put the frustum points of all cameras into the voxels; see `Lifting`.

    Args:
        features: Image features, by level.
        depth_probs: Probability of each depth bin at each feature cell, by level.
        geometry: Of the same frames and cameras.
        normalise: `sum` over the points of a voxel, or `mean`: divided by the number of points that
            fall into it, from all cameras. The number depends on the geometry alone and is large
            near a camera and small far away; the mean does not, and tends to the lookup's as cells
            and bins become finer.
        sample_at: Where in its cell a point lies. `corner`, the upper left one, is what released
            checkpoints were trained with.
    """
    volumes = []
    for level, probs in zip(features, depth_probs, strict=True):
        points, seen = frustum_points(geometry, (level.shape[-2], level.shape[-1]), sample_at)
        voxels = containing_voxels(points, geometry.grid)
        voxels = voxels.masked_fill(~seen.unsqueeze(2), -1)
        volumes.append(splat(level, probs, voxels, geometry.grid, normalise))
    return sum(volumes[1:], volumes[0])


@torch.no_grad()
def frustum_points(
    geometry: LiftGeometry, cells: tuple[int, int], sample_at: SampleAt = "centre"
) -> tuple[Float[Tensor, "m n d hf wf 3"], Bool[Tensor, "m n hf wf"]]:
    """Points of every cell and depth bin.

    Args:
        geometry: Cameras and depth bins.
        cells: Rows and columns of the feature map.
        sample_at: See `lift_by_splat`.

    Returns:
        The points in their frame's ego axes, metres, and whether the cell's point lies on picture
        rather than padding; points of absent images are finite and mean nothing.
    """
    device, (hf, wf), (h, w) = geometry.intrinsics.device, cells, geometry.padded_hw
    places = cell_centres(cells, device) - (0.0 if sample_at == "centre" else 0.5)
    u, v = (places * places.new_tensor([w / wf, h / hf])).unbind(-1)
    rows, columns = geometry.image_sizes[..., None, None, :].unbind(-1)
    seen = (v < rows) & (u < columns)
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).reshape(1, 1, -1, 3)
    exists = (geometry.image_sizes > 0).all(dim=-1)[..., None, None]
    intrinsics = torch.where(exists, geometry.intrinsics.float(), torch.eye(3, device=device))
    pose = geometry.ego_from_camera.float()
    per_depth = apply_linear(torch.linalg.inv(intrinsics), pixels)
    per_depth = apply_linear(pose[..., :3, :3], per_depth).unsqueeze(2)  # m n 1 (hf wf) 3
    depths = geometry.bins.centres_m.to(device)[:, None, None]
    points = torch.addcmul(pose[..., None, None, :3, 3], per_depth, depths)
    return points.unflatten(3, cells), seen


@torch.no_grad()
def containing_voxels(points_ego: Float[Tensor, "*p 3"], grid: VoxelGrid) -> Int[Tensor, "*p"]:
    """Index of the voxel around each point, counted through z y x; −1 outside the grid.

    Voxel i reaches from i to i + 1 in grid coordinates, so the index is the floor: truncation would
    pull one voxel's width of outside space into the lowest voxels.
    """
    position = grid.to_grid(points_ego).floor()
    shape = position.new_tensor(grid.shape_xyz)
    inside = ((position >= 0) & (position < shape)).all(dim=-1)
    x, y, z = position.masked_fill(~inside.unsqueeze(-1), 0).long().unbind(-1)
    columns, rows, _ = grid.shape_xyz
    return torch.where(inside, (z * rows + y) * columns + x, -1)


def splat(
    features: Float[Tensor, "m n c hf wf"],
    depth_probs: Float[Tensor, "m n d hf wf"],
    voxels: Int[Tensor, "m n d hf wf"],
    grid: VoxelGrid,
    normalise: Normalise = "sum",
) -> Float[Tensor, "m c z y x"]:
    """Add feature × probability of every point to its voxel.

    The product is never written out for all points: points are sorted by voxel and summed in place.

    Args:
        features: Image features of one level.
        depth_probs: Probability of each depth bin at each feature cell.
        voxels: Voxel of each point, from `containing_voxels`; negative for points left out.
        grid: The voxels.
        normalise: See `lift_by_splat`.
    """
    m, n, d, hf, wf = voxels.shape
    num_voxels = math.prod(grid.shape_xyz)
    voxel, inside = voxels.flatten(), voxels.flatten() >= 0
    if can_count(voxel):
        point, counts = inside.nonzero().squeeze(1), None
        voxel = voxel[point]
    else:  # all points; those left out are dealt out evenly with weight 0, so that none gets many
        point, counts = torch.arange(len(voxel), device=voxel.device), inside
        voxel = torch.where(inside, voxel, point % num_voxels)
    target, order = (voxel + point // (n * d * hf * wf) * num_voxels).sort(stable=True)
    point = point[order]
    cell = point // (d * hf * wf) * (hf * wf) + point % (hf * wf)
    weight = full_precision(depth_probs).flatten()[point]
    num_terms = num_points = _count(target, torch.ones_like(target), m * num_voxels)
    if counts is not None:
        weight = weight * counts[point]
        num_points = _count(target, counts[point].long(), m * num_voxels)
    volume = sum_into_voxels(features, cell, weight, num_terms.view(m, num_voxels))
    if normalise == "mean":
        volume = volume / num_points.view(m, 1, num_voxels).clamp(min=1)
    return volume.unflatten(2, grid.shape_zyx)


def _count(
    target: Int[Tensor, " k"], terms: Int[Tensor, " k"], num_targets: int
) -> Int[Tensor, " v"]:
    """Sum of the terms of each target; `bincount` would look for the largest target."""
    return terms.new_zeros(num_targets).index_add_(0, target, terms)
