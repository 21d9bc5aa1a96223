"""From the key frame's volume to features of cells on the ground, for any head seen from above.

A head makes one and reads `b c y x` on the cells that it asks for:

    cells = cells_around(grid, (200, 200), (100.0, 100.0))  # 100 m × 100 m around the car, 0.5 m
    self.trunk = BevTrunk(channels, grid, cells, width=64)  # `channels` as `Task.build_head` gets
    self.logits = nn.Conv2d(self.trunk.out_channels, 6, 1)
    ...
    return self.logits(self.trunk(volume))  # b 6 y x

Cells are a `VoxelGrid` of one layer: `cells.centres_ego[0, ..., :2]` is where they lie, metres in
the ego frame of the key frame, `cells.to_grid(points)` in which cell a point lies. Several frames
have become one volume before (`mim4d.tasks.frames`). Norms see each clip by itself.
"""

from dataclasses import replace
from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mim4d.geometry.voxel_grid import VoxelGrid

_TOLERANCE = 1e-5
_GROUP = 8
"""Channels of a group norm's group."""


def cells_around(
    grid: VoxelGrid, cells_xy: tuple[int, int], range_xy_m: tuple[float, float] | None = None
) -> VoxelGrid:
    """Cells on the ground: over a volume's grid from bound to bound, or over a part of it.

    Args:
        grid: Of the volume.
        cells_xy: Cells along x and y.
        range_xy_m: Length along x and width along y, centred on the car, ego metres; None: all of
            the grid, in the grid's own axes.

    Raises:
        ValueError: If the range reaches beyond the volume, of which nothing is known there.
    """
    if range_xy_m is None:
        return replace(grid, shape_xyz=(*cells_xy, 1))
    half_x, half_y = range_xy_m[0] / 2, range_xy_m[1] / 2
    middle = sum(grid.layer_heights_m) / len(grid.layer_heights_m)
    corners = [[x, y, middle] for x in (-half_x, half_x) for y in (-half_y, half_y)]
    with torch.device("cpu"):  # models are built on devices without values, too
        reach = float(grid.to_unit(torch.tensor(corners))[:, :2].abs().max())
    if reach > 1 + _TOLERANCE:
        lower, upper = grid.lower_m, grid.upper_m
        raise ValueError(
            f"head.range_xy_m: {range_xy_m[0]:g} m × {range_xy_m[1]:g} m around the car reach "
            f"beyond the volume (x {lower[0]:g} to {upper[0]:g} m, y {lower[1]:g} to {upper[1]:g} "
            "m); choose a smaller range, or a larger --grid.lower-m and --grid.upper-m"
        )
    lower_z, upper_z = middle - 1.0, middle + 1.0
    return VoxelGrid((-half_x, -half_y, lower_z), (half_x, half_y, upper_z), (*cells_xy, 1))


