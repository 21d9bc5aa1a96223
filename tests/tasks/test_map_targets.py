"""True lines by hand: classes, cuts, orders, cells; and that they move with the world."""

import math
from dataclasses import replace

import pytest
import shapely
import torch

from mim4d.data.augment.bev_transform import BevTransform
from mim4d.data.maps.map_file import geometry_array
from mim4d.data.maps.map_names import MAP_LAYERS
from mim4d.data.maps.map_patch import MapPatch
from mim4d.errors import DataError
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.map_ap import MapLines
from mim4d.tasks.map_targets import cells_on_lines, map_truth, orders_of
from tests.tasks.scene import Box, clip_with

CELLS = VoxelGrid((-10.0, -5.0, 0.0), (10.0, 5.0, 2.0), (20, 10, 1))


def town(**layers: list[shapely.Geometry]) -> MapPatch:
    """A map of these geometries, known within 40 m."""
    geometries = {name: geometry_array(layers.get(name, [])) for name in MAP_LAYERS}
    return MapPatch((-32.0, -32.0, 32.0, 32.0), shapely.box(-46, -46, 46, 46), geometries)


ROAD = town(
    lane_divider=[shapely.LineString([(-40, 1), (40, 1)])],
    road_divider=[shapely.LineString([(0, -40), (0, 40)])],
    ped_crossing=[shapely.box(4, -2, 6, 2)],
    drivable_area=[shapely.box(-30, -3, 30, 3)],
    road_boundary=[shapely.LineString([(-40, 4), (40, 4)])],
)


def truth_of(patch: MapPatch, boundary: str = "drivable_area"):
    clip = replace(clip_with(Box(5.0, 3.0)), maps=(patch,))
    return map_truth(clip, CELLS, 5, boundary)


def test_lines_by_hand() -> None:
    (lines,) = truth_of(ROAD).lines
    found = [
        (kind, sorted(line.tolist()))
        for kind, line in zip(lines.classes.tolist(), lines.lines, strict=True)
    ]
    assert (0, [[-10.0, 1.0], [10.0, 1.0]]) in found
    assert (0, [[0.0, -5.0], [0.0, 5.0]]) in found
    # The outline of the road without the rectangle's own edge: two lines.
    assert [kind for kind, _ in found] == [0, 0, 1, 2, 2]
    assert (2, [[-10.0, 3.0], [10.0, 3.0]]) in found
    crossing = lines.lines[2]
    assert crossing.shape == (5, 2)
    assert torch.equal(crossing[0], crossing[-1])
    (lines,) = truth_of(ROAD, "road_boundary").lines
    assert lines.lines[-1][:, 1].tolist() == [4.0, 4.0]


def test_orders_draw_the_same_line() -> None:
    """Of an open line both directions; of a ring of four corners each, from every corner."""
    ring = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]])
    line = torch.tensor([[-10.0, -5.0], [10.0, 5.0]])
    lines = MapLines((line, ring), torch.tensor([0, 1]), torch.ones(2))
    orders = orders_of(lines, CELLS, 5)
    assert orders.shape == (2, 8, 5, 2)
    straight = torch.linspace(0, 1, 5)[:, None].expand(5, 2)
    assert all(torch.equal(o, straight) or torch.equal(o, straight.flip(0)) for o in orders[0])
    assert {tuple(o[0].tolist()) for o in orders[0]} == {(0.0, 0.0), (1.0, 1.0)}
    metres = orders[1] * torch.tensor([20.0, 10.0]) - torch.tensor([10.0, 5.0])
    torch.testing.assert_close(metres[:, 0], metres[:, -1])
    assert len({tuple(map(tuple, o.round().tolist())) for o in metres}) == 8
    for order in metres:
        assert sorted(order[:4].round().tolist()) == sorted(ring[:4].tolist())


def test_cells_near_lines() -> None:
    """A line along y = 0.5 m: one row of cells of 1 m, whose centres lie on it."""
    line = torch.tensor([[-10.0, 0.5], [0.0, 0.5]])
    cells = cells_on_lines(MapLines((line,), torch.tensor([2]), torch.ones(1)), CELLS)
    assert cells.nonzero().tolist() == [[2, 5, x] for x in range(10)]


def _of_class(lines: MapLines, kind: int) -> list[torch.Tensor]:
    rows = (lines.classes == kind).nonzero().flatten().tolist()
    return [lines.lines[row] for row in rows]


def _union(lines: list[torch.Tensor]) -> shapely.Geometry:
    return shapely.union_all([shapely.LineString(line.numpy()) for line in lines])


@pytest.mark.parametrize(
    "change", [BevTransform(yaw_rad=math.pi / 2), BevTransform(flip_y=True, scale=1.1)]
)
def test_lines_move_with_the_world(change: BevTransform) -> None:
    """The truth of the moved map is the moved truth of a map cut further out."""
    moved = truth_of(ROAD.transformed(change.new_from_ref)).lines[0]
    linear = (change.scale * change.linear)[:2, :2].float()
    wide = replace(CELLS, lower_m=(-30.0, -30.0, 0.0), upper_m=(30.0, 30.0, 2.0))
    (before,) = map_truth(
        replace(clip_with(Box(5.0, 3.0)), maps=(ROAD,)), wide, 5, "drivable_area"
    ).lines
    rectangle = shapely.box(-10, -5, 10, 5)
    for kind in range(3):
        expected = _union([line @ linear.T for line in _of_class(before, kind)])
        found = _union(_of_class(moved, kind))
        assert found.hausdorff_distance(expected.intersection(rectangle)) < 1e-4


def test_an_empty_map_has_no_lines() -> None:
    truth = truth_of(town())
    assert truth.lines[0].lines == ()
    assert truth.orders[0].shape == (0, 8, 5, 2)
    assert not truth.cells.any()


def test_a_clip_without_a_map_is_refused() -> None:
    with pytest.raises(DataError, match="hd_map needs vector maps"):
        map_truth(replace(clip_with(), maps=None), CELLS, 5, "drivable_area")
