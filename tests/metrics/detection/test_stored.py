"""Everything that the official tool computed of the stored cases, whole path."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.filtering import counted_boxes
from mim4d.metrics.detection.matching import match_boxes
from mim4d.metrics.detection.rules import CLASSES, MATCH_DISTANCES_M
from mim4d.metrics.detection.scores import DetectionScores, score_matches
from tests.metrics.detection.stored_boxes import StoredCase, stored_case
from tests.metrics.stored import load_case, near

_ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
WHOLE = ("main", "all_classes", "perfect", "one_class", "no_predictions")


def _scores(case: StoredCase, filtered: bool = True) -> DetectionScores:
    truth, predictions = (
        boxes.take(counted_boxes(boxes, case.ego_xy_m, case.racks)) if filtered else boxes
        for boxes in (case.truth, case.predictions)
    )
    return score_matches(truth, predictions, match_boxes(truth, predictions))


def _compare(scores: DetectionScores, expected: dict[str, Any]) -> None:
    assert expected["label_aps"]
    for name in expected["label_aps"]:  # a crafted case stores the classes it is about
        k = CLASSES.index(name)
        for d, distance in enumerate(MATCH_DISTANCES_M):
            stored = expected["label_aps"][name][str(distance)]
            assert scores.average_precisions[k, d] == near(stored), (name, distance)
        for e, error in enumerate(_ERRORS):
            stored = expected["label_tp_errors"][name][error]
            ours = scores.errors[k, e]
            assert (None if np.isnan(ours) else ours) == near(stored), (name, error)
    for e, error in enumerate(_ERRORS):
        assert scores.mean_errors[e] == near(expected["tp_errors"][error])
        gained = max(0.0, 1 - scores.mean_errors[e])
        assert gained == near(expected["tp_scores"][error])
    assert scores.mean_ap == near(expected["mean_ap"])
    assert scores.nds == near(expected["nd_score"])


def _kept(boxes: BoxTable, case: StoredCase) -> list[list[int]]:
    keep = counted_boxes(boxes, case.ego_xy_m, case.racks)
    return [
        np.flatnonzero(keep[boxes.samples == sample]).tolist()
        for sample in range(len(case.ego_xy_m))
    ]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files(golden_dir: Path, name: str) -> None:
    stored = load_case(golden_dir, f"detection_{name}")
    filtered = stored.get("filters_applied", True)
    case, expected = stored_case(stored, stored), stored["expected"]
    scores = _scores(case, filtered)
    _compare(scores, expected)
    if filtered:
        assert _kept(case.truth, case) == expected["kept"]["gt"]
        assert _kept(case.predictions, case) == expected["kept"]["pred"]
    for k, label in enumerate(CLASSES):
        assert scores.num_truth[k] == expected["counts"][label]["gt"]
        assert scores.num_predictions[k] == expected["counts"][label]["pred"]
    for key, curve in expected.get("curves", {}).items():
        label, _, distance = key.partition(":")
        at = CLASSES.index(label), MATCH_DISTANCES_M.index(float(distance))
        # The stored curves are rounded to twelve digits.
        np.testing.assert_allclose(scores.precisions[at], curve["precision"], atol=1e-9)
        np.testing.assert_allclose(scores.confidences[at], curve["confidence"], atol=1e-9)


def test_crafted_cases(golden_dir: Path) -> None:
    stored = load_case(golden_dir, "detection_crafted")
    assert len(stored["cases"]) == 21
    for one in stored["cases"]:
        case = stored_case(one, stored)
        try:
            _compare(_scores(case), one["expected"])
            assert _kept(case.truth, case) == one["expected"]["kept"]["gt"]
            assert _kept(case.predictions, case) == one["expected"]["kept"]["pred"]
        except AssertionError as error:
            raise AssertionError(f"{one['name']}: {one['what']}") from error


def test_samples_do_not_disturb_one_another(golden_dir: Path) -> None:
    """Predictions in pieces of one: the same matches as all at once."""
    stored = load_case(golden_dir, "detection_all_classes")
    case = stored_case(stored, stored)
    whole = match_boxes(case.truth, case.predictions).truth
    for sample in range(3):
        true_rows = np.flatnonzero(case.truth.samples == sample)
        rows = np.flatnonzero(case.predictions.samples == sample)
        part = match_boxes(case.truth.take(true_rows), case.predictions.take(rows)).truth
        there = np.append(true_rows, -1)
        np.testing.assert_array_equal(there[part], whole[:, rows])
