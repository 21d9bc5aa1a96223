"""Maps in the official layout (nuScenes map expansion 1.3), small enough to check by hand.

The tiny map fits the tiny data set, whose car drives along global +y from (1000, 2000): a straight
road of two lanes each way, 12 m wide, from y = 1900 to 2100.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]
TABLES = (
    *("polygon", "line", "node", "drivable_area", "road_segment", "road_block", "lane"),
    *("ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider", "lane_divider"),
    *("traffic_light", "lane_connector"),
)


class MapBuilder:
    """Tables with tokens such as `node-3`."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.arclines: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, **fields: Any) -> str:
        token = f"{table}-{len(self.tables[table])}"
        self.tables[table].append({"token": token, **fields})
        return token

    def nodes(self, points: Points) -> list[str]:
        return [self.add("node", x=x, y=y) for x, y in points]

    def divider(self, table: str, points: Points) -> str:
        return self.add(table, line_token=self.add("line", node_tokens=self.nodes(points)))

    def polygon(self, exterior: Points, holes: Sequence[Points] = ()) -> str:
        return self.add(
            "polygon",
            exterior_node_tokens=self.nodes(exterior),
            holes=[{"node_tokens": self.nodes(hole)} for hole in holes],
        )

    def area(self, table: str, exterior: Points, holes: Sequence[Points] = ()) -> str:
        token = self.polygon(exterior, holes)
        if table == "drivable_area":
            return self.add(table, polygon_tokens=[token])
        return self.add(table, polygon_token=token)

    def arcline(
        self, lane: str, start: tuple[float, float, float], shape: str, lengths: list[float]
    ) -> None:
        path = {"start_pose": list(start), "shape": shape, "radius": 5.0, "segment_length": lengths}
        self.arclines.setdefault(lane, []).append(path)

    def write(self, root: Path, location: str) -> Path:
        path = root / "maps" / "expansion" / f"{location}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"version": "1.3", "canvas_edge": [4000.0, 4000.0], "connectivity": {}}
        path.write_text(json.dumps({**content, **self.tables, "arcline_path_3": self.arclines}))
        return path


def rectangle(x_min: float, y_min: float, x_max: float, y_max: float) -> Points:
    return [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]


def tiny_map() -> MapBuilder:
    made = MapBuilder()
    island = rectangle(1003, 2010, 1005, 2014)
    # The road's two segments meet at y = 2012, in the middle of the island.
    made.area("drivable_area", rectangle(990, 1900, 1006, 2100), [island])
    near = [(994, 1900), (1006, 1900), (1006, 2012), (1005, 2012), (1005, 2010), (1003, 2010)]
    made.area("road_segment", [*near, (1003, 2012), (994, 2012)])
    far = [(994, 2012), (1003, 2012), (1003, 2014), (1005, 2014), (1005, 2012), (1006, 2012)]
    made.area("road_segment", [*far, (1006, 2100), (994, 2100)])
    lane = made.area("lane", rectangle(1000, 1900, 1003, 2100))
    made.divider("lane_divider", [(997, 1900), (997, 2100)])
    made.divider("lane_divider", [(1003, 1900), (1003, 2009)])
    made.divider("road_divider", [(1000, 2100), (1000, 1900)])
    made.area("ped_crossing", rectangle(994, 2005, 1000, 2008))
    made.area("ped_crossing", rectangle(1000, 2005, 1006, 2008))
    made.area("walkway", rectangle(1006, 1900, 1009, 2100))
    made.area("stop_line", rectangle(1000, 2003, 1006, 2004))
    made.area("carpark_area", rectangle(990, 1990, 994, 2002))
    made.arcline(lane, (1001.5, 1900, math.pi / 2), "LSR", [0.0, 200.0, 0.0])
    made.arcline("lane_connector-0", (1001.5, 2000, math.pi / 2), "LSR", [2.5 * math.pi, 0.0, 0.0])
    return made


def edit_map(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Read a map, let `change` alter it in place, write it back."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path
