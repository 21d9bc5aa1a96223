"""Twins of both liftings.

By look-up: the voxels that an image sees are packed, padded to the longest list, looked up level by
level, put back on the full grid and summed over levels and cameras. By splat: feature × probability
is written out for every point of the frustums, sorted by voxel and added up.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def lift_by_lookup(
    features: list[Float[Tensor, "m n c _hf _wf"]],
    depth_probs: list[Float[Tensor, "m n d _hf _wf"]],
    geometry: Any,
    normalise: str = "sum",
) -> Float[Tensor, "m c z y x"]:
    """See `Lifting`; features and distributions end at the maps' faces."""
    unit, seen = _project(geometry)  # m n v 3, m n v
    (m, n, v), c = seen.shape, features[0].shape[2]
    lists = [image.nonzero().squeeze(1) for image in seen.flatten(0, 1)]
    packed = unit.new_zeros(m * n, max(len(index) for index in lists), 3)
    for place, (index, positions) in enumerate(zip(lists, unit.flatten(0, 1), strict=True)):
        packed[place, : len(index)] = positions[index]
    levels = []
    for maps, probs in zip(features, depth_probs, strict=True):
        sampled = F.grid_sample(maps.flatten(0, 1), packed[:, None, :, :2], align_corners=False)
        prob = F.grid_sample(
            probs.flatten(0, 1).unsqueeze(1), packed[:, None, None], align_corners=False
        )
        levels.append(sampled[:, :, 0] * prob[:, :, 0, 0])
    values = torch.stack(levels, dim=-1)  # (m n) c p l
    full = values.new_zeros(m * n, v, c, len(levels))
    for place, index in enumerate(lists):
        full[place, index] = values[place, :, : len(index)].transpose(0, 1)
    volume = full.sum(dim=-1).unflatten(0, (m, n)).sum(dim=1)  # m v c
    if normalise == "mean":
        volume = volume / seen.sum(dim=1).clamp(min=1).unsqueeze(-1)
    return volume.transpose(1, 2).unflatten(2, geometry.grid.shape_zyx).contiguous()


@torch.no_grad()
def _project(geometry: Any) -> tuple[Float[Tensor, "m n v 3"], Bool[Tensor, "m n v"]]:
    """`unit` coordinates of column, row and depth bin of every voxel centre, and who sees it."""
    points = geometry.grid.centres_ego.reshape(-1, 3)
    rotation, origin = geometry.ego_from_camera[..., :3, :3], geometry.ego_from_camera[..., :3, 3]
    camera_from_ego = torch.cat(
        [
            rotation.transpose(-1, -2),
            -(rotation.transpose(-1, -2) @ origin.unsqueeze(-1)),
        ],
        dim=-1,
    )
    rows = geometry.intrinsics @ camera_from_ego  # m n 3 4
    scaled = torch.einsum("mnij,vj->mnvi", rows[..., :3], points) + rows[..., None, :, 3]
    depth = scaled[..., 2]
    u, v = (scaled[..., axis] / depth.clamp(min=1e-5) for axis in (0, 1))
    bins, (height, width) = geometry.bins, geometry.padded_hw
    half = (bins.last_m - bins.first_m) / (bins.num - 1) / 2
    size_v, size_u = (size.unsqueeze(-1) for size in geometry.image_sizes.unbind(-1))
    seen = (depth > max(bins.first_m - half, 1e-5)) & (depth < bins.last_m + half)
    seen &= (u >= 0) & (u < size_u) & (v >= 0) & (v < size_v)
    unit_depth = (depth - (bins.first_m + bins.last_m) / 2) / (bins.num * half)
    return torch.stack([2 * u / width - 1, 2 * v / height - 1, unit_depth], dim=-1), seen


def lift_by_splat(
    features: list[Float[Tensor, "m n c _hf _wf"]],
    depth_probs: list[Float[Tensor, "m n d _hf _wf"]],
    geometry: Any,
    normalise: str = "sum",
) -> Float[Tensor, "m c z y x"]:
    """See `Lifting`; points lie at the cells' centres."""
    volumes = [
        _splat(maps, probs, geometry, normalise)
        for maps, probs in zip(features, depth_probs, strict=True)
    ]
    return torch.stack(volumes).sum(dim=0)


def _splat(maps: Tensor, probs: Tensor, geometry: Any, normalise: str) -> Tensor:
    m, _, c, hf, wf = maps.shape
    voxels = _voxels(geometry, hf, wf)  # m n d hf wf
    outer = maps.unsqueeze(3) * probs.unsqueeze(2)  # m n c d hf wf
    rows = outer.permute(0, 1, 3, 4, 5, 2).reshape(-1, c)
    inside = voxels.flatten() >= 0
    voxel, rows = voxels.flatten()[inside], rows[inside]
    order = voxel.argsort(stable=True)
    voxel, rows = voxel[order], rows[order]
    count = m * geometry.grid.shape_zyx[0] * geometry.grid.shape_zyx[1] * geometry.grid.shape_zyx[2]
    volume = rows.new_zeros(count, c).index_add(0, voxel, rows)
    if normalise == "mean":
        volume = volume / torch.bincount(voxel, minlength=count).clamp(min=1).unsqueeze(-1)
    z, y, x = geometry.grid.shape_zyx
    return volume.view(m, z, y, x, c).permute(0, 4, 1, 2, 3).contiguous()


@torch.no_grad()
def _voxels(geometry: Any, hf: int, wf: int) -> Tensor:
    """Voxel of each frustum point, counted through m z y x; −1 where there is none."""
    (h, w), grid = geometry.padded_hw, geometry.grid
    v, u = torch.meshgrid(
        (torch.arange(hf) + 0.5) * (h / hf), (torch.arange(wf) + 0.5) * (w / wf), indexing="ij"
    )
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).to(geometry.intrinsics)
    rotation, origin = geometry.ego_from_camera[..., :3, :3], geometry.ego_from_camera[..., :3, 3]
    per_depth = torch.einsum("mnij,hwj->mnhwi", torch.linalg.inv(geometry.intrinsics), pixels)
    per_depth = torch.einsum("mnij,mnhwj->mnhwi", rotation, per_depth).unsqueeze(2)
    depths = geometry.bins.centres_m.to(pixels)[:, None, None, None]
    points = origin[:, :, None, None, None] + per_depth * depths  # m n d hf wf 3
    place = grid.to_grid(points).floor()
    inside = ((place >= 0) & (place < place.new_tensor(grid.shape_xyz))).all(dim=-1)
    sizes = geometry.image_sizes[:, :, None, None]
    inside &= ((pixels[..., 1] < sizes[..., 0]) & (pixels[..., 0] < sizes[..., 1])).unsqueeze(2)
    x, y, z = place.long().unbind(-1)
    frame = torch.arange(len(place), device=place.device).view(-1, 1, 1, 1, 1)
    size_z, size_y, size_x = grid.shape_zyx
    voxel = ((frame * size_z + z) * size_y + y) * size_x + x
    return torch.where(inside, voxel, -1)
