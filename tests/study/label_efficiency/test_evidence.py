"""What runs leave by scene: scored once each it is the metric's own score; laws of weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics import Metric

from mim4d.metrics.cell_iou import CellIou, CellTruth
from mim4d.metrics.layer_iou import LayerIou, LayerTruth
from mim4d.metrics.line_distance import LineRule
from mim4d.metrics.map_ap import MapAp, MapLines
from mim4d.study.label_efficiency.evidence import (
    Evidence,
    evidence_of,
    load_evidence,
    save_evidence,
)
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.detection.metric import DetectionMetric

SCENES = 4
CENTRES = torch.stack(torch.meshgrid(*[torch.arange(-28.0, 29, 8)] * 2, indexing="xy"), -1)
RULE = LineRule("line", (0.5, 1.0), num_points=5)


def _cells(metric: Metric, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (1, 8, 8) if isinstance(metric, CellIou) else (1, 2, 8, 8)
    occupied = torch.rand(shape, generator=generator) < 0.3
    ignored = (torch.rand(shape, generator=generator) < 0.1) & ~occupied
    truth = CellTruth if isinstance(metric, CellIou) else LayerTruth
    metric.update(torch.rand(shape, generator=generator), truth(occupied, ignored))


def _boxes(metric: Metric, seed: int) -> None:
    """Ten cars and pedestrians a scene, found within metres, among others that are false."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.zeros(10, 9)
    true[:, :2] = torch.rand(10, 2, generator=generator) * 50 - 25
    true[:, 3:6] = torch.tensor([4.0, 2.0, 1.5])
    found = true.repeat(2, 1)
    found[:10, :2] += torch.randn(10, 2, generator=generator)
    found[10:, :2] = torch.rand(10, 2, generator=generator) * 50 - 25
    classes = torch.tensor([0] * 5 + [8] * 5)
    ones = torch.ones(10, dtype=torch.long)
    scores = torch.rand(20, generator=generator)
    answer = Detections(found, classes.repeat(2), scores, -ones.repeat(2))
    truth = TrueBoxes(true, classes, -ones, ones, 4 * ones, ones > 0, f"sample-{seed}")
    metric.update([answer], [truth])


def _lines(metric: Metric, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    true = [torch.tensor([[0.0, y], [10.0, y]]) for y in (0.0, 5.0, 10.0, 15.0)]
    found = [line + torch.randn(1, generator=generator) * 0.8 for line in (*true, *true[:2])]
    scores = torch.rand(6, generator=generator)
    answer = MapLines(tuple(found), torch.tensor([0, 0, 1, 1, 0, 1]), scores)
    truth = MapLines(tuple(true), torch.tensor([0, 0, 1, 1]), torch.ones(4))
    metric.update([answer], [truth])


KINDS = {
    "vehicles": (lambda: CellIou("vehicles", CENTRES), _cells),
    "bev_segmentation": (lambda: LayerIou(("a", "vehicle"), ("vehicle",), CENTRES), _cells),
    "detection": (DetectionMetric, _boxes),
    "hd_map": (lambda: MapAp(("divider", "crossing"), (RULE,)), _lines),
}


def _score(metric: Metric) -> float:
    """Its own, as a share."""
    rows = metric.compute()
    match metric:
        case CellIou():
            value = rows["visible vehicles"]["IoU"]
        case LayerIou():
            value = rows["mean of layers"]["IoU"]
        case DetectionMetric():
            value = rows["mean of true classes"]["AP"]
        case _:
            value = rows["line"]["mAP, true classes"]
    assert value
    return float(value)


def _made(task: str, seeds: list[int]) -> tuple[Evidence, Metric]:
    """Of a scene for each seed, and a metric that saw all of them."""
    make, update = KINDS[task]
    whole, by_scene = make(), {}
    for place, seed in enumerate(seeds):
        by_scene[f"s{place}"] = make()
        update(by_scene[f"s{place}"], seed)
        update(whole, seed)
    return evidence_of(by_scene), whole


def _weighed(evidence: Evidence, *weights: int) -> dict[str, float]:
    scores = evidence.scores(np.array([weights]))
    return {place: float(each[0]) for place, each in scores.items()}


@pytest.mark.parametrize("task", KINDS)
def test_scenes_counted_once_give_the_metrics_own_score(task: str) -> None:
    evidence, whole = _made(task, list(range(SCENES)))
    score = _weighed(evidence, *[1] * SCENES)["all"]
    assert score == pytest.approx(100 * _score(whole), rel=1e-6)
    assert 1 < score < 99


@pytest.mark.parametrize("task", KINDS)
def test_a_scene_counted_twice_is_as_if_it_were_there_twice(task: str) -> None:
    evidence, _ = _made(task, [0, 1, 2])
    twice, _ = _made(task, [0, 1, 1])
    assert _weighed(evidence, 1, 2, 0) == pytest.approx(_weighed(twice, 1, 1, 1), rel=1e-6)


@pytest.mark.parametrize("task", KINDS)
def test_nothing_is_lost_in_a_file(task: str, tmp_path: Path) -> None:
    evidence, _ = _made(task, [0, 1])
    save_evidence(tmp_path / "kept.npz", evidence)
    kept = load_evidence(tmp_path / "kept.npz")
    assert kept.scenes == evidence.scenes
    assert _weighed(kept, 1, 3) == _weighed(evidence, 1, 3)


def test_places_are_the_metrics_own() -> None:
    evidence, whole = _made("vehicles", [0, 1])
    row = whole.compute()["visible vehicles"]
    found = _weighed(evidence, 1, 1)
    assert found["within 16 m"] == pytest.approx(100 * row["within 16 m"])
    assert found["beyond"] == pytest.approx(100 * row["beyond"])
    assert set(_weighed(_made("hd_map", [0])[0], 1)) == {"all"}


def test_boxes_lie_within_or_beyond() -> None:
    evidence, _ = _made("detection", [0, 1])
    found = _weighed(evidence, 1, 1)
    assert set(found) == {"all", "within 16 m", "beyond"}
    assert min(found["within 16 m"], found["beyond"]) < found["all"] + 1e-9
    assert max(found.values()) > 1


def test_another_metric_is_refused() -> None:
    class Other(Metric):
        def update(self) -> None: ...

        def compute(self) -> None: ...

    with pytest.raises(TypeError, match="does not know how to draw scenes of Other"):
        evidence_of({"s": Other()})
