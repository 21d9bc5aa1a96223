"""The frames that runs with different clips have in common; where held-out samples lie."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mim4d.build.data import build_dataset
from mim4d.config import ClipConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation.held_out import (
    clips_of_targets,
    overlap_with_training,
    target_samples,
)
from mim4d.evaluation.task import TaskEvaluation
from tests.data.tiny_dataset import write_tiny_dataset
from tests.toy import toy_config


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return write_tiny_dataset(tmp_path / "data")


def _dataset(data: Path, frames: int, key: int, interval_s: float | None) -> NuscenesDataset:
    clip = ClipConfig(frames, key, interval_s, 64, 96)
    config = toy_config()
    config = replace(config, clip=clip, mask=replace(config.mask, dropped_frame="any"))
    return build_dataset(config, data, "train")


@pytest.mark.parametrize(
    ("frames", "key", "interval_s", "frame", "expected"),
    [
        (3, 1, None, 1, [1, 2, 3]),
        (3, 1, None, 2, [2, 3, 4]),
        (2, 1, None, 1, [1, 2, 3, 4]),
        (5, 2, None, 2, [2]),
        (3, 1, 0.1, 1, [1, 2, 3]),
    ],
)
def test_a_frame_is_named_by_its_sample(
    data: Path, frames: int, key: int, interval_s: float | None, frame: int, expected: list[int]
) -> None:
    found = target_samples(_dataset(data, frames, key, interval_s), frame)
    of_first = [token for token in found if token is not None and token.startswith("scene0")]
    assert of_first == [f"scene0-sample{i}" for i in expected]


def test_frames_between_keyframes_are_of_no_sample(data: Path) -> None:
    assert target_samples(_dataset(data, 3, 1, 0.1), 0) == [None] * 6


def test_clips_of_chosen_frames(data: Path) -> None:
    dataset = _dataset(data, 3, 1, None)
    assert clips_of_targets(dataset, 1, ["scene1-sample3", "scene0-sample1"]) == [0, 5]
    assert clips_of_targets(dataset, 0, ["scene0-sample1"]) == [1]


def test_a_frame_without_its_clip_is_named(data: Path) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 samples .* \(scene0-sample0\)"):
        clips_of_targets(_dataset(data, 3, 1, None), 1, ["scene0-sample0", "scene0-sample1"])


def test_overlap_with_what_a_run_was_trained_on(data: Path, tmp_path: Path) -> None:
    """Both scenes of the tiny data set lie on one road."""
    tables, run = NuscenesTables.open(data), tmp_path / "run"
    first, second = tables.scene_names
    run.mkdir()

    def measured(**record: object) -> float | None:
        facts = {"data": str(data), "training_scenes": [first], **record}
        (run / "record.json").write_text(json.dumps(facts))
        return overlap_with_training(run, data, tables, [second])

    assert measured() == 1.0
    assert measured(training_scenes=["scene-of-elsewhere"]) is None
    assert measured(data="/elsewhere") is None
    note = TaskEvaluation("hd_map", {}, [second], 3, True, overlap=0.25).note()
    assert "25.0 % of the scenes' samples lie within 5 m of a training sample" in note
    assert "within" not in TaskEvaluation("hd_map", {}, [second], 3, True).note()
