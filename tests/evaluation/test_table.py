"""The table and the file."""

import json
from pathlib import Path

import pytest

from mim4d.evaluation import Evaluation
from tests.evaluation.rows import row

ROWS = {
    "pixel_median": row(0.4),
    "flat_ground": row(0.6),
    "untrained": row(0.5, model=True),
    "direct": row(0.1, model=True),
}


def test_the_table_compares_with_the_best_row_that_needs_no_training() -> None:
    table = Evaluation(ROWS, "exact distance", ["a"], 3, held_out=True)
    assert table.baseline == pytest.approx(0.4)
    lines = table.table().splitlines()
    direct = next(line for line in lines if line.startswith("direct volume"))
    assert direct.split()[2:] == [
        "0.100",
        "0.25",
        "3.21",
        "0.789",
        "0.050",
        "0.200",
        "17.2",
        "0.456",
    ]
    ground = next(line for line in lines if line.startswith("flat ground"))
    assert ground.split()[-2:] == ["-", "-"]
    beams = [line for line in lines if line.startswith("direct volume")][1]
    assert beams.split()[2:] == ["0.875", "0.500", "0.200", "0.300", "0.500", "0.200", "0.300"]


def test_no_line_is_longer_than_the_table_and_one_is_no_plural() -> None:
    table = Evaluation(ROWS, "exact distance", ["a"], 1, held_out=True).table()
    lines = table.splitlines()
    assert max(map(len, lines)) == len(lines[0])
    assert "1 clip of 1 held-out scene, " in table


def test_flat_ground_may_be_the_best() -> None:
    rows = {**ROWS, "flat_ground": row(0.2)}
    assert Evaluation(rows, "LiDAR", ["a"], 3, held_out=True).baseline == pytest.approx(0.2)


def test_everything_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    Evaluation(ROWS, "exact distance", ["a"], 3, held_out=True).save(path)
    saved = json.loads(path.read_text())
    assert saved["baseline"] == pytest.approx(0.4)
    direct = saved["rows"]["direct"]
    assert direct["abs_rel"] == direct["metric"]["everywhere"]["over_pixels"]["abs_rel"] == 0.1
    assert direct["median_scaled"]["moving"]["abs_rel"] == pytest.approx(0.1)
    assert direct["psnr_db"] == 17.25
    assert direct["occupancy"][1]["tolerance_m"] == 0.8
    assert set(direct["metric"]["by_range"]) == {"1-5", "15-60"}


def test_without_baselines_there_is_no_ratio(tmp_path: Path) -> None:
    alone = Evaluation({"direct": row(0.1)}, "LiDAR", ["a"], 1, held_out=True)
    assert "nan" not in alone.table()
    alone.save(tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text())["baseline"] is None


def test_training_scenes_are_called_by_their_name() -> None:
    table = Evaluation({"direct": row(0.1)}, "LiDAR", ["a"], 1, held_out=False).table()
    assert "TRAINING" in table
