"""The table and the file."""

import json
from pathlib import Path

import pytest

from mim4d.evaluation import Evaluation
from tests.evaluation.rows import flow, row

ROWS = {
    "pixel_median": row(0.4),
    "flat_ground": row(0.6),
    "untrained": row(0.5, model=True),
    "direct": row(0.1, model=True),
}


def _cells(line: str) -> list[str]:
    return line[22:].replace("|", " ").split()


def test_every_row_has_all_columns_over_all_parts() -> None:
    table = Evaluation(ROWS, "exact distance", ["a"], 3, held_out=True)
    assert table.baseline == pytest.approx(0.4)
    direct = [each for each in table.table().splitlines() if each.startswith("direct volume")]
    same = ["3.21", "0.300", "-0.07", "0.789"]
    assert _cells(direct[0]) == ["0.100", *same, "0.050", *same, "1.00"]  # all pixels, road, worst
    assert _cells(direct[1]) == ["0.150", *same, "0.200", *same, "0.050"]
    colours, beams = ["17.2", "18.5", "15.5", "0.456"], ["0.88", "0.50", "0.20", "0.30", "0.50"]
    assert _cells(direct[2]) == [*colours, *beams]
    ground = [each for each in table.table().splitlines() if each.startswith("flat ground  ")]
    assert len(ground) == 2  # it has no colour


def test_no_line_is_longer_than_the_table_and_one_is_no_plural() -> None:
    table = Evaluation(ROWS, "exact distance", ["a"], 1, held_out=True).table()
    lines = table.splitlines()
    assert max(map(len, lines)) == len(lines[1]) <= 104
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
    assert direct["psnr_sky_db"] == 15.5
    assert direct["log_bias"] == -0.07
    assert direct["metric"]["obstacles"]["abs_rel"] == pytest.approx(0.15)
    assert saved["masked"] is None
    (headline,) = saved["headline"]
    assert (headline["row"], headline["ratio"], headline["met"]) == ("direct", 1.0, False)
    assert headline["sentence"].startswith("Distances rendered from a frame's own images")
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


def test_scene_flow_has_its_own_tables(tmp_path: Path) -> None:
    evaluation = Evaluation(ROWS, "exact distance", ["a"], 3, held_out=True, flow=flow())
    lines = evaluation.table().splitlines()
    assert max(map(len, lines)) == len(lines[1])
    found = [line.split()[2:] for line in lines if line.startswith(("scene flow  ", "zero flow  "))]
    assert found[1][:4] == ["1.000", "22.5", "33.3", "0.500"]
    assert found[2] == ["0.400", "22.5", "33.3", "0.200", "4.32", "0.125", "0.375", "0.062"]
    assert found[4] == ["0.800", "0.800", "0.800", "-", "0.800"]
    assert "1234 points of 56 objects within 20 m that move 1 to 4 voxels" in " ".join(lines)
    evaluation.save(tmp_path / "evaluation.json")
    saved = json.loads((tmp_path / "evaluation.json").read_text())["flow"]
    assert (saved["points"], saved["normalised_epe"], saved["median_angle_deg"]) == (
        1234,
        0.4,
        22.5,
    )
    assert saved["rows"]["flow"]["near"]["mean_angle_deg"] == saved["mean_angle_deg"] == 33.3
    assert saved["rows"]["zero"]["near_objects"]["normalised_epe"] == 0.5
    assert saved["rows"]["flow"]["groups"]["wheeled"]["dynamic"] is None
    assert saved["truth"] == "exact scene flow"


def test_without_scene_flow_nothing_is_said_of_it(tmp_path: Path) -> None:
    evaluation = Evaluation(ROWS, "exact distance", ["a"], 3, held_out=True)
    assert "zero flow" not in evaluation.table()
    evaluation.save(tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text())["flow"] is None
