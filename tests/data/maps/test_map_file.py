"""What is wrong in a map file is named by table and token; what can be repaired is, and is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mim4d.data.maps.map_file import CENTRES, LINE_TABLES, POLYGON_TABLES, read_map_file
from mim4d.errors import DataError, MissingFileError
from tests.data.tiny_map import MapBuilder, edit_map, rectangle, tiny_map

BOW_TIE = [(0, 0), (4, 4), (4, 0), (0, 4)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tiny_map().write(tmp_path, "nowhere")


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_map_file(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_every_table_is_read(path: Path) -> None:
    content = read_map_file(path)
    counts = {name: len(found) for name, found in content.geometries.items()}
    assert set(counts) == {*LINE_TABLES, *POLYGON_TABLES, CENTRES}
    assert counts["lane_divider"] == counts["road_segment"] == counts["ped_crossing"] == 2
    assert counts[CENTRES] == 2
    assert content.geometries["drivable_area"][0].area == 16 * 200 - 8
    assert content.remarks == ()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.json: map not found; download"):
        read_map_file(tmp_path / "maps" / "expansion" / "nowhere.json")


def test_a_damaged_file(path: Path) -> None:
    path.write_text(path.read_text()[:-40])
    assert "not valid JSON" in refused(path)
    path.write_text("[]")
    assert "version is None, expected '1.3'" in refused(path)


Change = Callable[[dict[str, Any]], object]


def set_field(table: str, field: str, value: Any) -> Change:
    return lambda content: content[table][0].update({field: value})


FAULTS: dict[str, tuple[Change, str]] = {
    "version": (lambda m: m.update(version="1.2"), "version is '1.2', expected '1.3'"),
    "no version": (lambda m: m.pop("version"), "version is None"),
    "layer missing": (
        lambda m: m.pop("walkway"),
        "layer 'walkway' should be a list, found nothing",
    ),
    "nodes missing": (lambda m: m.pop("node"), "layer 'node'"),
    "arclines": (lambda m: m.update(arcline_path_3=[]), "layer 'arcline_path_3' should be a dict"),
    "unknown line": (
        set_field("lane_divider", "line_token", "gone"),
        "table lane_divider, token lane_divider-0: line_token = 'gone' is not a token of",
    ),
    "unknown polygon": (
        set_field("stop_line", "polygon_token", "gone"),
        "table stop_line, token stop_line-0: polygon_token = 'gone' is not a token of",
    ),
    "unknown drivable polygon": (
        set_field("drivable_area", "polygon_tokens", ["gone"]),
        "table drivable_area, token drivable_area-0: polygon_token = 'gone'",
    ),
    "unknown node of a line": (
        set_field("line", "node_tokens", ["node-1", "gone"]),
        "table line, token line-0: node 'gone' is not a token of table node",
    ),
    "unknown node of a hole": (
        set_field("polygon", "holes", [{"node_tokens": ["gone"]}]),
        "table polygon, token polygon-0: node 'gone'",
    ),
    "no node list": (set_field("line", "node_tokens", None), "token line-0: list of nodes is None"),
    "NaN node": (set_field("node", "x", float("nan")), "table node, token node-0: is at {'x': nan"),
    "text node": (set_field("node", "y", "far"), "table node, token node-0: is at"),
    "duplicate token": (
        lambda m: m["lane"].append(m["lane"][0]),
        "table lane, token lane-0: occurs more than once",
    ),
    "duplicate node": (
        lambda m: m["node"].append(m["node"][7]),
        "table node, token node-7: occurs more than once",
    ),
    "no token": (lambda m: m["walkway"][0].pop("token"), "table walkway, record 0: has no token"),
    "two corners": (
        lambda m: m["polygon"][0]["exterior_node_tokens"].__delitem__(slice(2, None)),
        "table polygon, token polygon-0: has a ring of 2 nodes, expected at least three",
    ),
    "one point": (
        set_field("line", "node_tokens", ["node-0"]),
        "table line, token line-0: has one node",
    ),
    "arcline radius": (
        lambda m: m["arcline_path_3"]["lane-0"][0].update(radius=0),
        "table arcline_path_3, token lane-0: arcline path with",
    ),
    "arcline shape": (
        lambda m: m["arcline_path_3"]["lane-0"][0].update(shape="LXR"),
        "of shape 'LXR'",
    ),
    "arcline field": (
        lambda m: m["arcline_path_3"]["lane-0"][0].pop("start_pose"),
        "without a usable 'start_pose'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(path: Path, fault: str) -> None:
    change, expected = FAULTS[fault]
    assert expected in refused(edit_map(path, change))


def test_a_polygon_without_area_is_refused(tmp_path: Path) -> None:
    made = tiny_map()
    made.area("walkway", [(0, 0), (1, 1), (2, 2)])
    message = refused(made.write(tmp_path, "nowhere"))
    assert "table walkway, token walkway-1: its polygon is invalid" in message
    assert "has no area" in message


def test_crossed_polygons_are_repaired_and_said(tmp_path: Path) -> None:
    made = MapBuilder()
    made.area("lane", BOW_TIE)
    made.area("lane", rectangle(0, 0, 1, 1))
    # A hole that sticks out of its polygon.
    made.area("walkway", rectangle(0, 0, 4, 4), [rectangle(2, 2, 6, 3)])
    content = read_map_file(made.write(tmp_path, "nowhere"))
    assert sum(polygon.area for polygon in content.geometries["lane"]) == pytest.approx(8 + 1)
    assert all(polygon.is_valid for found in content.geometries.values() for polygon in found)
    assert [remark.split(": ", 1)[1] for remark in content.remarks] == [
        "1 records of table lane have invalid polygons, which were repaired: lane-0",
        "1 records of table walkway have invalid polygons, which were repaired: walkway-0",
    ]


def test_lines_without_nodes_are_left_out_and_said(tmp_path: Path) -> None:
    made = tiny_map()
    made.divider("road_divider", [])
    content = read_map_file(made.write(tmp_path, "nowhere"))
    assert len(content.geometries["road_divider"]) == 1
    assert "1 records of table road_divider have no nodes" in content.remarks[0]
    assert content.remarks[0].endswith("road_divider-1")


def test_empty_holes_are_no_obstacle(path: Path) -> None:
    edit_map(path, set_field("polygon", "holes", [{"node_tokens": []}]))
    assert read_map_file(path).geometries["drivable_area"][0].area == 16 * 200
    assert json.loads(path.read_text())["polygon"][0]["holes"]
