"""Cells over a grid and what stands in them, by hand and against slow twins; head and losses."""

import math

import pytest
import torch
from torch import Tensor

from mim4d.data.clip import collate
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.metrics.cell_iou import CellTruth
from mim4d.tasks.cells import (
    CellHead,
    boxes_of,
    cell_centres,
    cell_losses,
    seen_boxes,
    truth_of_boxes,
    under_boxes,
)
from tests.tasks.scene import Box, clip_with

GRID = VoxelGrid((-4.0, -2.0, -1.0), (4.0, 2.0, 3.0), (4, 2, 2))
"""8 × 4 m; as 4 × 2 cells their centres are x −3, −1, 1, 3 and y −1, 1."""


def test_cells_span_the_grid_whatever_its_voxels() -> None:
    centres = cell_centres(GRID, (4, 2))
    assert centres[..., 0].tolist() == [[-3.0, -1.0, 1.0, 3.0]] * 2
    assert centres[..., 1].tolist() == [[-1.0] * 4, [1.0] * 4]
    assert cell_centres(GRID, (16, 2))[0, :2, 0].tolist() == [-3.75, -3.25]


def test_cells_follow_a_turned_and_shifted_grid() -> None:
    """A quarter turn about z, 1 m ahead: the grid's x is ego's y, its y ego's −x."""
    pose = box_pose((1.0, 0.0, 0.0), (0.0, 0.0, 90.0))
    centres = cell_centres(VoxelGrid(GRID.lower_m, GRID.upper_m, GRID.shape_xyz, pose), (4, 2))
    torch.testing.assert_close(centres[0, 0], torch.tensor([2.0, -3.0]))
    torch.testing.assert_close(centres[1, 3], torch.tensor([0.0, 3.0]))


def test_occupied_and_ignored_cells_by_hand() -> None:
    """A box over two cells; one nobody saw that shares a cell with it; one of another class."""
    clip = clip_with(
        Box(2.0, 1.0, 2.5, 1.0),
        Box(0.0, 1.0, 2.5, 1.0, points=0),
        Box(-3.0, -1.0, 1.0, 1.0, visibility=1),
        Box(-1.0, -1.0, 1.0, 1.0, kind=1),
    )
    truth = truth_of_boxes(
        clip, boxes_of(clip, (0,)), seen_boxes(clip, 1, 2), cell_centres(GRID, (4, 2))
    )
    assert truth.occupied[0].int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert truth.ignored[0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_turned_box_by_hand() -> None:
    """4 × 1 m, turned by 90° about (1, 0): it reaches to y ±2 and x 0.5 to 1.5."""
    clip = clip_with(Box(1.0, 0.0, 4.0, 1.0, math.pi / 2))
    cells = under_boxes(clip, boxes_of(clip, (0,)), cell_centres(GRID, (4, 2)))
    assert cells[0].int().tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]


def test_only_the_key_frame_counts() -> None:
    clip = clip_with(Box(1.0, 1.0), frames=3)
    whole = under_boxes(clip, boxes_of(clip, (0,)), cell_centres(GRID, (4, 2)))
    alone = clip.key_frame()
    assert torch.equal(whole, under_boxes(alone, boxes_of(alone, (0,)), cell_centres(GRID, (4, 2))))
    assert whole.any()


def test_what_nobody_noted_is_kept() -> None:
    clip = clip_with(
        Box(0, 0, points=-1, visibility=0), Box(0, 0, points=0), Box(0, 0, visibility=1)
    )
    assert seen_boxes(clip, 1, 2).tolist() == [[True, False, False]]
    assert seen_boxes(clip, 0, 1).all()


def test_the_rasteriser_equals_its_slow_twin(seed: torch.Generator) -> None:
    draws = torch.rand(7, 5, generator=seed).tolist()
    boxes = [Box(8 * x - 4, 4 * y - 2, 3 * a + 0.2, b + 0.2, 6 * yaw) for x, y, a, b, yaw in draws]
    clip = clip_with(*boxes)
    cells = under_boxes(clip, boxes_of(clip, (0,)), cell_centres(GRID, (24, 12)))
    for row in range(12):
        for column in range(24):
            x, y = -4 + (column + 0.5) / 3, -2 + (row + 0.5) / 3
            assert bool(cells[0, row, column]) == any(_covers(box, x, y) for box in boxes)
    assert 0 < cells.sum() < cells.numel()


