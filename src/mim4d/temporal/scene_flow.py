"""Continuous scene flow: the velocity of what each voxel of the dropped frame holds.

The sources enter on the target's voxels, ego motion removed; out comes one velocity in m/s along
the target frame's ego axes for every voxel. It is found by explicit matching: for each velocity of
a window the sources are looked up where it points to, past and future at once, and the velocity at
which they agree best wins, refined in ever smaller steps. One field explains all sources, at any
spacing of times. Columns of voxels move as one: what drives does so along the ground.

A learned regressor with only the local gradient of warping ends at zero flow; matching does not.
MIM4D (arXiv 2403.08760) names continuous scene flow, its code has none; this estimator is ours.
"""

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.temporal.flow_matching import (
    SourceMaps,
    at_flow,
    box_mean,
    compressed,
    in_place,
    uniform,
)
from mim4d.temporal.sources import Sources
from mim4d.temporal.warp import sample_along_axes


@dataclass(frozen=True)
class FlowSearch:
    """What the search looks at, and what it takes for granted.

    Attributes:
        max_speed_m_s: Largest speed along either axis.
        step_m_s: Spacing of the first velocities: about two voxels between the two sources that
            are nearest in time.
        refinements: How often the step is halved around the best velocity so far.
        stride: Every how many voxels, along x and along y, the first velocities are tried.
        heights_m: Lowest and highest voxel centres above the ground that are matched. The ground
            looks alike everywhere and is seen only around the car: it seems to move with it.
        static_prior: By how much standing still is preferred, in units of the score (a perfect
            match of strong features has 1).
        slow_prior: The same for the slower of two velocities, times the square of their speed as a
            share of the largest; among equals the slowest wins.
        penalty: Weight of disagreement in the score.
        floor: Energy that counts as nothing, as a share of the mean.
        temperature: Of the mean over neighbouring velocities, and of the choice between moving and
            standing.
    """

    max_speed_m_s: float = 16.0
    step_m_s: float = 8 / 3
    refinements: int = 1
    stride: int = 2
    heights_m: tuple[float, float] = (0.3, 2.5)
    static_prior: float = 0.2
    slow_prior: float = 0.2
    penalty: float = 0.4
    floor: float = 0.6
    temperature: float = 0.05


