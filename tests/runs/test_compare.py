"""The table of runs: what is shown of each, whatever state it is in."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mim4d.cli.after_training import describe_run
from mim4d.config.presets import preset
from mim4d.runs.compare import compare, different_options, find_runs, summarise
from mim4d.runs.metrics_file import VALIDATION, append_metrics
from mim4d.runs.record import create_run
from mim4d.runs.run_files import ENCODER_FILE


def _train(run: Path, steps: int, total: int) -> None:
    for step in range(steps):
        append_metrics(run, {"step": step, "loss": 10.0 - step, "seconds": 0.5})
    if steps == total:
        (run / ENCODER_FILE).touch()


def test_a_run_before_its_first_step_and_an_unfinished_one(pretraining: Path) -> None:
    total = preset("toy").optim.steps
    assert summarise(pretraining, pretraining.parent).cells["steps"] == f"0 of {total}"
    _train(pretraining, 3, total)
    append_metrics(pretraining, {"step": 0, "loss": 4.0}, VALIDATION)
    append_metrics(pretraining, {"step": 2, "loss": 5.0}, VALIDATION)
    cells = summarise(pretraining, pretraining.parent).cells
    assert (cells["run"], cells["trains"], cells["steps"]) == (
        "pre",
        "pre-training",
        f"3 of {total}",
    )
    assert (cells["loss"], cells["s/step"]) == ("8.0000", "0.50")
    assert (cells["held-out loss"], cells["after step"]) == ("4.0000", "1")


def test_steps_of_depth_alone_have_no_loss_to_be_shown(pretraining: Path, tmp_path: Path) -> None:
    """Neither in the table nor in what is said at the end."""
    for step in range(80):
        loss = {"depth_alone": 2.0} if step % 2 else {"loss": 9.0 if step < 40 else 3.0}
        append_metrics(pretraining, {"step": step, **loss, "lr": 0.1, "seconds": 0.5})
    assert summarise(pretraining, pretraining.parent).cells["loss"] == "3.0000"
    said = describe_run(pretraining, tmp_path).splitlines()
    assert "loss     9.000 over the first 20 steps, 3.000 over the last 20" in said


@pytest.mark.parametrize(
    ("evaluation", "shown"),
    [
        ({"nds": 0.314, "mean_ap": 0.25}, {"NDS": "31.40 %", "mAP": "25.00 %"}),
        (
            {"rows": {"direct": {"abs_rel": 0.1234, "rmse": 4.567}}},
            {"AbsRel direct": "0.123", "RMSE direct": "4.57 m"},
        ),
        (
            {"rows": {"road": {"IoU": 0.2}, "mean of layers": {"IoU": 0.3, "recall": 0.1}}},
            {"IoU, mean of layers": "0.3000"},
        ),
        ({"rows": {"vehicle": {"IoU": None}}}, {"IoU, vehicle": "-"}),
        ({}, {}),
        ([], {"evaluated": "damaged"}),
        ({"rows": {"vehicle": {}}}, {}),
    ],
)
def test_the_main_numbers_of_an_evaluation(
    task: Path, evaluation: Any, shown: dict[str, str]
) -> None:
    before = summarise(task, task).cells
    assert before["trains"] == "vehicles"
    (task / "evaluation.json").write_text(json.dumps(evaluation))
    assert summarise(task, task).cells == before | shown


def test_options_that_differ_have_columns(tmp_path: Path) -> None:
    config = preset("toy")
    other = replace(config, optim=replace(config.optim, lr=0.5), seed=7)
    for name, made in (("a", config), ("b/c", other)):
        create_run(tmp_path / name, made, tmp_path, ["x"], {"overfit": 0})
    runs = [summarise(run, tmp_path) for run in find_runs(tmp_path)]
    assert different_options(runs) == ["optim.lr"]
    columns, rows = compare(runs)
    assert columns[-1] == "optim.lr"
    assert [(row[0], row[-1]) for row in rows] == [("a", str(config.optim.lr)), ("b/c", "0.5")]
    assert compare(runs, most_options=0)[0] == columns[:-1]


@pytest.mark.parametrize("text", ['{"preset": ', "[]"])
@pytest.mark.parametrize("file", ["config.json", "record.json"])
def test_a_damaged_run_does_not_hide_the_others(
    pretraining: Path, task: Path, file: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (task / file).write_text(text)
    runs = [summarise(run, task.parent) for run in find_runs(task.parent)]
    assert [run.cells["trains"] for run in runs] == ["pre-training", "damaged"]
    assert f"{task / file}: " in caplog.text
    assert compare(runs)[1][1][:2] == ["task", "damaged"]


def test_no_runs_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        find_runs(tmp_path)
