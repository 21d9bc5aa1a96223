"""Twins of the scene flow's lookups: loops over cells, sources and velocities."""

import math

import torch
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid


def linear(field: Tensor, place: list[float]) -> Tensor:
    """Multilinear lookup of `c *n` at index coordinates (centre of cell 0 is 0); zero outside."""
    lows = [math.floor(p) for p in place]
    value = torch.zeros(len(field))
    for corner in range(2 ** len(place)):
        weight, index = 1.0, []
        for axis, (p, low) in enumerate(zip(place, lows, strict=True)):
            upper = (corner >> axis) & 1
            weight *= (p - low) if upper else 1 - (p - low)
            index.append(low + upper)
        if all(0 <= i < n for i, n in zip(index, field.shape[1:], strict=True)):
            cell: tuple[slice | int, ...] = (slice(None), *index)
            value = value + weight * field[cell]
    return value


def flow_warped_mean_loops(
    warped: Tensor, valid: Tensor, dt_s: Tensor, flow: Tensor, grid: VoxelGrid
) -> Tensor:
    """One clip: `s c z y x`, `s z y x`, `s`, and m/s `3 z y x`; the grid's box is the ego frame."""
    size = grid.voxel_size_m
    out = torch.zeros(warped.shape[1:])
    for z, y, x in torch.cartesian_prod(*(torch.arange(n) for n in grid.shape_zyx)).tolist():
        total, share = torch.zeros(warped.shape[1]), 0.0
        for s, dt in enumerate(dt_s.tolist()):
            velocity = flow[:, z, y, x].tolist()
            place = [c + velocity[2 - a] * dt / size[2 - a] for a, c in enumerate((z, y, x))]
            total += linear(warped[s] * valid[s], place)
            share += linear(valid[s][None].float(), place).item()
        if share > 1e-6:
            out[:, z, y, x] = total / share
    return out


def found_loops(
    values: Tensor, valid: Tensor, dt_s: Tensor, flow: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """|Σ f|², Σ|f|² and Σ valid of one clip (`s c y x`, `s y x`, `s`, cells/s `2 y x`)."""
    joint, energy, count = torch.zeros(3, *flow.shape[1:])
    for y in range(flow.shape[1]):
        for x in range(flow.shape[2]):
            found = []
            for s, dt in enumerate(dt_s.tolist()):
                vx, vy = flow[:, y, x].tolist()
                place = [y + vy * dt, x + vx * dt]
                found.append(linear(values[s], place))
                count[y, x] += linear(valid[s][None], place).item()
            joint[y, x] = sum(found, torch.zeros(())).square().sum()
            energy[y, x] = sum(f.square().sum() for f in found)
    return joint, energy, count
