"""Voxels that hold a surface, and what is refused; whole runs are in `test_world_to_report`."""

import pytest
import torch

from mim4d.config import OptimConfig
from mim4d.evaluation.exact_volume import surface_points
from mim4d.evaluation.floors_and_ceilings import shortened, voxels_with
from mim4d.evaluation.task import TaskEvaluation
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.task import Scores
from mim4d.training.optim import lr_factor
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


def test_a_shortened_training_keeps_the_course_of_its_rate() -> None:
    """A warm-up of 9,000 steps in 30,000 must be over after 300 in 1,000."""
    whole = OptimConfig(steps=30_000, warmup_steps=9_000)
    short = shortened(whole, 1_000)
    assert (short.steps, short.warmup_steps) == (1_000, 300)
    for share in (0.1, 0.3, 0.5, 0.9):
        of_whole, of_short = (lr_factor(round(share * each.steps), each) for each in (whole, short))
        assert of_short == pytest.approx(of_whole, abs=0.01)
    assert shortened(whole, 40_000) == whole
