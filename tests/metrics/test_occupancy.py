"""Agreement of an SDF with LiDAR beams: known answers."""

import math

import pytest
import torch
from torch import Tensor

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.occupancy import (
    TOLERANCES_M,
    Beams,
    OccupancyAgreement,
    agreement,
    beam_counts,
    walk_beams,
)

GRID = VoxelGrid((-20.0, -20.0, -2.0), (20.0, 20.0, 6.0), (4, 4, 4))
ORIGIN = torch.tensor([0.0, 0.0, 2.0])


def directions() -> Tensor:
    """Downwards by 10 to 60 degrees, all round."""
    down, round_ = torch.meshgrid(
        torch.linspace(-60, -10, 6).deg2rad(), torch.arange(0, 360, 15).deg2rad(), indexing="ij"
    )
    return torch.stack(
        [down.cos() * round_.cos(), down.cos() * round_.sin(), down.sin()], dim=-1
    ).flatten(0, 1)


def plane_beams(most: int = 1000) -> Beams:
    d = directions()
    return walk_beams(ORIGIN, ORIGIN + d * (-2.0 / d[:, 2:]), GRID, most)


def found(sdf: Tensor, beams: Beams, tolerance: float = 0.4) -> OccupancyAgreement:
    result = agreement(beam_counts(sdf, beams, tolerance), tolerance)
    assert result is not None
    return result


@pytest.mark.parametrize("tolerance", TOLERANCES_M)
def test_the_exact_plane_agrees(tolerance: float) -> None:
    beams = plane_beams()
    # Returns are 2.3 m (at 60 degrees) to 11.5 m away; nearer than 1.8 m is none.
    assert len(beams.returns_m) == 6 * 24
    exact = found(beams.points[..., 2], beams, tolerance)
    assert (exact.hit, exact.early, exact.late, exact.free) == (1.0, 0.0, 0.0, 1.0)
    assert exact.num_beams == 144


def test_the_exact_sphere_agrees() -> None:
    """A ball of 2 m at (8, 0, 2), seen from 8 m away, with beams through its middle half."""
    centre = torch.tensor([8.0, 0.0, 2.0])
    angles = torch.linspace(-0.12, 0.12, 25)
    d = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=-1)
    along = d @ (centre - ORIGIN)
    returns = along - (4 - (64 - along**2)).sqrt()
    beams = walk_beams(ORIGIN, ORIGIN + d * returns[:, None], GRID, 100)
    exact = found((beams.points - centre).norm(dim=-1) - 2, beams)
    assert (exact.hit, exact.free) == (1.0, 1.0)
    assert exact.num_beams == 25


def test_a_plane_half_a_metre_off_is_missed_by_what_it_is_along_each_beam() -> None:
    """0.5 m of height are 0.58 m along a beam of 60 degrees, 2.9 m along one of 10."""
    beams = plane_beams()
    high = found(beams.points[..., 2] - 0.5, beams, 0.4)
    assert (high.hit, high.early) == (0.0, 1.0)
    assert high.free is not None
    assert high.free < 1.0
    # Along beams of 60, 50 and 40 degrees it is 0.58, 0.65 and 0.78 m: within 0.8, as the place
    # that is found lies up to a step behind the surface.
    near = found(beams.points[..., 2] - 0.5, beams, 0.8)
    assert near.hit == pytest.approx(3 / 6)
    low = found(beams.points[..., 2] + 0.5, beams, 0.4)
    assert (low.hit, low.late, low.free) == (0.0, 1.0, 1.0)


def test_fields_without_a_surface() -> None:
    beams = plane_beams()
    solid = found(torch.full(beams.asked.shape, -1.0), beams)
    assert (solid.hit, solid.late, solid.free) == (0.0, 1.0, 0.0)
    empty = found(torch.ones(beams.asked.shape), beams)
    assert (empty.hit, empty.late, empty.free) == (0.0, 1.0, 1.0)


def test_a_beam_may_begin_inside_something() -> None:
    beams = plane_beams()
    sdf = beams.points[..., 2].clone()
    sdf[:, :2] = -1.0
    begun = found(sdf, beams)
    assert begun.hit == 1.0
    assert begun.free == pytest.approx(1 - 2 * 144 / begun.num_free)


def test_places_that_are_not_asked_are_neither_free_nor_occupied() -> None:
    beams = plane_beams()
    sdf = beams.points[..., 2].clone()
    sdf[:, 1] = -1.0
    blind = beams.asked.clone()
    blind[:, 1] = False
    spared = found(sdf, Beams(beams.points, beams.distances, blind, beams.returns_m))
    assert (spared.hit, spared.free) == (1.0, 1.0)
    assert spared.num_free == found(sdf, beams).num_free - 144


def test_returns_outside_the_grid_or_too_near_are_left_out() -> None:
    returns = torch.tensor([[5.0, 0, 0], [30.0, 0, 0], [1.0, 0, 2], [0, -6.0, 1]])
    beams = walk_beams(ORIGIN, returns, GRID, 10)
    assert beams.returns_m.tolist() == pytest.approx([math.sqrt(29), math.sqrt(37)])
    assert len(walk_beams(ORIGIN, returns[1:3], GRID, 10).returns_m) == 0
    empty = walk_beams(ORIGIN, returns[:0], GRID, 10)
    assert agreement(beam_counts(torch.zeros(0, len(empty.distances)), empty, 0.4), 0.4) is None


def test_at_most_so_many_beams_evenly_chosen() -> None:
    every, some = plane_beams(), plane_beams(most=12)
    torch.testing.assert_close(some.returns_m, every.returns_m[::12])