class SceneFlow(nn.Module):
    """Velocity field from the source volumes.

    Args:
        channels: Channels of a volume.
        grid: The voxels.
        width: Channels of the descriptors that are compared.
        search: See there.

    The descriptors are a linear map of each column, orthonormal at first, so that inner products
    are kept on average; it can be learned, since the flow is differentiable in it.
    """

    heights: Tensor
    speeds: Tensor
    metres_from_cells: Tensor

    def __init__(
        self, channels: int, grid: VoxelGrid, width: int = 16, search: FlowSearch | None = None
    ) -> None:
        super().__init__()
        self.grid = grid
        self.search = search = search or FlowSearch()
        low, high = search.heights_m
        # Layers by number: a mask would make the host wait for the device at every step.
        heights = [i for i, z in enumerate(grid.layer_heights_m) if low <= z <= high]
        if not heights:
            raise ValueError(
                f"voxel centres lie at heights of {grid.layer_heights_m} m, none between {low} and "
                f"{high} m: choose other heights to match (flow.heights_m)"
            )
        self.register_buffer("heights", torch.tensor(heights), persistent=False)
        self.describe = nn.Linear(channels * len(heights), width, bias=False)
        nn.init.orthogonal_(self.describe.weight)
        count = max(1, round(search.max_speed_m_s / search.step_m_s))
        speeds_m_s = torch.arange(-count, count + 1) * search.step_m_s
        # Cells need not be square; the window is one of equal steps in voxels of the longer side.
        size = torch.tensor(grid.voxel_size_m)
        self.register_buffer("speeds", speeds_m_s / size[:2].max(), persistent=False)
        ego_from_box = torch.tensor(grid.ego_from_box)[:3, :3]
        self.register_buffer("metres_from_cells", ego_from_box * size, persistent=False)

    def forward(self, sources: Sources) -> Float[Tensor, "m 3 z y x"]:
        """Find the flow.

        Returns:
            Velocities, m/s along the target frame's ego axes. Zero where nothing is seen, where the
            sources agree without motion, and everywhere in clips with fewer than two sources: one
            source fits any velocity.
        """
        with torch.autocast(sources.warped.device.type, enabled=False):
            maps = self._maps(sources)
            flow = self._flow(maps, nearest_two(sources.dt_s, sources.present))
            enough = sources.present.sum(dim=1) >= 2
            flow = flow * enough[:, None, None, None]
            flow_m_s = torch.einsum("kd,bdyx->bkyx", self.metres_from_cells[:, :2], flow)
        return flow_m_s.unsqueeze(2).expand(-1, -1, sources.warped.shape[3], -1, -1)

    def _maps(self, sources: Sources) -> SourceMaps:
        """Descriptors of columns, seen from above."""
        valid = sources.usable[:, :, self.heights]
        kept = sources.warped.float()[:, :, :, self.heights] * valid.unsqueeze(2)
        columns = self.describe(rearrange(kept, "b s c z y x -> b s y x (c z)"))
        seen = valid.any(dim=2)
        values = compressed(columns.movedim(-1, 2), seen)
        return SourceMaps(values, seen.float(), sources.dt_s.float())

    def _flow(self, maps: SourceMaps, nearest: Int[Tensor, "b k"]) -> Float[Tensor, "b 2 y x"]:
        """Velocity seen from above, cells per second."""
        search = self.search
        still = in_place(maps)
        seen = (still.count > 0).sum(dim=(1, 2)).clamp(min=1)
        floor = search.floor * still.energy.sum(dim=(1, 2)) / seen + 1e-12
        # What differs between the sources has moved, or was seen by some of them only.
        changed = still.energy - still.agreement
        share = box_mean(changed, 3) / (box_mean(still.energy, 3) + floor[:, None, None])
        moving = maps.times(share)
        flow = self._first(moving, floor, nearest)
        step = self.speeds[1] - self.speeds[0]
        for _ in range(search.refinements):
            step = step / 2
            flow = self._refined(moving, floor, flow, step)
        found = at_flow(maps, flow.unsqueeze(1))
        # Standing explains a cell only as far as its surroundings stand too: the middle of a slow,
        # large object looks alike in all sources, its ends do not.
        around = box_mean(changed, 5) / (box_mean(still.energy, 5) + floor[:, None, None])
        standing = still.score(floor, search.penalty)
        standing = standing - around * standing.clamp(min=0)
        gain = found.score(floor, search.penalty).squeeze(1) - standing
        gain = box_mean(gain, 3) - search.static_prior
        moves = torch.sigmoid(gain / search.temperature).unsqueeze(1)
        # A cell follows its neighbours as far as they have more to go by.
        weight = moves * found.energy / (found.energy + floor[:, None, None, None])
        return moves * box_mean(flow * weight, 3) / (box_mean(weight, 3) + 1e-6)

    def _first(
        self, maps: SourceMaps, floor: Tensor, nearest: Int[Tensor, "b k"]
    ) -> Float[Tensor, "b 2 y x"]:
        """The best velocity of the whole window, between its neighbours by their scores."""
        search = self.search
        found = uniform(maps.take(nearest), self.speeds, search.stride)
        side = 2 * (2 // search.stride) + 1
        scores = box_mean(found.score(floor, search.penalty), side)
        slow = (self.speeds / self.speeds.max()).square() * search.slow_prior
        scores = scores - (slow[:, None] + slow)[..., None, None]
        flow = _peak(scores, self.speeds, search.temperature)
        y, x = maps.values.shape[-2:]
        flow = flow.repeat_interleave(search.stride, 2).repeat_interleave(search.stride, 3)
        return flow[..., :y, :x]

    def _refined(
        self, maps: SourceMaps, floor: Tensor, flow: Tensor, step: Tensor
    ) -> Float[Tensor, "b 2 y x"]:
        """A better velocity among the nine within one step."""
        signs = torch.tensor([-1.0, 0.0, 1.0], device=flow.device)
        offsets = torch.cartesian_prod(signs, signs) * step
        tried = flow.unsqueeze(1) + offsets.view(1, -1, 2, 1, 1)
        scores = at_flow(maps, tried).score(floor, self.search.penalty)
        share = (box_mean(scores, 3) / self.search.temperature).softmax(dim=1)
        return flow + torch.einsum("bqyx,qk->bkyx", share, offsets)


def nearest_two(dt_s: Float[Tensor, "b s"], present: Bool[Tensor, "b s"]) -> Int[Tensor, "b k"]:
    """The two sources nearest in time (one where there is but one), whatever the side.

    A future source counts as a hair farther, and an absent one as farther than all.
    """
    away = torch.where(dt_s > 0, dt_s * (1 + 1e-5), -dt_s).masked_fill(~present, torch.inf)
    return away.argsort(dim=1, stable=True)[:, :2]


def _peak(
    scores: Float[Tensor, "b q q y x"], speeds: Float[Tensor, " q"], temperature: float
) -> Float[Tensor, "b 2 y x"]:
    """Mean velocity around the best one, weighted by exp(score / temperature).

    The choice itself has no gradient, the weights have one.
    """
    q = len(speeds)
    best = scores.detach().flatten(1, 2).argmax(dim=1, keepdim=True)
    row, column = best // q, best % q
    near = torch.cartesian_prod(*[torch.arange(-1, 2, device=scores.device)] * 2)
    rows, columns = (place + near[:, k].view(-1, 1, 1) for k, place in enumerate((row, column)))
    inside = (rows >= 0) & (rows < q) & (columns >= 0) & (columns < q)
    rows, columns = rows.clamp(0, q - 1), columns.clamp(0, q - 1)
    around = scores.flatten(1, 2).gather(1, rows * q + columns)
    share = (around / temperature).masked_fill(~inside, -torch.inf).softmax(dim=1)
    return torch.stack([(share * speeds[columns]).sum(1), (share * speeds[rows]).sum(1)], dim=1)


def align_sources(
    sources: Sources, scene_flow: Float[Tensor, "m 3 z y x"], grid: VoxelGrid
) -> tuple[Sources, Float[Tensor, "m s z y x"]]:
    """What each source holds at x + v(x)·Δt, where ego motion is already removed.

    With zero flow nothing changes. Differentiable in volumes and flow.

    Args:
        sources: Ego motion is removed, motion is not.
        scene_flow: m/s along the target frame's ego axes.
        grid: The voxels.

    Returns:
        The sources with motion removed, fading to zero towards voxels without a value, and the
        interpolated share of those that have one; more than half of it is valid.
    """
    flow = scene_flow.float()
    centres = cell_centres(grid.shape_zyx, flow.device).movedim(-1, 0)
    cells_from_metres = grid.unit_from_ego[:3, :3] * torch.tensor(grid.shape_xyz).unsqueeze(1) / 2
    # Written out, so that autocast cannot round it.
    velocity = (cells_from_metres.to(flow)[..., None, None, None] * flow.unsqueeze(1)).sum(dim=2)
    moved = velocity.unsqueeze(1) * sources.dt_s[..., None, None, None, None]
    places = (centres + moved).flatten(0, 1).flatten(2)  # (m s) 3 p
    usable = sources.usable.unsqueeze(-1)
    held = torch.cat([sources.warped.movedim(2, -1) * usable, usable], dim=-1)
    looked, _ = sample_along_axes(held.flatten(0, 1).movedim(-1, 1), places.unbind(1))
    looked = looked.unflatten(-1, grid.shape_zyx).unflatten(0, sources.dt_s.shape)
    share = looked[:, :, -1]
    return replace(sources, warped=looked[:, :, :-1], valid=share > 0.5), share


def shared_mean(aligned: Sources, share: Float[Tensor, "m s z y x"]) -> Float[Tensor, "m c z y x"]:
    """Mean of what `align_sources` returns; zero where no source has a value.

    With zero flow this is `valid_mean`.
    """
    return aligned.warped.sum(dim=1) / share.sum(dim=1).clamp(min=1e-6).unsqueeze(1)
