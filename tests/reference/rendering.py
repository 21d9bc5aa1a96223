"""Slow twins of the renderer: plain loops, torch's grid_sample, double backward, known defects."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.sdf_field import FieldSamples, SdfField


def lookup_by_grid_sample(volume: Tensor, points_ego: Tensor, grid: VoxelGrid) -> Tensor:
    """`b q c` by torch's own trilinear sampling."""
    unit = grid.to_unit(points_ego)[:, None, None]
    sampled = F.grid_sample(volume, unit, padding_mode="zeros", align_corners=False)
    return sampled[:, :, 0, 0].transpose(1, 2)


def lookup_by_loop(volume: Tensor, point_ego: Tensor, grid: VoxelGrid) -> Tensor:
    """One point, the eight corners one by one."""
    centred = (grid.to_grid(point_ego) - 0.5).tolist()
    total = volume.new_zeros(volume.shape[0])
    for corner in range(8):
        weight, index = 1.0, []
        for axis in range(3):
            low = math.floor(centred[axis])
            upper = corner >> axis & 1
            weight *= centred[axis] - low if upper else 1 - (centred[axis] - low)
            index.append(low + upper)
        if all(0 <= i < n for i, n in zip(index, grid.shape_xyz, strict=True)):
            x, y, z = index
            total = total + weight * volume[:, z, y, x]
    return total


def field_by_double_backward(
    field: SdfField, volume: Tensor, points_ego: Tensor, directions: Tensor
) -> FieldSamples:
    """The field with textbook layers and ∂sdf/∂p from autograd (create_graph)."""
    points = points_ego.detach().requires_grad_()
    b, r, s, _ = points.shape
    features = lookup_by_grid_sample(volume, points.reshape(b, -1, 3), field.grid)
    features = features.reshape(b, r, s, -1)

    def decode(mlp, conditions, activation):
        x = mlp.from_points(points / field.length_unit_m)
        layers = mlp.linear_layers()
        for i, layer in enumerate(layers):
            x = layer(x + mlp.from_features(conditions).chunk(len(layers), dim=-1)[i])
            if i + 1 < len(layers):
                x = activation(x)
        return x

    shape = features[..., : field.shape_channels]
    outputs = decode(field.sdf_decoder, shape, lambda x: F.softplus(x, beta=100))
    sdf = outputs[..., 0] * field.length_unit_m
    if field.sdf_start == "ground":
        sdf = sdf + points[..., 2]
    (gradient,) = torch.autograd.grad(sdf.sum(), points, create_graph=True)
    per_sample = directions[:, :, None].expand_as(points)
    conditions = torch.cat([per_sample, features, gradient, outputs[..., 1:]], dim=-1)
    colours = decode(field.colour_decoder, conditions, torch.relu).sigmoid()
    return FieldSamples(sdf, gradient, colours)


def alpha_textbook(sdf, slope, length, sharpness, epsilon=0.0):
    """Equation 13 of NeuS as it stands, with the released ε."""
    drop = torch.relu(-slope) * length / 2
    start, end = torch.sigmoid(sharpness * (sdf + drop)), torch.sigmoid(sharpness * (sdf - drop))
    return ((start - end + epsilon) / (start + epsilon)).clamp(0, 1)


def weights_by_loop(alpha: list[float]) -> list[float]:
    left, weights = 1.0, []
    for a in alpha:
        weights.append(a * left)
        left *= 1 - a
    return weights


def inverse_cdf_by_loop(edges: list[float], weights: list[float], share: float) -> float:
    """Walk along the sections until the share of the weight is used up."""
    rest = share * sum(weights)
    for low, high, weight in zip(edges, edges[1:], weights, strict=True):
        if rest < weight:
            return low + (high - low) * rest / weight
        rest -= weight
    return edges[-1]


def box_by_loop(origin: list[float], direction: list[float], grid: VoxelGrid):
    """(near, far) of one ray in the grid's own axes, or None."""
    near, far = -math.inf, math.inf
    for o, d, low, high in zip(origin, direction, grid.lower_m, grid.upper_m, strict=True):
        if d == 0:
            if not low <= o <= high:
                return None
            continue
        near = max(near, min((low - o) / d, (high - o) / d))
        far = min(far, max((low - o) / d, (high - o) / d))
    return (near, far) if near < far and far > 0 else None


def mixed_frame_directions(pixels: Tensor, key_from_pixel: Tensor, origins_sweep: Tensor) -> Tensor:
    """DEFECT of the released code: points of the key frame minus an origin in the sweep's frame."""
    homogeneous = torch.cat([pixels, torch.ones_like(pixels)], dim=-1)
    points_key = (homogeneous @ key_from_pixel.transpose(-1, -2))[..., :3]
    return F.normalize(points_key - origins_sweep, dim=-1)


def box_with_added_step(
    origins: Tensor, directions: Tensor, grid: VoxelGrid, near_min_m: float
) -> tuple[Tensor, Tensor]:
    """DEFECT of the released code: 1e-6 is added to directions before dividing by them.

    Near and far (r) of rays (r 3) in the grid's own axes, metres.
    """
    faces = torch.tensor([grid.lower_m, grid.upper_m])
    at_faces = (faces[:, None] - origins) / (directions + 1e-6)
    near = at_faces.amin(dim=0).amax(dim=-1).clamp(min=near_min_m)
    far = at_faces.amax(dim=0).amin(dim=-1)
    return near, far