def _covers(box: Box, x: float, y: float) -> bool:
    """Inside of a polygon: on the left of each of its four edges."""
    along = complex(math.cos(box.yaw), math.sin(box.yaw))
    half, across = along * box.length / 2, along * 1j * box.width / 2
    corners = [
        complex(box.x, box.y) + c
        for c in (half + across, across - half, -half - across, half - across)
    ]
    edges = zip(corners, corners[1:] + corners[:1], strict=True)
    return all(((b - a).conjugate() * (complex(x, y) - a)).imag >= 0 for a, b in edges)


def _head() -> CellHead:
    torch.manual_seed(0)
    return CellHead(3, 2, (8, 6), 8)


def test_the_head_gives_a_logit_for_each_cell_of_rectangular_grids() -> None:
    logits = _head()(torch.randn(2, 3, 2, 3, 4))
    assert logits.shape == (2, 6, 8)


def test_two_clips_at_once_equal_two_of_one(seed: torch.Generator) -> None:
    head, volumes = _head(), torch.randn(2, 3, 2, 3, 4, generator=seed)
    both = head(volumes)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], head(volumes[i : i + 1]))


def _losses(logits: Tensor, occupied: Tensor, ignored: Tensor) -> dict[str, float]:
    losses = cell_losses(logits, CellTruth(occupied, ignored), 2.0, 3.0)
    return {name: float(value) for name, value in losses.items()}


def test_losses_by_hand() -> None:
    """Probabilities 3/4 and 1/4 of a true and an empty cell; a third cell is ignored."""
    third = math.log(3.0)
    logits = torch.tensor([[[third, -third, 50.0]]])
    occupied = torch.tensor([[[True, False, False]]])
    ignored = torch.tensor([[[False, False, True]]])
    losses = _losses(logits, occupied, ignored)
    assert losses["bce"] == pytest.approx(-math.log(3 / 4))
    assert losses["dice"] == pytest.approx(1 - (2 * 3 / 4 + 1) / (1 + 1 + 1))
    assert losses["loss"] == pytest.approx(2 * losses["bce"] + 3 * losses["dice"])


def test_ignored_cells_teach_nothing() -> None:
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    ignored = torch.tensor([[[False, True], [False, False]]])
    occupied = torch.tensor([[[True, False], [False, False]]])
    cell_losses(logits, CellTruth(occupied, ignored), 1.0, 1.0)["loss"].backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 1] == 0
    assert (logits.grad[~ignored] != 0).all()


def test_losses_are_means_over_clips(seed: torch.Generator) -> None:
    """Also where a clip has all of its cells ignored: it adds nothing to the cross-entropy."""
    logits = torch.randn(3, 4, 4, generator=seed)
    occupied = torch.rand(3, 4, 4, generator=seed) > 0.7
    ignored = (torch.rand(3, 4, 4, generator=seed) > 0.8) & ~occupied
    occupied[2], ignored[2] = False, True
    whole = _losses(logits, occupied, ignored)
    single = [_losses(*(x[i : i + 1] for x in (logits, occupied, ignored))) for i in range(3)]
    for name, value in whole.items():
        assert value == pytest.approx(sum(each[name] for each in single) / 3, rel=1e-5)
    assert single[2]["bce"] == 0


def test_batches_are_drawn_clip_by_clip() -> None:
    clips = [clip_with(Box(1.0, 1.0)), clip_with(Box(-3.0, -1.0), Box(3.0, 1.0), seed=1)]
    both = collate(clips)
    cells = under_boxes(both, boxes_of(both, (0,)), cell_centres(GRID, (8, 4)))
    for i, clip in enumerate(clips):
        alone = under_boxes(clip, boxes_of(clip, (0,)), cell_centres(GRID, (8, 4)))
        assert torch.equal(cells[i : i + 1], alone)
