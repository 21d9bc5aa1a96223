"""Cameras around a car, and random feature maps, for the tests of both liftings."""

import math

import torch
from torch import Tensor

from mim4d.geometry.rigid import rigid_from_rotation_translation, rotation_from_yaw
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins
from mim4d.models.lifting.lifting import LiftGeometry

GRID = VoxelGrid((-8.0, -8.0, -1.0), (8.0, 8.0, 3.0), (8, 8, 3))
CAMERA_AXES = torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def rig(
    frames: int,
    cameras: int,
    padded_hw: tuple[int, int] = (24, 32),
    bins: DepthBins | None = None,
    grid: VoxelGrid = GRID,
) -> LiftGeometry:
    """Cameras all round, a little different in every frame, pictures with padding."""
    height, width = padded_hw
    intrinsics = torch.tensor(
        [[0.7 * width, 0, width / 2], [0, 0.7 * width, height / 2], [0, 0, 1]]
    )
    poses = [
        rigid_from_rotation_translation(
            rotation_from_yaw(torch.tensor(2 * math.pi * k / cameras + 0.1 * f)) @ CAMERA_AXES,
            torch.tensor([0.1 * k, 0.2, 1.0]),
        )
        for f in range(frames)
        for k in range(cameras)
    ]
    sizes = torch.tensor([[[height - 4 - f, width - 3]] * cameras for f in range(frames)])
    return LiftGeometry(
        grid,
        bins or DepthBins(5, 1.0, 9.0),
        torch.stack(poses).unflatten(0, (frames, cameras)),
        intrinsics.expand(frames, cameras, 3, 3).contiguous(),
        sizes,
        padded_hw,
    )


def random_maps(
    geometry: LiftGeometry,
    seed: torch.Generator,
    channels: int = 3,
    cells: tuple[int, int] = (3, 4),
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Features `m n c hf wf` and depth distributions `m n d hf wf`."""
    m, n = geometry.intrinsics.shape[:2]
    features = torch.randn(m, n, channels, *cells, generator=seed, dtype=dtype)
    logits = torch.randn(m, n, geometry.bins.num, *cells, generator=seed, dtype=dtype)
    return features, logits.softmax(dim=2)
