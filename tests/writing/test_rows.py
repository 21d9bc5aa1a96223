"""Rows of a scene by hand: tokens, chains, the first and last of everything."""

import json

import numpy as np
import pytest

from mim4d.writing.map_files import LISTS, join_scene_maps, write_map_part
from mim4d.writing.map_rows import MapRows
from mim4d.writing.rows import Log, SceneRows, SensorFile, quaternion_wxyz, token
from mim4d.writing.tables import fixed_tables, join_tables

START = 1_700_000_000_000_000


def scene(name: str) -> SceneRows:
    """Two samples, three images, a box seen twice."""
    rows = SceneRows(Log(name, "data", START, "town", "car"))
    rows.add_calibration("CAM_FRONT", np.eye(4), np.eye(3).tolist())
    for k in range(2):
        rows.add_sample_at(k, START + k * 500_000)
        rows.add_box(
            k,
            "object",
            "vehicle.car",
            centre_m=(1.0, 2.0, 3.0),
            size_wlh_m=(2.0, 4.0, 1.5),
            rotation_wxyz=(1.0, 0.0, 0.0, 0.0),
            num_lidar_points=5,
        )
    for i, (sample, key) in enumerate(((0, True), (1, False), (1, True))):
        file = SensorFile("CAM_FRONT", START + i * 250_000, sample, key, "jpg", (4, 6))
        path = rows.add_sensor_file(file, (float(i), 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
        folder = "samples" if key else "sweeps"
        assert str(path).startswith(f"{folder}/CAM_FRONT/car-2023-11-14-22-13-20+0000__CAM_FRONT__")
    rows.finish("")
    return rows


def test_chains_and_ends():
    rows = scene("a").rows
    first, second, third = rows["sample_data"]
    assert (first["prev"], first["next"]) == ("", second["token"])
    assert (third["prev"], third["next"]) == (second["token"], "")
    assert second["sample_token"] == rows["sample"][1]["token"]
    (instance,) = rows["instance"]
    assert instance["nbr_annotations"] == 2
    assert instance["first_annotation_token"] == rows["sample_annotation"][0]["token"]
    (own,) = rows["scene"]
    assert own["last_sample_token"] == rows["sample"][1]["token"]
    assert rows["ego_pose"][2]["translation"] == [2.0, 0.0, 0.0]


def test_scenes_are_joined_and_their_tokens_differ(tmp_path):
    for name in ("a", "b"):
        scene(name).write(tmp_path / name)
    fixed = fixed_tables({"CAM_FRONT": "camera"}, ["vehicle.car"], (), {}, ())
    join_tables([tmp_path / "a", tmp_path / "b"], fixed, tmp_path / "tables")
    data = json.loads((tmp_path / "tables" / "sample_data.json").read_text())
    assert len({row["token"] for row in data}) == 6
    (sensor,) = json.loads((tmp_path / "tables" / "sensor.json").read_text())
    assert sensor == {
        "token": token("sensor", "CAM_FRONT"),
        "channel": "CAM_FRONT",
        "modality": "camera",
    }


def test_a_straight_centre_line_is_read_back(tmp_path):
    from mim4d.data.maps.map_file import read_map_file

    rows = MapRows(("data", "a"), np.array([100.0, 0.0]), LISTS)
    rows.straight_centre_line("lane", np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 9.0]]))
    (tmp_path / "part").mkdir()
    mappings = {"arcline_path_3": rows.arclines, "connectivity": rows.connectivity}
    write_map_part(rows.lists, mappings, tmp_path / "part")
    join_scene_maps([tmp_path / "part"], (200.0, 200.0), tmp_path / "map.json")
    (line,) = read_map_file(tmp_path / "map.json").geometries["lane_centre"]
    assert line.length == pytest.approx(10.0, abs=1e-3)
    assert line.coords[0] == pytest.approx((100.0, 0.0))
    assert line.coords[-1] == pytest.approx((103.0, 9.0), abs=1e-3)


def test_quaternion_of_a_quarter_turn():
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert quaternion_wxyz(turn) == pytest.approx([0.5**0.5, 0, 0, 0.5**0.5])
