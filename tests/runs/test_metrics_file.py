from pathlib import Path

import numpy as np
import pytest

from mim4d.runs.metrics_file import (
    VALIDATION,
    append_metrics,
    best_validation,
    read_metrics,
    truncate_metrics,
)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    append_metrics(tmp_path, {"step": 0, "loss": 2.5})
    append_metrics(tmp_path, {"step": 1, "loss": 1.5, "depth": 0.5})
    columns = read_metrics(tmp_path)
    assert columns["loss"].tolist() == [2.5, 1.5]
    np.testing.assert_equal(columns["depth"], [np.nan, 0.5])


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    append_metrics(tmp_path, {"step": 0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "lo')
    assert read_metrics(tmp_path)["step"].tolist() == [0]


def test_no_step_yet(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metrics.jsonl: not found: .* restore it"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ValueError, match="no step yet"):
        read_metrics(tmp_path)


def test_steps_that_are_done_again_and_a_torn_line_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 1}\n{"step": 2}\n{"ste')
    truncate_metrics(tmp_path, 2)
    assert path.read_text() == '{"step": 0}\n{"step": 1}\n'


def test_no_empty_file_is_left_where_all_steps_are_done_again(tmp_path: Path) -> None:
    append_metrics(tmp_path, {"step": 5, "loss": 1.0}, VALIDATION)
    truncate_metrics(tmp_path, 3)
    assert not (tmp_path / VALIDATION).exists()


def test_the_best_validation_is_the_least_loss_that_is_a_number(tmp_path: Path) -> None:
    assert best_validation(tmp_path) is None
    append_metrics(tmp_path, {"step": 1, "loss": float("nan")}, VALIDATION)
    assert best_validation(tmp_path) is None
    for step, loss in ((3, 2.5), (5, 1.5), (7, float("nan")), (9, 2.0)):
        append_metrics(tmp_path, {"step": step, "loss": loss}, VALIDATION)
    assert best_validation(tmp_path) == (6, 1.5)
