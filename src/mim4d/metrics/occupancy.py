"""Does the SDF agree with the LiDAR about what is free and where something stands?

Every LiDAR beam is walked from `START_M` after its sensor towards its return, at distance d, and
beyond, in steps of `STEP_M`; places outside the grid or that the caller takes out (those that no
camera looks at) are not asked. A place is occupied where the SDF is not positive. A beam meets a
surface at the first occupied place after a free one (it may begin inside something, as rendered
rays may). With a tolerance τ that surface is `early` (before d − τ: the model blocks a beam that
went through), a `hit` (within d ± τ) or `late` (beyond d + τ, or there is none: the model lets a
beam pass that was stopped); the three shares add up to one. `free` is the share of places before
d − τ that are free, over all places of all beams.
A field that is occupied everywhere has late = 1, free = 0; one that is free everywhere has
late = 1, free = 1; an exact one hit = free = 1, but for what is thinner than a step. All errors are
along the beam: where it grazes the road, a few centimetres of height are a metre of distance.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mim4d.geometry.rigid import lengths
from mim4d.geometry.voxel_grid import VoxelGrid

START_M = 1.0
STEP_M = 0.2
TOLERANCES_M = (0.4, 0.8)


@dataclass(frozen=True)
class Beams:
    """LiDAR beams and the places along them that are asked, in one ego frame, metres.

    Attributes:
        points: The places.
        distances: Of each place from the sensor; the same for all beams.
        asked: Whether a place counts.
        returns_m: Distance of each beam's return from the sensor.
    """

    points: Float[Tensor, "r s 3"]
    distances: Float[Tensor, " s"]
    asked: Bool[Tensor, "r s"]
    returns_m: Float[Tensor, " r"]


@dataclass(frozen=True)
class OccupancyAgreement:
    """Shares at one tolerance, and what they are shares of.

    Attributes:
        tolerance_m: τ.
        hit: Share of beams that meet a surface at their return.
        early: Share of beams that meet one before.
        late: Share of beams that meet one only beyond, or none.
        free: Share of places before the return that are free; None if none was asked.
        num_beams: Beams.
        num_free: Places before the return.
    """

    tolerance_m: float
    hit: float
    early: float
    late: float
    free: float | None
    num_beams: int
    num_free: int


def walk_beams(
    origin_ego: Float[Tensor, " 3"], returns_ego: Float[Tensor, "p 3"], grid: VoxelGrid, most: int
) -> Beams:
    """The places to ask.

    Args:
        origin_ego: The sensor.
        returns_ego: Its returns. Those outside the grid, or nearer than `START_M` and the largest
            tolerance, are left out.
        grid: Of the volume, in the same ego frame.
        most: At most so many beams, evenly chosen in the order given.
    """
    tolerance = max(TOLERANCES_M)
    distance = lengths(returns_ego - origin_ego)
    usable = grid.contains(returns_ego) & (distance > START_M + tolerance)
    kept = usable.nonzero().squeeze(1)
    if len(kept) > most:
        kept = kept[(torch.arange(most) * len(kept)) // most]
    distance = distance[kept]
    directions = (returns_ego[kept] - origin_ego) / distance.unsqueeze(-1)
    furthest = distance.max().item() + tolerance if len(kept) else START_M
    places = torch.arange(START_M, furthest + STEP_M, STEP_M)
    points = origin_ego + directions[:, None] * places[:, None]
    return Beams(points, places, grid.contains(points), distance)


def beam_counts(sdf: Float[Tensor, "r s"], beams: Beams, tolerance_m: float) -> Int64[Tensor, " 5"]:
    """Beams that hit, are early, are late; free places before returns, and all such places.

    Args:
        sdf: At the places of the beams, metres.
        beams: From `walk_beams`.
        tolerance_m: τ.
    """
    occupied, free = (sdf <= 0) & beams.asked, (sdf > 0) & beams.asked
    surface = occupied & (free.cumsum(dim=1) > 0)
    first = torch.where(surface, beams.distances, torch.inf).amin(dim=1)
    early = first < beams.returns_m - tolerance_m
    late = first > beams.returns_m + tolerance_m
    before = beams.asked & (beams.distances < (beams.returns_m - tolerance_m).unsqueeze(1))
    counted = (~early & ~late, early, late, before & free, before)
    return torch.stack([each.sum() for each in counted])


def agreement(counts: Int64[Tensor, " 5"], tolerance_m: float) -> OccupancyAgreement | None:
    """Shares from (sums of) `beam_counts`; None without beams."""
    hit, early, late, free, places = counts.tolist()
    beams = hit + early + late
    if beams == 0:
        return None
    return OccupancyAgreement(
        tolerance_m=tolerance_m,
        hit=hit / beams,
        early=early / beams,
        late=late / beams,
        free=free / places if places else None,
        num_beams=beams,
        num_free=places,
    )
