"""The vector map of an Argoverse 2 log to geometries in `global` (there: the city), metres.

Enters: what `log_map_archive_<log>____<city>_city_<number>.json` holds: lane segments with both
their boundaries, crossings as two edges, outlines of drivable areas. Leaves: the tables of
`map_file`. Heights are left out. Which boundaries divide lanes, `geometry.lane_dividers` says;
inside intersections they are not painted, and divide nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64

from mim4d.data.maps.map_file import (
    CENTRES,
    LINE_TABLES,
    POLYGON_TABLES,
    Geometries,
    MapFile,
    geometry_array,
    polygon_parts,
)
from mim4d.errors import DataError
from mim4d.geometry.lane_dividers import divider_kind

LAYERS = ("lane_segments", "pedestrian_crossings", "drivable_areas")
_CENTRE_POINTS = 20
Points = Float64[np.ndarray, "_ 2"]


def is_argoverse_map(content: Any) -> bool:
    """Whether the content of a JSON file is such a map."""
    return isinstance(content, dict) and "lane_segments" in content


def argoverse_map(path: Path, content: dict[str, Any]) -> MapFile:
    """Lines and polygons of a log's map.

    Raises:
        DataError: If a layer is missing, or a record cannot be a line or polygon.
    """
    layers = {name: _records(path, content, name) for name in LAYERS}
    lanes = {lane.get("id"): lane for lane in layers["lane_segments"]}
    geometries = {name: geometry_array([]) for name in (*LINE_TABLES, *POLYGON_TABLES)}
    dividers = [found for lane in lanes.values() for found in _dividers(path, lane, lanes)]
    for table in LINE_TABLES:
        geometries[table] = geometry_array([line for name, line in dividers if name == table])
    geometries[CENTRES] = geometry_array([_centre(path, lane) for lane in lanes.values()])
    crossings = [
        np.concatenate([_points(path, c, "edge1"), _points(path, c, "edge2")[::-1]])
        for c in layers["pedestrian_crossings"]
    ]
    areas = [_points(path, area, "area_boundary", 3) for area in layers["drivable_areas"]]
    remarks: list[str] = []
    geometries["ped_crossing"] = _polygons(path, "pedestrian_crossings", crossings, remarks)
    geometries["drivable_area"] = _polygons(path, "drivable_areas", areas, remarks)
    geometries["road_segment"] = geometries["drivable_area"]
    return MapFile(geometries, tuple(remarks))


def _records(path: Path, content: dict[str, Any], layer: str) -> list[dict[str, Any]]:
    records = content.get(layer)
    if not isinstance(records, dict) or not all(isinstance(r, dict) for r in records.values()):
        raise DataError(f"{path}: layer {layer!r} should be records by id; restore the file")
    return list(records.values())


def _points(path: Path, record: dict[str, Any], field: str, least: int = 2) -> Points:
    try:
        points = np.array([[p["x"], p["y"]] for p in record[field]], np.float64).reshape(-1, 2)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}, record {record.get('id')}: {field} holds no points ({error}); restore the "
            "file"
        ) from None
    if len(points) < least or not np.isfinite(points).all():
        raise DataError(
            f"{path}, record {record.get('id')}: {field} has {len(points)} points, expected "
            f"{least} or more finite ones; restore the file"
        )
    return points


def _dividers(
    path: Path, lane: dict[str, Any], lanes: dict[Any, dict[str, Any]]
) -> list[tuple[str, shapely.LineString]]:
    """Boundaries of a lane that divide it from others, each told by one of the two lanes.

    A boundary is the left one of the lane that tells it; of a lane without a known neighbour there,
    yellow paint says that there is one of the other direction.
    """
    if lane.get("is_intersection"):
        return []
    points = _points(path, lane, "left_lane_boundary")
    neighbour = lanes.get(lane.get("left_neighbor_id"))
    yellow = "YELLOW" in str(lane.get("left_lane_mark_type"))
    beside = None if neighbour is None else _points(path, neighbour, "left_lane_boundary")
    # Both lanes of opposite directions have it on their left: the one with the smaller id tells.
    if neighbour and neighbour.get("left_neighbor_id") == lane["id"] > neighbour["id"]:
        return []
    table = divider_kind(points, beside, yellow)
    return [] if table is None else [(table, shapely.LineString(points))]


def _centre(path: Path, lane: dict[str, Any]) -> shapely.LineString:
    """Half way between both boundaries, from the lane's beginning to its end."""
    sides = [
        shapely.LineString(_points(path, lane, f"{side}_lane_boundary"))
        for side in ("left", "right")
    ]
    along = np.linspace(0, 1, _CENTRE_POINTS)
    left, right = (
        shapely.get_coordinates(shapely.line_interpolate_point(side, along, normalized=True))
        for side in sides
    )
    return shapely.LineString((left + right) / 2)


def _polygons(path: Path, layer: str, rings: Sequence[Points], remarks: list[str]) -> Geometries:
    polygons, repaired = [], 0
    for ring in rings:
        polygon = shapely.Polygon(ring)
        parts = polygon_parts(polygon if polygon.is_valid else shapely.make_valid(polygon))
        repaired += not polygon.is_valid
        polygons += parts
    if repaired:
        remarks.append(f"{path}: {repaired} invalid polygons of {layer} were repaired")
    return geometry_array(polygons)
