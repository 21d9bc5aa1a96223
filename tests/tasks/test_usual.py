"""What never looks: shares, majorities, and what comes back at the same place."""

from dataclasses import replace

import shapely
import torch

from mim4d.build.tasks import build_task
from mim4d.config.presets import task_preset
from mim4d.tasks.detection.detections import TrueBoxes
from mim4d.tasks.detection.usual_boxes import usual_boxes
from mim4d.tasks.task import KnowsTheUsual, Task
from mim4d.tasks.usual import usual_places
from tests.tasks.scene import Box, clip_with
from tests.tasks.test_map_targets import town


def _task(name: str) -> Task:
    return build_task(task_preset("toy", name))[0]


def test_places_that_come_back_are_taken_once() -> None:
    at = torch.tensor([0.0, 0.5, 9.0, 0.4, 9.5])
    clips = torch.tensor([0, 1, 1, 2, 1])
    rows, shares = usual_places((at[:, None] - at).abs(), clips, 4, near_m=1.0)
    assert rows.tolist() == [0, 2]
    assert shares.tolist() == [0.75, 0.25]
    rows, shares = usual_places(torch.zeros(0, 0), torch.zeros(0, dtype=torch.long), 4, 1.0)
    assert len(rows) == len(shares) == 0


def test_shares_of_cells() -> None:
    there, elsewhere = clip_with(Box(5.0, 3.0)), clip_with(Box(-9.0, -4.0))
    hidden = clip_with(Box(5.0, 3.0, visibility=1))
    for name in ("vehicles", "bev_segmentation"):
        task = _task(name)
        assert isinstance(task, KnowsTheUsual)
        truths = [task.targets(clip) for clip in (there, there, elsewhere, hidden)]
        usual = task.usual(truths)
        vehicles = usual[0] if name == "vehicles" else usual[0, 0]
        assert {round(v, 4) for v in vehicles.unique().tolist()} == {0.0, 0.25, round(2 / 3, 4)}


def test_the_usual_answer_to_equal_clips_is_the_truth() -> None:
    task = _task("occupancy")
    truth = task.targets(clip_with())
    assert isinstance(task, KnowsTheUsual)
    metric = task.build_metric()
    metric.update(task.usual([truth, truth]), truth)
    assert metric.compute()["occupied"]["IoU"] == 1.0
    maps = town(
        lane_divider=[shapely.LineString([(-30, 2), (30, 3)])],
        ped_crossing=[shapely.box(3, -4, 7, 4)],
        drivable_area=[shapely.box(-40, -6, 40, 6)],
    )
    task = _task("hd_map")
    truth = task.targets(replace(clip_with(), maps=(maps,)))
    assert isinstance(task, KnowsTheUsual)
    metric = task.build_metric()
    metric.update(task.usual([truth, truth]), truth)
    assert metric.compute()["maptr"]["mAP"] == 1.0


def test_usual_boxes_are_scored_by_their_share() -> None:
    def boxes(*x: float) -> TrueBoxes:
        rows = torch.zeros(len(x), 9)
        rows[:, 0] = torch.tensor(x)
        rows[:, 7:] = torch.nan
        none = torch.zeros(len(x), dtype=torch.long)
        seen = torch.ones(len(x), dtype=torch.bool)
        return TrueBoxes(rows, none, none, none, none, seen, "token")

    found = usual_boxes([boxes(1.0, 30.0), boxes(2.0), boxes(), boxes(1.5)])
    assert found.boxes_ref[:, 0].tolist() == [1.0, 30.0]
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.boxes_ref.isfinite().all()
