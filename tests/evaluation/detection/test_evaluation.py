"""From a data set's own boxes as a submission to scores; and a detector's run, whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mim4d.cli import main
from mim4d.config.presets import task_preset
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation.detection import predict
from mim4d.evaluation.detection.predict import (
    DetectedClip,
    Detector,
    GlobalBoxes,
    boxes_in_global,
    global_from_ref,
)
from mim4d.evaluation.detection.predicted_file import evaluate_predictions, open_predictions
from mim4d.evaluation.detection.write_submission import write_submission
from mim4d.metrics.detection.rules import CLASSES
from mim4d.runs.record import create_run
from mim4d.tasks.detection.detections import Detections
from mim4d.tasks.detection.true_boxes import true_boxes
from tests.data.tiny_dataset import write_tiny_dataset


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return write_tiny_dataset(tmp_path / "data")


@pytest.fixture
def perfect(data: Path, tmp_path: Path) -> Path:
    """The truth of every clip, found as `ref` boxes and written as a submission."""
    dataset = NuscenesDataset(data, frames=1, key=0, image_hw=(32, 64))
    found = []
    for index in range(len(dataset)):
        clip = dataset[index]
        (truth,) = true_boxes(clip, (), 0, 1)
        boxes = truth.boxes_ref.nan_to_num()
        scores = torch.linspace(0.9, 0.5, len(boxes))
        answer = Detections(boxes, truth.classes, scores, truth.attributes)
        pose = global_from_ref(dataset, index)
        found.append((clip.key_tokens[0], boxes_in_global(answer, pose)))
    tables = NuscenesTables.open(data)
    tokens = [tables.sample(row).token for row in range(len(tables))]
    return write_submission(tmp_path / "perfect.json", tokens, found)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    data: Path, perfect: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    perfect.with_name("perfect_scores").write_text("a file where the folder would be")
    assert main(["evaluate", "--predictions", str(perfect), "--data", str(data)]) == 2
    said = capsys.readouterr()
    assert "perfect_scores" in said.err
    assert "mAP" not in said.out


def test_the_truth_scores_one(data: Path, perfect: Path) -> None:
    """Through `ref`, back to `global`, a file and the reader: nothing is moved or turned."""
    evaluation = evaluate_predictions(perfect, data)
    scores = evaluation.scores
    there = scores.num_truth > 0
    assert there.any()
    assert evaluation.scores.mean_ap_of_true_classes == pytest.approx(1.0)
    assert scores.errors[there][:, :3] == pytest.approx(0.0, abs=1e-4)
    car = CLASSES.index("car")
    assert scores.errors[car, 3] == pytest.approx(0.0, abs=1e-4)
    assert "NDS" in evaluation.table()
    assert replace(evaluation, remarks=("TRAINING scenes.",)).note().endswith("TRAINING scenes.")
    json.dumps(evaluation.as_json(), allow_nan=False)


@pytest.mark.slow
def test_a_part_of_the_scenes_from_the_command_line(
    data: Path, perfect: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = NuscenesTables.open(data).scene_names[0]
    options = ["--data", str(data), "--scenes", scene, "--out", str(tmp_path / "out")]
    assert main(["evaluate", "--predictions", str(perfect), *options]) == 0
    said = capsys.readouterr().out
    assert "5 samples of 1 scene" in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    tokens = {path.removeprefix("sample-").removesuffix(".png") for path in names if "-" in path}
    assert names == {"evaluation.json", "curves.png", *(f"sample-{t}.png" for t in tokens)}
    assert len(tokens) == 4


def test_boxes_of_a_file_are_drawn_where_they_are_true(data: Path, perfect: Path) -> None:
    """From `global` back to `ref`: where the reader has the annotated boxes."""
    dataset = NuscenesDataset(data, frames=1, key=0, image_hw=(32, 64))
    predicted = open_predictions(perfect, data)
    for detected in predicted.clips(3):
        token = detected.clip.key_tokens[0]
        index = next(i for i in range(len(dataset)) if dataset[i].key_tokens[0] == token)
        (expected,) = true_boxes(dataset[index], (), 0, 1)
        assert detected.truth is not None
        for boxes in (detected.truth.boxes_ref, detected.found.boxes_ref):
            torch.testing.assert_close(boxes[:, :7], expected.boxes_ref[:, :7], atol=1e-3, rtol=0)


def _error(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_bad_input_is_one_line(
    data: Path, perfect: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content: dict[str, Any] = json.loads(perfect.read_text())

    def evaluated(results: dict[str, Any]) -> str:
        file = tmp_path / "changed.json"
        file.write_text(json.dumps({"meta": {}, "results": results}))
        return _error(capsys, "evaluate", "--predictions", file, "--data", data)

    results = content["results"]
    first = next(iter(results))
    assert "1 of its 11 samples are not in the data set" in evaluated({**results, "nobody": []})
    missing = {token: boxes for token, boxes in results.items() if token != first}
    assert f"1 of the 10 samples asked for are not in it, the first being {first}" in evaluated(
        missing
    )
    many = {**results, first: results[first][:1] * 501}
    assert "has 501 boxes; at most 500 are allowed" in evaluated(many)
    assert "either a run folder or --predictions" in _error(capsys, "evaluate", "--data", data)
    annotations = data / "v1.0-mini" / "sample_annotation.json"
    annotations.write_text("[]")
    assert "no annotated box" in evaluated(results)
    (data / "v1.0-mini" / "category.json").write_text(
        json.dumps([{"token": "t", "name": "tram", "description": ""}])
    )
    (data / "v1.0-mini" / "instance.json").write_text("[]")
    assert "the categories of the data are: tram" in evaluated(results)


class _Seer(Detector):
    """A detector that finds what is true, without a model."""

    def __init__(self, run: Path, data: Path, *others: Any) -> None:
        self.dataset = NuscenesDataset(data, frames=1, key=0, image_hw=(32, 64))
        tables = self.dataset.tables
        self.scenes = list(tables.scene_names)
        rows = [tables.samples_of_scene(row) for row in range(len(self.scenes))]
        self.samples = np.concatenate(rows).tolist()
        self.class_table, self.trained_on = {}, False

    def remarks(self) -> tuple[str, ...]:
        return ()

    @property
    def key_frame(self) -> int:
        return 0

    def others(self, ceilings: bool) -> dict[str, Callable[[int, Clip], GlobalBoxes]]:
        return {}

    def look(self, index: int) -> DetectedClip:
        clip = self.dataset[index]
        (truth,) = true_boxes(clip, (), 0, 1)
        scores = torch.linspace(0.9, 0.5, len(truth.boxes_ref))
        boxes = truth.boxes_ref.nan_to_num()
        found = Detections(boxes, truth.classes, scores, truth.attributes)
        pose = global_from_ref(self.dataset, index)
        return DetectedClip(clip, found, boxes_in_global(found, pose), truth)


@pytest.mark.slow
def test_some_clips_are_judged_by_the_same_metric_and_keep_the_whole_evaluation(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    create_run(run, task_preset("toy", "detection"), data, ["other"], {"overfit": 0})
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "step-0000001.ckpt").touch()
    monkeypatch.setattr(predict, "Detector", _Seer)
    assert main(["evaluate", str(run), "--data", str(data)]) == 0
    whole = (run / "evaluation.json").read_text()
    assert main(["evaluate", str(run), "--data", str(data), "--clips", "4"]) == 0
    assert (run / "evaluation.json").read_text() == whole
    part = json.loads((run / "evaluation_4_clips.json").read_text())
    assert (part["num_samples"], json.loads(whole)["num_samples"]) == (4, 10)
    for found in (part, json.loads(whole)):
        assert found["mean_ap_of_true_classes"] == pytest.approx(1.0)
    assert "4 of 10 samples alone" in " ".join(capsys.readouterr().out.split())
