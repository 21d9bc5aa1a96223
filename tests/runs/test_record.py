"""A run folder knows what was trained in it; folders from before that are pre-trainings."""

import json
from pathlib import Path

import pytest

from mim4d.config.presets import preset, task_preset
from mim4d.runs.record import read_config, read_run_config, read_task_config, run_kind


def test_folders_know_their_kind(pretraining: Path, task: Path) -> None:
    assert [run_kind(run) for run in (pretraining, task)] == ["pretraining", "task"]
    assert read_config(pretraining) == read_run_config(pretraining) == preset("toy")
    assert read_task_config(task) == read_run_config(task) == task_preset("toy", "vehicles")


def test_a_record_that_does_not_say_is_of_a_pretraining(pretraining: Path) -> None:
    record = json.loads((pretraining / "record.json").read_text())
    del record["kind"]
    (pretraining / "record.json").write_text(json.dumps(record))
    assert read_config(pretraining) == preset("toy")
    (pretraining / "record.json").unlink()
    assert read_config(pretraining) == preset("toy")


def test_the_wrong_kind_is_refused_in_one_line(pretraining: Path, task: Path) -> None:
    with pytest.raises(ValueError, match=r"task: is the run of a task; a pre-training is needed"):
        read_config(task)
    with pytest.raises(ValueError, match=r"pre: is a pre-training; the run of a task is needed"):
        read_task_config(pretraining)


def test_an_unknown_kind_is_named(task: Path) -> None:
    record = json.loads((task / "record.json").read_text())
    (task / "record.json").write_text(json.dumps(record | {"kind": "planning"}))
    with pytest.raises(ValueError, match=r"record\.json: kind is 'planning'; expected one of pre"):
        run_kind(task)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not a run folder.*mim4d pretrain` or `mim4d finetune"):
        run_kind(tmp_path)
