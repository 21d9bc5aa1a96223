"""Which boundaries divide lanes, by hand; both readers of Argoverse maps agree on a real one."""

import json
from pathlib import Path

import numpy as np
import pytest

from mim4d.data.maps.argoverse_map import argoverse_map
from mim4d.geometry.lane_dividers import divider_kind
from mim4d.importing.av2_map import read_av2_map

EAST = np.array([[0.0, 0.0], [10.0, 0.0]])
BESIDE = np.add(EAST, [0.0, 3.5])


@pytest.mark.parametrize(
    ("beside", "yellow", "kind"),
    [
        (None, False, None),  # the edge of the road
        (None, True, "road_divider"),  # the other direction is not on the map
        (BESIDE, False, "lane_divider"),
        (BESIDE, True, "road_divider"),
        (EAST[::-1], False, "road_divider"),
    ],
)
def test_the_rule(beside: np.ndarray | None, yellow: bool, kind: str | None) -> None:
    assert divider_kind(EAST, beside, yellow) == kind


def test_reader_and_importer_find_the_same_dividers(real_data: Path) -> None:
    folder = real_data / "av2_log" / "map"
    (path,) = folder.glob("log_map_archive_*.json")
    read = argoverse_map(path, json.loads(path.read_text())).geometries
    rows, _ = read_av2_map(folder, ("a", "b"))
    assert rows is not None
    nodes = {row["token"]: (row["x"], row["y"]) for row in rows.lists["node"]}
    lines = {row["token"]: row["node_tokens"] for row in rows.lists["line"]}
    for table in ("road_divider", "lane_divider"):
        written = [lines[row["line_token"]] for row in rows.lists[table]]
        ends = {frozenset((nodes[line[0]], nodes[line[-1]])) for line in written}
        assert ends == {
            frozenset(tuple(np.round(line.coords[i], 3)) for i in (0, -1)) for line in read[table]
        }
        assert len(ends) > 5
