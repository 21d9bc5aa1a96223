"""Files of predicted maps: both layouts score the truth itself as perfect; what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mim4d.cli import main
from mim4d.data.maps.vector_map import VectorMap
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.evaluation.map_predictions import (
    _samples,
    evaluate_map_predictions,
    is_map_predictions,
    read_map_predictions,
)
from mim4d.metrics.map_ap import MapLines
from mim4d.tasks.map_targets import CLASSES, lines_of
from tests.data.tiny_dataset import write_tiny_dataset
from tests.data.tiny_map import tiny_map


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_tiny_dataset(tmp_path_factory.mktemp("maps") / "data")
    tiny_map().write(root, "nowhere")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


def _truth(data: Path, frame: Any) -> dict[str, MapLines]:
    """The lines around every sample, in a frame's own axes."""
    tables, found = NuscenesTables.open(data), VectorMap.open(data, "nowhere")
    bounds = (-30.0, -15.0, 30.0, 15.0) if frame == "ego" else (-15.0, -30.0, 15.0, 30.0)
    return {
        token: lines_of(found.patch(pose, bounds), "road_boundary")
        for _, token, pose in _samples(tables, [0, 1], frame)
    }


def _maptr(truth: dict[str, MapLines]) -> dict[str, Any]:
    samples = [
        {
            "sample_token": token,
            "vectors": [
                {"pts": line.tolist(), "cls_name": CLASSES[kind], "confidence_level": 0.9}
                for line, kind in zip(lines.lines, lines.classes.tolist(), strict=True)
            ],
        }
        for token, lines in truth.items()
    ]
    return {"meta": {"use_camera": True}, "results": samples}


def _streammapnet(truth: dict[str, MapLines]) -> dict[str, Any]:
    own = (1, 0, 2)
    results = {
        token: {
            "vectors": [line.tolist() for line in lines.lines],
            "labels": [own[kind] for kind in lines.classes.tolist()],
            "scores": [0.5] * len(lines.lines),
        }
        for token, lines in truth.items()
    }
    return {"meta": {}, "results": results}


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.slow
def test_the_truth_scores_one_in_both_layouts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (
        ("maptr", _maptr(_truth(data, "lidar"))),
        ("streammapnet", _streammapnet(_truth(data, "ego"))),
    ):
        file = _write(tmp_path / f"{name}.json", content)
        out = tmp_path / f"{name}_scores.json"
        command = ["evaluate", "--data", str(data), "--predictions", str(file)]
        assert main([*command, "--json", str(out)]) == 0
        assert "maptr" in capsys.readouterr().out
        rows = json.loads(out.read_text())["rows"]
        assert rows["true lines"]["mAP"] > 50
        assert rows["maptr"]["mAP"] == rows["streammapnet"]["mAP"] == 1.0


@pytest.mark.slow
def test_the_frame_matters(data: Path, tmp_path: Path) -> None:
    """Lines in the LiDAR's axes that are said to be in the car's are turned by 90°."""
    content = _maptr(_truth(data, "lidar"))
    content["meta"]["frame"] = "ego"
    file, out = _write(tmp_path / "wrong.json", content), tmp_path / "scores.json"
    command = ["evaluate", "--data", str(data), "--predictions", str(file), "--json", str(out)]
    assert main(command) == 0
    assert json.loads(out.read_text())["rows"]["maptr"]["mAP"] < 0.5


def test_samples_must_be_those_of_the_data(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = _maptr(_truth(data, "lidar"))
    command = ["evaluate", "--data", str(data), "--predictions"]
    last = content["results"].pop()
    assert main([*command, str(_write(tmp_path / "few.json", content))]) == 2
    assert "1 of 10 samples are missing" in capsys.readouterr().err
    content["results"] += [last, {**last, "sample_token": "unheard-of"}]
    assert main([*command, str(_write(tmp_path / "many.json", content))]) == 2
    assert "1 samples are not of" in capsys.readouterr().err
    assert main(["evaluate", "--data", str(data)]) == 2
    assert "either a run folder or --predictions" in capsys.readouterr().err


LINE = {"pts": [[0.0, 0.0], [1.0, 0.0]], "cls_name": "divider", "confidence_level": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pts": [[0.0, 0.0]]}, r"line 0: its points have the shape \(1, 2\); expected two"),
        ({"pts": []}, "two or more points"),
        ({"pts": [[0.0, 0.0], [float("nan"), 1.0]]}, "line 0: a point is NaN or infinite"),
        ({"pts": "none"}, "two or more points"),
        ({"cls_name": "boundery"}, "did you mean 'boundary'"),
        ({"confidence_level": None}, "score is None"),
        ({"confidence_level": float("inf")}, "score is inf"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    sample = {"sample_token": "s", "vectors": [{**LINE, **change}]}
    file = _write(tmp_path / "bad.json", {"results": [sample]})
    with pytest.raises(DataError, match=message):
        read_map_predictions(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no predicted maps"),
        ({"results": [{"vectors": []}]}, "result 0 has no sample_token"),
        ({"results": {"s": {"vectors": []}}}, "expected lists vectors, labels, scores"),
        ({"results": {"s": {"vectors": [], "labels": [1], "scores": []}}}, "different lengths"),
        ({"results": [], "meta": {"frame": "global"}}, "meta.frame is 'global'"),
        ({"results": [{"sample_token": "s", "vectors": []}] * 2}, "more than once"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_map_predictions(_write(tmp_path / "bad.json", content))


def test_types_may_be_given_by_number(tmp_path: Path) -> None:
    vector = {"pts": LINE["pts"], "type": 2, "confidence_level": 1}
    file = _write(tmp_path / "n.json", {"results": [{"sample_token": "s", "vectors": [vector]}]})
    (lines,) = read_map_predictions(file).by_token.values()
    assert lines.classes.tolist() == [2]
    assert torch.equal(lines.lines[0], torch.tensor(LINE["pts"], dtype=torch.float64))


@pytest.mark.parametrize(
    ("text", "is_maps"),
    [
        ('{"meta": {}, "results": [{"sample_token": "s", "vectors": []}', True),
        ('{"results" : {"s": {"vectors": [], "labels": [], "scores": []}}}', True),
        ('{"meta": {"use_lidar": false}, "results": {"s": [{"translation": [0, 0, 0]}, ', False),
        ('{"results": {}}', False),
        ("", False),
    ],
)
def test_maps_and_boxes_are_told_apart_by_the_beginning(
    tmp_path: Path, text: str, is_maps: bool
) -> None:
    """Files of boxes are not read whole for it: this one has no end."""
    (tmp_path / "p.json").write_text(text)
    assert is_map_predictions(tmp_path / "p.json") is is_maps


def test_the_overlap_of_the_split_stands_beside_the_score(data: Path, tmp_path: Path) -> None:
    """Both scenes of the tiny data set are driven at one place."""
    names = NuscenesTables.open(data).scene_names
    splits = data / "splits.json"
    file = tmp_path / "maps.json"
    file.write_text(json.dumps(_maptr(_truth(data, "lidar"))))
    splits.write_text(json.dumps({"train": names[:1], "val": names[1:]}))
    try:
        beside = evaluate_map_predictions(file, data, scenes=SceneChoice("val")).table()
        known = evaluate_map_predictions(file, data, scenes=SceneChoice("train")).table()
    finally:
        splits.unlink()
    assert "100.0 % of the scenes' samples lie within 5 m of a sample of the split train" in (
        " ".join(beside.split())
    )
    assert "split train" not in known
