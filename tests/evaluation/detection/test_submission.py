"""Submission files: what the official tool refuses, and what else can be wrong with a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mim4d.errors import DataError
from mim4d.evaluation.detection.submission import read_class_table, read_submission
from mim4d.evaluation.detection.submission_file import iter_samples
from mim4d.metrics.detection.classes import class_rows
from mim4d.metrics.detection.rules import CLASSES
from tests.metrics.stored import load_case

BOX: dict[str, Any] = {
    "sample_token": "a",
    "translation": [1.0, 2.0, 3.0],
    "size": [2.0, 4.0, 1.5],
    "rotation": [1.0, 0.0, 0.0, 0.0],
    "velocity": [0.5, float("nan")],
    "detection_name": "car",
    "detection_score": 0.25,
    "attribute_name": "vehicle.parked",
}


def write(path: Path, results: Any) -> Path:
    path.write_text(json.dumps({"meta": {"use_camera": True}, "results": results}))
    return path


def test_what_the_official_tool_refuses(golden_dir: Path, tmp_path: Path) -> None:
    case = load_case(golden_dir, "detection_errors")
    tokens = ["sample1000", "sample1001"]
    for one in case["cases"]:
        results: dict[str, list[Any]] = {token: [] for token in tokens}
        box = {**case["base_box"], **one.get("change", {})}
        results[tokens[0]] = [box] * one.get("repeat", 1)
        if one["name"] == "missing_sample":
            del results[tokens[1]]
        if one["name"] == "extra_sample":
            continue  # allowed here: a file is scored on any part of its samples
        file = write(tmp_path / "s.json", results)
        if one["error"] is None:
            assert len(read_submission(file, tokens).boxes) == 500
            continue
        with pytest.raises(DataError) as raised:
            read_submission(file, tokens)
        changed = next(iter(one.get("change", {})), None)
        assert str(file) in str(raised.value), one["name"]
        assert changed is None or changed in str(raised.value), one["name"]


def test_values_arrive(tmp_path: Path) -> None:
    boxes = read_submission(write(tmp_path / "s.json", {"b": [], "a": [BOX]}), ["a", "b"]).boxes
    assert boxes.samples.tolist() == [0]
    assert boxes.sizes_m.tolist() == [[4.0, 2.0, 1.5]]
    assert boxes.velocities_m_s[0, 0] == 0.5
    assert np.isnan(boxes.velocities_m_s[0, 1])
    assert (boxes.yaws_rad[0], boxes.scores[0], CLASSES[boxes.classes[0]]) == (0.0, 0.25, "car")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"detection_name": "cart"}, "did you mean 'car'|expected one of car, truck"),
        ({"translation": [1.0, 2.0]}, r"translation is \[1.0, 2.0\]; expected 3 numbers"),
        ({"rotation": [0.0, 0.0, 0.0, 0.0]}, "rotation .* expected not all zeros"),
        ({"detection_score": "high"}, "detection_score is 'high'; expected a number"),
        ({"sample_token": "z"}, "sample_token is 'z'; expected 'a'"),
        ({"attribute_name": "vehicle.park"}, "did you mean 'vehicle.parked'"),
        ({"velocity": None}, "velocity is None; expected 2 numbers"),
    ],
)
def test_a_wrong_box_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = write(tmp_path / "s.json", {"a": [BOX, {**BOX, **change}]})
    with pytest.raises(DataError, match=rf"sample a, box 1: .*({said})|.*{said}"):
        read_submission(file, ["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ('{"meta": {}}', 'no object "results"'),
        ('{"results": {"a": [{"x": 1}', "have no end"),
        ('{"results": {"a": [1]}}', "not all objects|have no end"),
        ('{"results": {"a": [] "b": []}}', "comma"),
        ('{"results": {"a": []}, "meta": }', "no JSON"),
        ('{"results": {"a": [], "a": []}}', "occurs twice"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(DataError, match=said):
        read_submission(tmp_path / "s.json", ["a"])


def test_the_file_is_read_piece_by_piece_like_all_at_once(tmp_path: Path) -> None:
    odd = {**BOX, "velocity": [0.0, 0.0], "note": 'a } ] in a "text"', "more": [[1, 2], {"x": []}]}
    results = {"a": [odd, odd], "b": [], 'c "quoted"': [odd]}
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"results": results, "meta": {"use_map": False}}, indent=1))
    assert {json.loads(f'"{t}"'): boxes for t, boxes in iter_samples(path)} == results


def test_other_names_by_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"REGULAR_VEHICLE": "car", "SIGN": null}')
    table = read_class_table(tmp_path / "t.json")
    file = write(tmp_path / "s.json", {"a": [{**BOX, "detection_name": "REGULAR_VEHICLE"}] * 2})
    assert len(read_submission(file, ["a"], table).boxes) == 2
    assert class_rows(("SIGN", "REGULAR_VEHICLE", "vehicle.bus.rigid"), table) == (-1, 0, 2)
    with pytest.raises(ValueError, match=r"did you mean 'car'.*expected one of"):
        class_rows(("CAR",), {"CAR": "cra"})
    with pytest.raises(ValueError, match="the categories of the data are: tram"):
        class_rows(("tram",))
    (tmp_path / "t.json").write_text("[1]")
    with pytest.raises(DataError, match="--class-table"):
        read_class_table(tmp_path / "t.json")
