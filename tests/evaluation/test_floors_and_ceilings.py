"""Voxels that hold a surface, and what is refused; whole runs are in `test_world_to_report`."""

import torch

from mim4d.evaluation.exact_volume import surface_points
from mim4d.evaluation.floors_and_ceilings import voxels_with
from mim4d.evaluation.task import TaskEvaluation
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.task import Scores
from tests.toy import toy_clip

GRID = VoxelGrid((0.0, -2.0, 0.5), (12.0, 2.0, 2.5), (6, 2, 1))


def test_voxels_with_a_point_in_them() -> None:
    points = torch.tensor([[0.1, -1.9, 0.6], [11.9, 1.9, 2.4], [5.0, 1.0, 9.0], [-1.0, 0.0, 1.0]])
    volume = voxels_with(points, GRID)
    assert volume.shape == (1, 2, 6)
    assert volume.nonzero().tolist() == [[0, 0, 0], [0, 1, 5]]


def test_a_wall_is_where_its_depth_says() -> None:
    """At 6 m before the front camera at x = 0.5: x = 6.5, the voxels from 6 to 8 m."""
    depths = torch.zeros(3, 64, 96)
    depths[0] = 6.0
    volume = voxels_with(surface_points(toy_clip(0, frames=1), depths), GRID)
    assert volume.nonzero()[:, 2].unique().tolist() == [3]


def test_answers_stand_side_by_side_in_the_column_that_counts() -> None:
    rows: Scores = {"vehicle": {"IoU": 0.2, "recall": 0.9}}
    other: Scores = {"vehicle": {"IoU": 0.05, "recall": 0.1}}
    evaluation = TaskEvaluation(
        "bev_segmentation", rows, ["a"], 1, True, {"never looks": other}, "IoU"
    )
    lines = evaluation.table().splitlines()
    header = next(number for number, text in enumerate(lines) if "label prior" in text)
    assert lines[header].split() == ["IoU", "this", "run", "label", "prior"]
    assert lines[header + 2].split() == ["vehicle", "0.200", "0.050"]
