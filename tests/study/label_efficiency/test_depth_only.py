"""The control that is taught depth alone: what it is timed and trained on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.config.presets import preset
from mim4d.data.splits import SceneChoice
from mim4d.runs.record import create_run
from mim4d.study.label_efficiency import depth_only
from mim4d.study.label_efficiency.declared import took


def test_it_is_timed_on_the_scenes_of_the_pre_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be no split of the data set."""
    create_run(tmp_path / "run", preset("toy"), tmp_path, ["mine"], {"overfit": 0})
    asked: list[SceneChoice] = []

    def build_dataset(config: Any, data: Path, scenes: SceneChoice, version: str | None) -> None:
        asked.append(scenes)
        raise InterruptedError

    monkeypatch.setattr(depth_only, "build_dataset", build_dataset)
    with pytest.raises(InterruptedError):
        depth_only.train_depth_only(tmp_path / "run", tmp_path / "out", "cpu")
    assert asked[0].names == ("mine",)


def test_a_given_control_must_be_one(tmp_path: Path) -> None:
    create_run(tmp_path / "run", preset("toy"), tmp_path, [], {})
    with pytest.raises(ValueError, match=r"more than depth \(loss.colour_weight 10, loss.distance"):
        depth_only.refuse_other_losses(tmp_path / "run")
    create_run(tmp_path / "own", depth_only.depth_only(preset("toy"), 5), tmp_path, [], {})
    depth_only.refuse_other_losses(tmp_path / "own")
    toy = preset("toy")
    alone = replace(toy, loss=replace(toy.loss, depth_weight=1.0, depth_alone_share=1.0))
    create_run(tmp_path / "alone", alone, tmp_path, [], {})
    depth_only.refuse_other_losses(tmp_path / "alone")  # its other losses were never reached


def test_a_run_without_metrics_has_no_seconds(tmp_path: Path) -> None:
    """Imported and copied runs, which would otherwise end a study when all is trained."""
    assert took(tmp_path) == ""
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 0, "loss": 1.0}\n')
    assert took(tmp_path) == ""
    metrics.write_text('{"step": 0, "seconds": 1.5}\n{"step": 1, "seconds": 2.5}\n')
    assert took(tmp_path) == " in 4 s"
