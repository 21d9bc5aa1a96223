"""One file of the nuScenes map expansion (version 1.3) to geometries in `global`, metres.

Enters: `maps/expansion/<location>.json`: tables of records with tokens, where polygons and lines
are lists of nodes and everything else refers to these. Leaves: for every table that we use, its
lines or its polygons. What does not fit together is a `DataError` that names table and token;
polygons that cross themselves are repaired, and said.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mim4d.data.maps.arcline import lane_centre
from mim4d.data.tables.json_rows import loads
from mim4d.errors import DataError, MissingMapError

VERSION = "1.3"
LINE_TABLES = ("lane_divider", "road_divider")
POLYGON_TABLES = (
    *("drivable_area", "road_segment", "lane", "ped_crossing"),
    *("walkway", "stop_line", "carpark_area"),
)
CENTRES = "lane_centre"
_SHOWN = 10

Geometries = NDArray[np.object_]
"""Shapely geometries of one kind."""


@dataclass(frozen=True)
class MapFile:
    """What one file holds.

    Attributes:
        geometries: Simple polygons (`POLYGON_TABLES`) or lines (`LINE_TABLES` and `CENTRES`).
        remarks: What was repaired or left out, in sentences.
    """

    geometries: dict[str, Geometries]
    remarks: tuple[str, ...]


def read_json(path: Path) -> Any:
    """The content of a map file.

    Raises:
        DataError: If the file is missing or no JSON.
    """
    if not path.is_file():
        raise MissingMapError(
            f"{path}: map not found; download the nuScenes map expansion {VERSION} and extract it "
            f"into {path.parents[1]}"
        )
    try:
        return loads(path.read_bytes())
    except ValueError as error:
        raise DataError(
            f"{path}: not valid JSON ({error}); the file is damaged or cut short: restore it"
        ) from error


def read_map_file(path: Path, content: Any = None) -> MapFile:
    """Read the lines and polygons of a location.

    Args:
        path: The file.
        content: What it holds, if that has been read already.

    Raises:
        DataError: If the file is missing, no JSON or of another version, a table is missing, a
            token occurs twice or leads nowhere, or a record cannot be a line or polygon.
    """
    content = read_json(path) if content is None else content
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise DataError(
            f"{path}: version is {version!r}, expected {VERSION!r}; download the map expansion "
            f"{VERSION}"
        )
    return _Reader(path, content).read()


class _Reader:
    """The tables of one file, and what has been noticed while they are read."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        self._content = content
        self._remarks: list[str] = []
        nodes = self._table("node")
        self._node_rows = {token: row for row, token in enumerate(nodes)}
        self._nodes = self._coordinates(nodes)
        self._lines = self._table("line")
        self._polygons = self._table("polygon")

    def read(self) -> MapFile:
        geometries = {name: self._read_lines(name) for name in LINE_TABLES}
        geometries |= {name: self._read_polygons(name) for name in POLYGON_TABLES}
        geometries[CENTRES] = self._read_centres()
        return MapFile(geometries, tuple(self._remarks))

    def _error(self, table: str, token: str, problem: str) -> DataError:
        return DataError(f"{self._path}, table {table}, token {token}: {problem}: restore the file")

    def _present(self, name: str, kind: type) -> Any:
        value = self._content.get(name)
        if not isinstance(value, kind):
            found = "nothing" if value is None else type(value).__name__
            raise DataError(
                f"{self._path}: layer {name!r} should be a {kind.__name__}, found {found}; restore "
                "the file"
            )
        return value

    def _table(self, name: str) -> dict[str, dict[str, Any]]:
        """Records of a table by token, in the file's order."""
        records: dict[str, dict[str, Any]] = {}
        for number, record in enumerate(self._present(name, list)):
            token = record.get("token") if isinstance(record, dict) else None
            if not isinstance(token, str):
                raise DataError(
                    f"{self._path}, table {name}, record {number}: has no token; restore the file"
                )
            if token in records:
                raise self._error(name, token, "occurs more than once; tokens must be unique")
            records[token] = record
        return records

    def _coordinates(self, nodes: dict[str, dict[str, Any]]) -> NDArray[np.float64]:
        try:
            points = np.array([[n["x"], n["y"]] for n in nodes.values()], np.float64)
        except (KeyError, TypeError, ValueError):
            points = np.array([[_number(n, "x"), _number(n, "y")] for n in nodes.values()])
        points = points.reshape(-1, 2)
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        if len(bad):
            token = list(nodes)[bad[0]]
            found = {axis: nodes[token].get(axis) for axis in "xy"}
            problem = f"is at {found}, expected finite metres ({len(bad)} such nodes)"
            raise self._error("node", token, problem)
        return points

    def _follow(
        self, table: str, record: dict[str, Any], field: str, target: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """The line or polygon that a record refers to."""
        token = record.get(field)
        if token not in target:
            name = "line" if target is self._lines else "polygon"
            problem = f"{field} = {token!r} is not a token of table {name}"
            raise self._error(table, record["token"], problem)
        return target[token]

    def _points(self, table: str, owner: dict[str, Any], tokens: Any) -> NDArray[np.float64]:
        if not isinstance(tokens, list):
            raise self._error(table, owner["token"], f"list of nodes is {tokens!r}")
        try:
            return self._nodes[[self._node_rows[token] for token in tokens]]
        except (KeyError, TypeError):
            known = self._node_rows
            unknown = next(t for t in tokens if not isinstance(t, str) or t not in known)
            problem = f"node {unknown!r} is not a token of table node"
            raise self._error(table, owner["token"], problem) from None

    def _read_lines(self, table: str) -> Geometries:
        lines, empty = [], []
        for token, record in self._table(table).items():
            line = self._follow(table, record, "line_token", self._lines)
            points = self._points("line", line, line.get("node_tokens"))
            # The official map of Queenstown holds a few lines without any node.
            if len(points) == 0:
                empty.append(token)
                continue
            if len(points) == 1:
                raise self._error("line", line["token"], "has one node, expected two or more")
            lines.append(shapely.LineString(points))
        self._remark(empty, f"of table {table} have no nodes and are left out")
        return geometry_array(lines)

    def _read_polygons(self, table: str) -> Geometries:
        polygons, repaired = [], []
        for token, record in self._table(table).items():
            for polygon_token in self._polygon_tokens(table, record):
                named = {"token": token, "polygon_token": polygon_token}
                record_of = self._follow(table, named, "polygon_token", self._polygons)
                polygon = self._polygon(record_of)
                if polygon.is_valid:
                    polygons.append(polygon)
                    continue
                polygons.extend(self._repair(table, token, polygon))
                repaired.append(token)
        self._remark(repaired, f"of table {table} have invalid polygons, which were repaired")
        return geometry_array(polygons)

    def _polygon_tokens(self, table: str, record: dict[str, Any]) -> list[Any]:
        if table != "drivable_area":
            return [record.get("polygon_token")]
        tokens = record.get("polygon_tokens")
        if not isinstance(tokens, list):
            problem = f"polygon_tokens is {tokens!r}, expected a list"
            raise self._error(table, record["token"], problem)
        return tokens

    def _polygon(self, record: dict[str, Any]) -> shapely.Polygon:
        exterior = self._points("polygon", record, record.get("exterior_node_tokens"))
        holes = [
            h.get("node_tokens") if isinstance(h, dict) else h for h in record.get("holes") or []
        ]
        rings = [self._points("polygon", record, hole) for hole in holes]
        rings = [exterior, *(ring for ring in rings if len(ring) > 0)]
        for ring in rings:
            if len(ring) < 3:
                problem = f"has a ring of {len(ring)} nodes, expected at least three"
                raise self._error("polygon", record["token"], problem)
        return shapely.Polygon(rings[0], rings[1:])

    def _repair(self, table: str, token: str, polygon: shapely.Polygon) -> list[shapely.Polygon]:
        parts = polygon_parts(shapely.make_valid(polygon))
        if not parts:
            problem = f"its polygon is invalid ({shapely.is_valid_reason(polygon)}) and has no area"
            raise self._error(table, token, problem)
        return parts

    def _read_centres(self) -> Geometries:
        lines = []
        for token, paths in self._present("arcline_path_3", dict).items():
            try:
                points = lane_centre(paths)
            except (ValueError, TypeError, AttributeError) as error:
                raise self._error("arcline_path_3", token, str(error)) from None
            if len(points) > 1:
                lines.append(shapely.LineString(points))
        return geometry_array(lines)

    def _remark(self, tokens: list[str], what: str) -> None:
        if tokens:
            shown = ", ".join(tokens[:_SHOWN]) + (" ..." if len(tokens) > _SHOWN else "")
            self._remarks.append(f"{self._path}: {len(tokens)} records {what}: {shown}")


def polygon_parts(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Polygons with an area out of anything that an overlay returns."""
    return [p for p in simple_parts(geometry) if p.geom_type == "Polygon" and p.area > 0]


def simple_parts(geometry: shapely.Geometry) -> Iterable[shapely.Geometry]:
    """Points, lines and polygons of a geometry, however nested."""
    for part in shapely.get_parts(geometry).tolist():
        yield from simple_parts(part) if hasattr(part, "geoms") else (part,)


def _number(record: dict[str, Any], field: str) -> float:
    value = record.get(field)
    return float(value) if isinstance(value, int | float) else math.nan


def geometry_array(geometries: Sequence[Any]) -> Geometries:
    """An array of geometries; of none as well."""
    array = np.empty(len(geometries), np.object_)
    array[:] = geometries
    return array
