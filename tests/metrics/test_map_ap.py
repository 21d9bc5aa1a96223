"""AP of map lines: equal to the stored cases of the authors' tool, and hand cases."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mim4d.metrics.line_distance import MAPTR, LineRule, pair_distances, respaced, streammapnet
from mim4d.metrics.map_ap import MapAp, MapLines
from tests.metrics.stored import load_case

RULES = {
    "expected": MAPTR,
    "expected_without_resampling_predictions": replace(MAPTR, respaced="none"),
    "both": MAPTR,
    "maptr": MAPTR,
    "maptrv2": replace(MAPTR, respaced="others"),
    "maptrv2_3d": replace(MAPTR, respaced="others"),
    "both_without_resampling_predictions": replace(MAPTR, respaced="none"),
}


def _lines(rows: list[dict[str, Any]]) -> MapLines:
    return MapLines(
        tuple(torch.tensor(row["points"], dtype=torch.float64) for row in rows),
        torch.tensor([row["class"] for row in rows], dtype=torch.int64),
        torch.tensor([row.get("score", 1.0) for row in rows], dtype=torch.float64),
    )


def _check(case: dict[str, Any], samples: list[Any], expected: dict[str, Any], rule: LineRule):
    metric = MapAp(case["classes"], [rule])
    for sample in samples:
        metric.update([_lines(sample["pred"])], [_lines(sample["gt"])])
    table = metric.compute()
    for threshold, values in expected["ap_by_threshold"].items():
        row = table[f"maptr at {float(threshold):g} m"]
        assert {name: row[name] for name in values} == pytest.approx(values, abs=1e-6)
    assert table["maptr"]["mAP"] == pytest.approx(expected["mAP"], abs=1e-6)
    detail = next(iter(expected["detail"].values()))["num_gts"]
    assert {name: table["true lines"][name] for name in detail} == detail


@pytest.mark.parametrize("name", ["hd_map_main", "hd_map_missing_classes"])
def test_random_lines_are_scored_as_stored(golden_dir: Path, name: str) -> None:
    case = load_case(golden_dir, name)
    for key, rule in RULES.items():
        if key in case:
            _check(case, case["samples"], case[key], rule)


def test_pairs_that_are_compared_and_their_distances(golden_dir: Path) -> None:
    case = load_case(golden_dir, "hd_map_main")
    compared = 0
    for sample, stored in zip(case["samples"], case["expected"]["pair_distance"], strict=True):
        for index, name in enumerate(case["classes"]):
            if not stored.get(name) or not stored[name][0]:
                continue
            drawn, true = (_lines(sample[key]).of_class(index)[0] for key in ("pred", "gt"))
            found = pair_distances(drawn, true, MAPTR)
            wanted = np.array(stored[name], dtype=float)  # null becomes NaN
            assert np.array_equal(np.isinf(found), np.isnan(wanted))
            there = ~np.isnan(wanted)
            np.testing.assert_allclose(found[there], wanted[there], rtol=0, atol=1e-6)
            compared += there.sum()
    assert compared > 50


def test_small_cases_of_each_rule(golden_dir: Path) -> None:
    case = load_case(golden_dir, "hd_map_crafted")
    checked = 0
    for small in case["cases"]:
        for key, expected in small["expected"].items():
            _check(case, small["samples"], expected, RULES[key])
            checked += 1
    assert checked >= 20


def _line(*points: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float32)


def _one(line: torch.Tensor, score: float = 1.0) -> MapLines:
    return MapLines((line,), torch.tensor([0]), torch.tensor([score]))


def test_streammapnet_compares_what_the_strips_of_maptr_keep_apart() -> None:
    """Two pieces end to end, 1.25 m apart: both mean nearest distances are 1.0 m."""
    truth, answer = _one(_line((0, 0), (0, 0.5))), _one(_line((0, 1.25), (0, 1.75)))
    metric = MapAp(["divider"], [MAPTR, streammapnet((60.0, 30.0))])
    metric.update([answer], [truth])
    table = metric.compute()
    assert table["maptr"]["mAP"] == 0
    assert table["streammapnet at 0.5 m"]["divider"] == 0
    assert table["streammapnet at 1.5 m"]["divider"] == 1


def test_streammapnet_by_hand() -> None:
    """A line 1.2 m beside the truth counts at 1.5 m; on a large map at 1.5 and 2 m."""
    truth, answer = _one(_line((0, 0), (10, 0))), _one(_line((0, 1.2), (10, 1.2)))
    for range_m, expected in (((60.0, 30.0), 1 / 3), ((100.0, 50.0), 2 / 3)):
        metric = MapAp(["divider", "boundary"], [streammapnet(range_m)])
        metric.update([answer], [truth])
        row = metric.compute()["streammapnet"]
        assert row["divider"] == pytest.approx(expected)
        assert (row["mAP"], row["mAP, true classes"]) == pytest.approx((expected / 2, expected))


def test_streammapnet_simplifies_the_truth() -> None:
    """A truth that zigzags by 0.05 m is as good as straight; MapTR sees the zigzag."""
    zigzag = np.array([[x, 0.05 * (-1) ** x] for x in range(10)], dtype=np.float64)
    straight = zigzag[[0, -1]]
    (by_streammapnet,), (by_maptr,) = (
        pair_distances([straight], [zigzag], rule)[0]
        for rule in (streammapnet((60.0, 30.0)), MAPTR)
    )
    assert by_streammapnet == pytest.approx(0, abs=1e-9)
    assert by_maptr > 0.01


def test_points_lie_evenly_along_a_bent_line() -> None:
    bent = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 0.0], [3.0, 1.0]])
    assert respaced(bent, 5).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]


def test_scores_do_not_depend_on_how_clips_are_dealt_out() -> None:
    clips = [(_one(_line((0, d), (9, d)), 0.9 - d), _one(_line((0, 0), (9, 0)))) for d in (0, 0.8)]
    whole, *parts = (MapAp(["divider"], [MAPTR]) for _ in range(3))
    whole.update([answer for answer, _ in clips], [truth for _, truth in clips])
    for part, (answer, truth) in zip(parts, clips, strict=True):
        part.update([answer], [truth])
    parts[0].merge_state(parts[1])
    assert parts[0].compute() == whole.compute()
    assert whole.compute()["maptr at 0.5 m"]["divider"] == 0.5


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_seen_scores_zero_and_says_so() -> None:
    row = MapAp(["divider"], [MAPTR]).compute()["maptr"]
    assert row == {"divider": 0.0, "mAP": 0.0, "mAP, true classes": None}


def test_a_point_that_is_not_finite_is_refused() -> None:
    metric = MapAp(["divider"], [MAPTR])
    bad = _one(_line((0, 0), (float("nan"), 1)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        metric.update([bad], [_one(_line((0, 0), (1, 0)))])


def test_ties_do_not_depend_on_the_order_of_batches() -> None:
    """Two clips with one line each, one hit and one miss of equal score: 1 or 1/2, but always one.

    Numbers of clips decide, whoever comes first.
    """
    hit = _lines([{"points": [[0, 0], [9, 0]], "class": 0, "score": 0.5}])
    miss = _lines([{"points": [[0, 7], [9, 7]], "class": 0, "score": 0.5}])
    found = []
    for order in ((0, 1), (1, 0)):
        metric = MapAp(["line"], [MAPTR])
        for clip in order:
            metric.update([(hit, miss)[clip]], [(hit, _lines([]))[clip]], [clip])
        found.append(metric.compute()["maptr"]["mAP"])
    assert found == [1.0, 1.0]
