"""The vector map of a location: opened once, looked up around a pose.

`VectorMap.open(root, location)` reads `maps/expansion/<location>.json` (of the nuScenes map
expansion, or the map archive of an Argoverse 2 log under that name), and keeps the geometries as
memory-mapped arrays in the cache that the tables use, so that later openings and worker processes
never parse the large file again. A layer's geometries and their search tree are built when it is
first asked for. Coordinates are `global`, metres; patches leave in `ref`.
"""

import logging
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64
from torch import Tensor

from mim4d.data.maps.argoverse_map import argoverse_map, is_argoverse_map
from mim4d.data.maps.map_file import (
    CENTRES,
    LINE_TABLES,
    Geometries,
    MapFile,
    geometry_array,
    polygon_parts,
    read_json,
    read_map_file,
)
from mim4d.data.maps.map_names import LINE_LAYERS, POLYGON_LAYERS, MapLayer
from mim4d.data.maps.map_patch import Bounds, Length, MapPatch, line_parts
from mim4d.data.tables.column_cache import (
    content_key,
    default_cache_dir,
    load_columns,
    save_columns,
)
from mim4d.data.tables.columns import Columns
from mim4d.errors import MachineError

REACH = 1.5
"""A patch is read this much further than the corners of its rectangle are away: room to be turned,
and made smaller by as much."""

_LOGGER = logging.getLogger(__name__)
_FORMAT = "maps-1"
_JOINED = ("drivable_area", "ped_crossing")
_ROAD = ("road_segment", "lane")
_SPARE_M = 1.0
_SLIVER_M = 0.1
"""Gaps between neighbouring pieces of road that are narrower are closed."""


def map_file(root: Path | str, location: str) -> Path:
    """Where a data set has the map of a location."""
    return Path(root) / "maps" / "expansion" / f"{location}.json"


def centred(length_m: Length, width_m: Length) -> Bounds:
    """A rectangle around the car: so long along x, so wide along y."""
    return (-length_m / 2, -width_m / 2, length_m / 2, width_m / 2)