class BevTrunk(nn.Module):
    """Height folded into channels, a small residual U at the voxels' resolution, then the cells.

    Args:
        channels: Of the volume.
        grid: Of the volume.
        cells: Where features are wanted, one layer; see `cells_around`.
        width: Channels at the voxels' resolution and on the cells; a multiple of 8.
        scales: Resolutions; each further one has half the cells a side.
        blocks: Residual blocks at each scale, down and up.
        cell_blocks: Residual blocks on the cells, if these are not the voxels' columns themselves.
        place_octaves: Wavelengths by which cells are told where they lie; see `cell_waves`.

    Attributes:
        out_channels: Of what leaves.
    """

    looked_up: Tensor
    waves: Tensor

    def __init__(
        self,
        channels: int,
        grid: VoxelGrid,
        cells: VoxelGrid,
        width: int = 64,
        scales: int = 2,
        blocks: int = 1,
        cell_blocks: int = 1,
        place_octaves: int = 0,
    ) -> None:
        super().__init__()
        self.out_channels = width
        widths = [_whole_groups(width * 1.5**k) for k in range(scales)]
        self.fold = _convolution(channels * grid.shape_xyz[2], width, kernel=1)
        self.down = nn.ModuleList(
            _stage(a, b, blocks, stride=1 if k == 0 else 2)
            for k, (a, b) in enumerate(pairwise([width, *widths]))
        )
        self.lateral = nn.ModuleList(nn.Conv2d(b, a, 1, bias=False) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_stage(a, a, blocks) for a in widths[:-1])
        self.same_cells = cells == replace(grid, shape_xyz=(*grid.shape_xyz[:2], 1))
        self.on_cells = _stage(width, width, 0 if self.same_cells else cell_blocks)
        self.register_buffer("looked_up", _unit_places(grid, cells), persistent=False)
        self.place = None
        if place_octaves:
            waves = cell_waves((cells.shape_xyz[1], cells.shape_xyz[0]), place_octaves)
            self.register_buffer("waves", waves, persistent=False)
            self.place = nn.Conv2d(len(waves), width, 1, bias=False)

    def forward(self, volume: Float[Tensor, "b c z y x"]) -> Float[Tensor, "b k yc xc"]:
        """Features of the cells."""
        bev = self.fold(rearrange(volume, "b c z y x -> b (c z) y x"))
        seen = []
        for stage in self.down:
            bev = stage(bev)
            seen.append(bev)
        for lateral, stage, finer in zip(
            reversed(self.lateral), reversed(self.up), reversed(seen[:-1]), strict=True
        ):
            coarse = F.interpolate(
                lateral(bev), finer.shape[-2:], mode="bilinear", align_corners=False
            )
            bev = stage(finer + coarse)
        if not self.same_cells:
            places = self.looked_up.expand(len(bev), -1, -1, -1)
            bev = F.grid_sample(bev, places, padding_mode="border", align_corners=False)
        if self.place is not None:
            bev = bev + self.place(self.waves[None])
        cells: Tensor = self.on_cells(bev)
        return cells


def cell_waves(shape_yx: tuple[int, int], octaves: int) -> Float[Tensor, "k y x"]:
    """Sine and cosine of each cell's place along y and along x, for each wavelength.

    Args:
        shape_yx: Cells along y and x.
        octaves: Wavelengths; the first is the whole range, each further one half of it.
    """
    along = [(torch.arange(count) + 0.5) / count for count in shape_yx]
    places = torch.stack(torch.meshgrid(*along, indexing="ij"))  # 2 y x, in (0, 1)
    angles = 2 * torch.pi * torch.cat([places * 2**k for k in range(octaves)])
    return torch.cat([angles.sin(), angles.cos()])


class _Block(nn.Module):
    """Two 3×3 convolutions and a way past them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(in_channels, out_channels, stride=stride)
        self.second = _convolution(out_channels, out_channels, end=nn.Identity())
        changed = stride > 1 or in_channels != out_channels
        self.past = (
            _convolution(in_channels, out_channels, kernel=1, stride=stride, end=nn.Identity())
            if changed
            else nn.Identity()
        )

    def forward(self, x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b k y2 x2"]:
        added: Tensor = self.past(x) + self.second(self.first(x))
        return added.relu()


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int = 1) -> nn.Sequential:
    sizes = [(in_channels, stride), *[(out_channels, 1)] * (blocks - 1)][:blocks]
    return nn.Sequential(*(_Block(size, out_channels, step) for size, step in sizes))


def _convolution(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    stride: int = 1,
    end: nn.Module | None = None,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        ),
        nn.GroupNorm(out_channels // _GROUP, out_channels),
        nn.ReLU() if end is None else end,
    )


def _whole_groups(channels: float) -> int:
    return max(1, round(channels / _GROUP)) * _GROUP


def _unit_places(grid: VoxelGrid, cells: VoxelGrid) -> Float[Tensor, "1 yc xc 2"]:
    """Where the volume's columns are looked up: each cell's centre in [-1, 1] of the grid."""
    return grid.to_unit(cells.centres_ego)[..., :2]
