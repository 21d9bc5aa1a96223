"""How well the sources agree on a velocity: lookups of maps seen from above, and their score.

A map (`c y x`) of each source lies in the target's axes, ego motion removed. What is at x in the
target at time t and moves with v is, in the source at time t + Δt, at x + v·Δt. Velocities are in
cells per second along the grid's x and y. `uniform` looks all cells up with each of a lattice of
velocities; `at_flow` looks every cell up with its own.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.geometry.lattices import cell_centres
from mim4d.tensors.records import take

_TINY = 1e-12


@dataclass(frozen=True)
class SourceMaps:
    """Descriptors of the sources.

    Attributes:
        values: Zero where the source has no value.
        valid: 1 where it has, else 0.
        dt_s: Source time minus target time, seconds.
    """

    values: Float[Tensor, "b s c y x"]
    valid: Float[Tensor, "b s y x"]
    dt_s: Float[Tensor, "b s"]

    def take(self, index: Int[Tensor, "b k"]) -> "SourceMaps":
        """Some of the sources of each clip."""
        clip = torch.arange(len(index), device=index.device).unsqueeze(1)
        return take(self, (clip, index))

    def times(self, factor: Float[Tensor, "b y x"]) -> "SourceMaps":
        """The same factor on all sources' values."""
        return SourceMaps(self.values * factor[:, None, None], self.valid, self.dt_s)


@dataclass(frozen=True)
class Found:
    """What the sources hold where a velocity points to, summed over the sources.

    Attributes:
        joint: |Σ f|²: large where they hold the same.
        energy: Σ |f|².
        count: Number of sources that have a value there.
    """

    joint: Float[Tensor, "b *q y x"]
    energy: Float[Tensor, "b *q y x"]
    count: Float[Tensor, "b *q y x"]

    @property
    def agreement(self) -> Float[Tensor, "b *q y x"]:
        """Σ_{i≠j} f_i·f_j / (n − 1), which is Σ|f|² where all n sources hold the same."""
        return (self.joint - self.energy) / (self.count - 1).clamp(min=1)

    def score(self, floor: Float[Tensor, " b"], penalty: float) -> Float[Tensor, "b *q y x"]:
        """Agreement minus `penalty` × disagreement, as shares of the energy.

        1 where the sources hold the same and much of it, 0 where they hold nothing, −`penalty`
        where one holds something and the others nothing.

        Args:
            floor: Energy that counts as nothing.
            penalty: Weight of disagreement.
        """
        scale = self.energy + floor.view(-1, *[1] * (self.energy.ndim - 1))
        return ((1 + penalty) * self.agreement - penalty * self.energy) / scale


def in_place(maps: SourceMaps) -> Found:
    """What the sources hold at each cell itself: the velocity zero."""
    return _summed(maps.values, maps.valid)


def _summed(values: Float[Tensor, "b s c *q y x"], count: Float[Tensor, "b s *q y x"]) -> Found:
    joint = values.sum(dim=1).square().sum(dim=1)
    return Found(joint, values.square().sum(dim=(1, 2)), count.sum(dim=1))


def uniform(maps: SourceMaps, speeds: Float[Tensor, " q"], stride: int = 1) -> Found:
    """What the sources hold for every velocity of a square lattice.

    Shifting by a velocity is a product with a banded matrix along x, and one along y that also
    sums over the sources. `energy` is that of the unshifted cells, interpolated.

    Args:
        maps: The sources.
        speeds: Speeds along x and along y, cells per second.
        stride: Every how many cells, along x and along y, the sources are looked up.

    Returns:
        Sums by speed along y, speed along x, and cell: `b q q y x`.
    """
    y, x = maps.values.shape[-2:]
    along_y, along_x = (_shifts(maps.dt_s, speeds, n, stride) for n in (y, x))
    energy = maps.values.square().sum(dim=2, keepdim=True)
    stacked = torch.cat([maps.values, energy, maps.valid.unsqueeze(2)], dim=2)
    rows = torch.einsum("bscyx,bsqux->bsycqu", stacked, along_x)
    summed = torch.einsum("bsrvy,bsycqu->brvcqu", along_y, rows)
    # Split, not sliced: the backward pass then joins gradients instead of adding padded ones.
    values, energy, count = summed.split([maps.values.shape[2], 1, 1], dim=3)
    joint = values.square().sum(dim=3)
    return Found(*(v.transpose(2, 3) for v in (joint, energy.squeeze(3), count.squeeze(3))))


def _shifts(
    dt_s: Float[Tensor, "b s"], speeds: Float[Tensor, " q"], count: int, stride: int
) -> Float[Tensor, "b s q m n"]:
    """Matrices that look cells up where each speed points to; linear, zero outside."""
    cells = torch.arange(count, device=dt_s.device, dtype=dt_s.dtype)
    away = dt_s[:, :, None] * speeds
    target = cells[::stride, None] + away[..., None, None]
    return (1 - (target - cells).abs()).clamp(min=0)


def at_flow(maps: SourceMaps, flow: Float[Tensor, "b q 2 y x"]) -> Found:
    """What the sources hold for each cell's own velocities (x, y), cells per second.

    Args:
        maps: The sources.
        flow: Some velocities to try at each cell.

    Returns:
        Sums by velocity and cell: `b q y x`.
    """
    b, s, _, y, x = maps.values.shape
    stacked = torch.cat([maps.values, maps.valid.unsqueeze(2)], dim=2)
    cells = cell_centres((y, x), flow.device).movedim(-1, 0)
    places = cells + flow.unsqueeze(1) * maps.dt_s.view(b, s, 1, 1, 1, 1)
    unit = places.movedim(3, -1) * 2 / places.new_tensor([x, y]) - 1
    looked = F.grid_sample(
        stacked.flatten(0, 1),
        unit.flatten(0, 1).flatten(1, 2),
        padding_mode="zeros",
        align_corners=False,
    ).view(b, s, -1, flow.shape[1], y, x)
    values, count = looked.split([looked.shape[2] - 1, 1], dim=2)
    return _summed(values, count.squeeze(2))


def box_mean(values: Float[Tensor, "*b y x"], side: int) -> Float[Tensor, "*b y x"]:
    """Mean over the `side` × `side` cells around each cell, of those that exist."""
    flat = values.reshape(-1, 1, *values.shape[-2:])
    mean = F.avg_pool2d(flat, side, stride=1, padding=side // 2, count_include_pad=False)
    return mean.reshape(values.shape)


def compressed(
    values: Float[Tensor, "b s c y x"], valid: Bool[Tensor, "b s y x"]
) -> Float[Tensor, "b s c y x"]:
    """Length l of each descriptor to l/√(l² + mean l²): strong features count no more than others.

    The mean is over the valid cells of all sources of a clip.
    """
    energy = values.square().sum(dim=2, keepdim=True) * valid.unsqueeze(2)
    cells = valid.sum(dim=(1, 2, 3)).clamp(min=1)
    mean = energy.sum(dim=(1, 2, 3, 4)) / cells
    return values * valid.unsqueeze(2) * (energy + mean[:, None, None, None, None] + _TINY).rsqrt()
