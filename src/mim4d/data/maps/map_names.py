"""Names of the layers of a map. Imports nothing heavy: the command line lists them as choices."""

from typing import Literal, get_args

LineLayer = Literal["lane_divider", "road_divider", "road_boundary", "lane_centre"]
PolygonLayer = Literal["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area"]
MapLayer = LineLayer | PolygonLayer

LINE_LAYERS: tuple[LineLayer, ...] = get_args(LineLayer)
POLYGON_LAYERS: tuple[PolygonLayer, ...] = get_args(PolygonLayer)
MAP_LAYERS: tuple[MapLayer, ...] = (*LINE_LAYERS, *POLYGON_LAYERS)
