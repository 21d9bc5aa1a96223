"""Fields and points seen from above."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.evaluation import FlowTruth
from mim4d.evaluation.flow.from_above import Cells, boxes_in_ego, found_map, true_map
from mim4d.geometry.voxel_grid import VoxelGrid
from tests.toy import toy_clip

GRID = VoxelGrid((-8.0, -8.0, -1.0), (8.0, 8.0, 5.0), (8, 8, 4))
CELLS = Cells.of(GRID)


def cell_of(x: float, y: float) -> tuple[int, int]:
    """Row (y) and column (x) of a place among squares of 2 m."""
    return int((y + 8) / 2), int((x + 8) / 2)


def test_cells_cover_the_grid() -> None:
    assert (CELLS.reach_m, CELLS.size_m) == pytest.approx((8.0, 2.0))
    assert CELLS.count == 8
    assert CELLS.centres[cell_of(3.5, -4.5)].tolist() == pytest.approx([3.0, -5.0])
    # A grid whose axes are turned by 90° is covered all the same.
    turned = ((0.0, -1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0, 0, 1.0))
    narrow = replace(GRID, upper_m=(4.0, 8.0, 5.0), shape_xyz=(6, 8, 4), ego_from_box=turned)
    assert Cells.of(narrow).reach_m == pytest.approx(8.0)


def test_a_map_holds_what_lies_inside_the_surface() -> None:
    """A house of 3 m at the right, seen as a whole; a field that differs by height."""
    scene_flow = torch.zeros(3, 4, 8, 8)
    scene_flow[0, 1] = 2.0  # voxels from 0.5 to 2 m
    scene_flow[1, :, *cell_of(3.0, 3.0)] = 4.0

    def sdf(places: Tensor) -> Tensor:
        return torch.maximum(places[..., 1] + 4, places[..., 2] - 1.9)

    found = found_map(sdf, scene_flow, CELLS, GRID)
    expected = CELLS.centres[..., 1] < -4
    assert torch.equal(found.held, expected)
    # Heights 0.4 to 3 m in steps of 0.2 m: one below the layer that moves, seven in it up to 1.9 m,
    # eight in all; six more above.
    torch.testing.assert_close(found.velocities[cell_of(0.0, -6.0)][0], torch.tensor(14 / 8))
    torch.testing.assert_close(found.velocities[cell_of(3.0, 3.0)][1], torch.tensor(4.0))


def test_true_map_by_hand() -> None:
    rows = [
        (1.0, 1.0, 1.0, 3.0, 0.0),  # two movers and a wall in one square
        (1.5, 0.5, 1.0, 1.0, 2.0),
        (0.5, 0.5, 1.0, 0.0, 0.0),
        (5.0, 5.0, 2.0, 0.0, 0.0),  # a wall
        (5.0, -5.0, 0.0, 0.0, 0.0),  # the ground
        (-5.0, -5.0, 0.1, 0.0, 9.0),  # a wheel
        (-5.0, 5.0, 4.0, 0.0, 0.0),  # a branch
        (50.0, 0.0, 1.0, 5.0, 0.0),  # outside
    ]
    table = torch.tensor(rows)
    flow = torch.nn.functional.pad(table[:, 3:], (0, 1))
    none = torch.zeros(len(rows), dtype=torch.long)
    seen = true_map(FlowTruth(table[:, :3], flow, none, none, 0.5), CELLS)
    places = [cell_of(1, 1), cell_of(5, 5), cell_of(-5, -5)]
    assert sorted(map(tuple, seen.held.nonzero().tolist())) == sorted(places)
    assert seen.velocities[places[0]].tolist() == pytest.approx([2.0, 1.0])
    assert seen.velocities[places[1]].tolist() == [0.0, 0.0]
    assert seen.velocities[places[2]].tolist() == [0.0, 9.0]


def test_boxes_in_the_axes_of_their_frame() -> None:
    """The car of the frame is turned by -0.05 rad against the key frame's, where boxes are."""
    clip = toy_clip(0)
    box = torch.tensor([6.0, 2.0, 1.0, 4.0, 2.0, 1.5, 0.3, 3.0, 0.0])
    valid = torch.tensor([[[True, False]] * 3])
    clip = replace(
        clip,
        boxes_ref=box.expand(1, 3, 2, 9),
        valid_boxes=valid,
        valid_velocities=valid,
        box_classes=torch.zeros(1, 3, 2, dtype=torch.long),
        box_lidar_points=torch.zeros(1, 3, 2, dtype=torch.long),
        box_visibility=torch.zeros(1, 3, 2, dtype=torch.long),
    )
    (found,) = boxes_in_ego(clip, 0)
    centre = torch.linalg.inv(clip.ref_from_ego[0, 0]) @ torch.tensor([6.0, 2.0, 1.0, 1.0])
    torch.testing.assert_close(found[:3], centre[:3])
    assert found[6].item() == pytest.approx(0.35, abs=1e-5)
    assert found[7:].tolist() == pytest.approx([3 * math.cos(0.05), 3 * math.sin(0.05)], abs=1e-5)
    assert clip.boxes_ref[0, 0, 0, 6].item() == pytest.approx(0.3)