class VectorMap:
    """Lines and polygons of one location. Make one with `open`.

    Args:
        path: The file they come from.
        columns: Coordinates and offsets by table.
        cache_dir: As given to `open`.
    """

    def __init__(self, path: Path, columns: dict[str, Columns], cache_dir: Path | None) -> None:
        self.path = path
        self._columns = columns
        self._cache_dir = cache_dir
        self._trees: dict[str, shapely.STRtree] = {}

    @classmethod
    def open(cls, root: Path | str, location: str, cache_dir: Path | None = None) -> "VectorMap":
        """Open the map of a location, from the cache if it has it.

        Args:
            root: Folder of the data set.
            location: As the table `log` names it.
            cache_dir: Where to keep the geometries (see `NuscenesTables.open`).

        Raises:
            DataError: If the file is missing or not valid (see `read_map_file`).
        """
        return cls._open(map_file(root, location), cache_dir)

    @classmethod
    def _open(cls, path: Path, cache_dir: Path | None) -> "VectorMap":
        key = content_key([path] if path.is_file() else [])
        cache = (cache_dir or default_cache_dir()) / _FORMAT / key
        columns = load_columns(cache)
        if columns is None:
            columns = _to_columns(_read(path))
            with suppress(MachineError):  # no fault of the map, and memory serves as well
                save_columns(cache, columns)
        for remark in columns["remarks"]["text"].tolist():
            _LOGGER.warning("%s", remark.decode())
        return cls(path, columns, cache_dir)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process maps the cache itself; pickling a map would copy all that it holds.
        return VectorMap._open, (self.path, self._cache_dir)

    def geometries(self, table: str) -> Geometries:
        """Every line or polygon of a table of the file (`lane_centre`: one line for every lane)."""
        return np.asarray(self._tree(table).geometries)

    def _tree(self, table: str) -> shapely.STRtree:
        if table not in self._trees:
            self._trees[table] = shapely.STRtree(_from_columns(table, self._columns[table]))
        return self._trees[table]

    def patch(
        self,
        global_from_ref: Float64[Tensor, "4 4"],
        bounds_m: Bounds,
        reach: float = REACH,
    ) -> MapPatch:
        """The map around a pose, in `ref`.

        Args:
            global_from_ref: The pose; the map is flat, so that of its rotation only the heading
                counts.
            bounds_m: The rectangle of `ref` that the patch shows.
            reach: How far around the origin the map is read, as a multiple of the distance to the
                rectangle's farthest corner.

        Raises:
            ValueError: If the rectangle has no area or `reach` is below 1.
        """
        if not reach >= 1:
            raise ValueError(f"reach is {reach}; expected at least 1")
        matrix = global_from_ref.numpy()
        yaw, origin = math.atan2(matrix[1, 0], matrix[0, 0]), matrix[:2, 3]
        turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
        x_min, y_min, x_max, y_max = bounds_m
        side = reach * math.hypot(max(-x_min, x_max), max(-y_min, y_max))
        known_ref = shapely.box(-side, -side, side, side)
        known = shapely.transform(known_ref, lambda points: points @ turn.T + origin)
        layers: dict[MapLayer, Geometries] = {
            **{name: self._lines(name, known) for name in LINE_LAYERS},
            **{name: self._polygons(name, known) for name in POLYGON_LAYERS},
        }
        in_ref = {
            name: shapely.transform(found, lambda points: (points - origin) @ turn)
            for name, found in layers.items()
        }
        return MapPatch(bounds_m, known_ref, in_ref)

    def _near(self, table: str, area: shapely.Polygon) -> Geometries:
        """Geometries of a table, cut at the edge of an area."""
        tree = self._tree(table)
        rows = np.sort(tree.query(area, predicate="intersects"))
        return np.asarray(shapely.intersection(np.asarray(tree.geometries)[rows], area))

    def _lines(self, layer: str, known: shapely.Polygon) -> Geometries:
        found = self._boundary(known) if layer == "road_boundary" else self._near(layer, known)
        return geometry_array(
            [line for geometry in found.tolist() for line in line_parts(geometry)]
        )

    def _boundary(self, known: shapely.Polygon) -> Geometries:
        """Outer edge and holes of the union of road segments and lanes.

        Polygons are cut a little further out, so that this edge is none of the road's. Neighbours
        are drawn with rounded corners and leave slivers between them, which are no edge either.
        """
        wider = known.buffer(_SPARE_M, join_style="mitre")
        road = [polygon for table in _ROAD for polygon in self._near(table, wider).tolist()]
        joined = shapely.union_all(road).buffer(_SLIVER_M / 2, join_style="mitre")
        rings = [
            ring
            for polygon in polygon_parts(joined.buffer(-_SLIVER_M / 2, join_style="mitre"))
            for ring in (polygon.exterior, *polygon.interiors)
        ]
        return np.asarray(shapely.intersection(geometry_array(rings), known))

    def _polygons(self, layer: str, known: shapely.Polygon) -> Geometries:
        found = self._near(layer, known).tolist()
        if layer in _JOINED:
            found = [shapely.union_all(found)]
        return geometry_array([part for geometry in found for part in polygon_parts(geometry)])


def _read(path: Path) -> MapFile:
    """A file of the map expansion, or the map of an Argoverse 2 log in its place."""
    content = read_json(path)
    if is_argoverse_map(content):
        return argoverse_map(path, content)
    return read_map_file(path, content)


def _to_columns(content: MapFile) -> dict[str, Columns]:
    """Coordinates, and where each ring (or line) and each polygon begins."""
    columns: dict[str, Columns] = {}
    for table, geometries in content.geometries.items():
        if len(geometries):
            _, points, offsets = shapely.to_ragged_array(geometries, include_z=False)
        else:
            points, offsets = np.zeros((0, 2)), (np.zeros(1, np.int64),) * 2
        columns[table] = {"points": points}
        columns[table] |= {f"offsets_{i}": np.asarray(o, np.int64) for i, o in enumerate(offsets)}
    texts = [remark.encode() for remark in content.remarks]
    # An itemsize of 0 cannot be memory-mapped, so no remark is an empty column of one byte.
    columns["remarks"] = {"text": np.array(texts or [b"x"], np.bytes_)[: len(texts)]}
    return columns


def _from_columns(table: str, columns: Columns) -> Geometries:
    if len(columns["points"]) == 0:
        return geometry_array([])
    is_line = table in (*LINE_TABLES, CENTRES)
    kind = shapely.GeometryType.LINESTRING if is_line else shapely.GeometryType.POLYGON
    offsets = tuple(columns[f"offsets_{i}"] for i in range(1 if is_line else 2))
    return np.asarray(shapely.from_ragged_array(kind, np.asarray(columns["points"]), offsets))
