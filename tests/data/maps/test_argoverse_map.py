"""Maps of Argoverse 2 logs: dividers by hand, damage, and the real log where it lies."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch

from mim4d.data.maps.argoverse_map import argoverse_map
from mim4d.data.maps.map_file import MapFile
from mim4d.data.maps.vector_map import VectorMap, map_file
from mim4d.errors import DataError


def _points(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": 0.0} for x, y in points]


def _lane(number: int, left: Any, right: Any, beside: int | None, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "is_intersection": False,
        "left_lane_boundary": _points(*left),
        "left_lane_mark_type": "DASHED_WHITE",
        "right_lane_boundary": _points(*right),
        "right_lane_mark_type": "NONE",
        "left_neighbor_id": beside,
        **more,
    }


@pytest.fixture
def street() -> dict[str, Any]:
    """Along x: two lanes forward (1 right of 2), lane 3 back beside lane 2, lane 4 on its own."""
    lanes = [
        _lane(1, [(0, 3), (20, 3)], [(0, 0), (20, 0)], 2),
        _lane(2, [(0, 6), (20, 6)], [(0, 3), (20, 3)], 3),
        _lane(3, [(20, 6), (0, 6)], [(20, 9), (0, 9)], 2),
        _lane(4, [(0, 30), (9, 30)], [(0, 27), (9, 27)], None, left_lane_mark_type="SOLID_YELLOW"),
        _lane(5, [(0, 50), (9, 50)], [(0, 47), (9, 47)], 1, is_intersection=True),
    ]
    crossing = {"id": 7, "edge1": _points((5, 0), (5, 9)), "edge2": _points((8, 0), (8, 9))}
    area = {"id": 8, "area_boundary": _points((0, 0), (20, 0), (20, 9), (0, 9))}
    return {
        "lane_segments": {str(lane["id"]): lane for lane in lanes},
        "pedestrian_crossings": {"7": crossing},
        "drivable_areas": {"8": area},
    }


def _open(content: dict[str, Any], root: Path) -> VectorMap:
    path = map_file(root, "city")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return VectorMap.open(root, "city")


def test_layers_by_hand(street: dict[str, Any], tmp_path: Path) -> None:
    found = _open(street, tmp_path)

    def wkt(table: str) -> set[str]:
        return {shape.wkt for shape in found.geometries(table)}

    assert wkt("lane_divider") == {"LINESTRING (0 3, 20 3)"}
    assert wkt("road_divider") == {"LINESTRING (0 6, 20 6)", "LINESTRING (0 30, 9 30)"}
    assert [shape.area for shape in found.geometries("ped_crossing")] == [27.0]
    assert [shape.area for shape in found.geometries("drivable_area")] == [180.0]
    centres = found.geometries("lane_centre")
    assert centres[0].equals(shapely.LineString([(0, 1.5), (20, 1.5)]))
    assert shapely.get_coordinates(centres[2])[0].tolist() == [20.0, 7.5]
    patch = found.patch(torch.eye(4, dtype=torch.float64), (-30, -15, 30, 15))
    (outline,) = patch.polylines("road_boundary")
    assert shapely.Polygon(outline.numpy()).area == pytest.approx(180.0, rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "key", "field", "value", "message"),
    [
        ("lane_segments", "1", "left_lane_boundary", [], "has 0 points"),
        ("lane_segments", "1", "left_lane_boundary", [{"x": 1}], "holds no points"),
        ("drivable_areas", "8", "area_boundary", [{"x": 0, "y": 0}] * 2, "2 points, expected 3"),
        ("pedestrian_crossings", "7", "edge1", [{"x": 0, "y": float("nan")}] * 2, "finite"),
    ],
)
def test_damage_names_the_record(
    street: dict[str, Any],
    tmp_path: Path,
    layer: str,
    key: str,
    field: str,
    value: Any,
    message: str,
) -> None:
    broken = copy.deepcopy(street)
    broken[layer][key][field] = value
    path = map_file(tmp_path, "city")
    path.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=f"record {key}.*{message}"):
        argoverse_map(path, broken)
    del broken[layer]
    with pytest.raises(DataError, match=f"layer '{layer}' should be records"):
        argoverse_map(path, broken)


def test_an_invalid_polygon_is_repaired_and_said(street: dict[str, Any], tmp_path: Path) -> None:
    bow = _points((0, 0), (4, 4), (4, 0), (0, 4))
    street["drivable_areas"]["9"] = {"id": 9, "area_boundary": bow}
    made: MapFile = argoverse_map(tmp_path / "map.json", street)
    assert len(made.geometries["drivable_area"]) == 3
    assert "1 invalid polygons of drivable_areas were repaired" in made.remarks[0]


def test_the_real_log(real_data: Path, tmp_path: Path) -> None:
    (source,) = (real_data / "av2_log" / "map").glob("log_map_archive*.json")
    found = _open(json.loads(source.read_text()), tmp_path)
    counts = {name: len(found.geometries(name)) for name in ("lane_divider", "ped_crossing")}
    assert counts == {"lane_divider": 25, "ped_crossing": 11}
    dividers = np.concatenate([found.geometries(f"{k}_divider") for k in ("lane", "road")])
    road = shapely.union_all(found.geometries("drivable_area")).buffer(1.0)
    assert all(road.covers(line) for line in dividers)
