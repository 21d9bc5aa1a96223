"""The vector map around the car, in `ref`: lines and polygons by layer, clipped to a rectangle.

A patch knows more than its rectangle shows, so that it can be turned, scaled, mirrored or moved
(`transformed`, for augmentation seen from above) and is clipped only when asked for its content.
The map is flat: x and y of `ref`, metres, on the plane z = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import shapely
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.maps.map_file import Geometries, polygon_parts, simple_parts
from mim4d.data.maps.map_names import POLYGON_LAYERS, MapLayer

Length = int | float
Bounds = tuple[Length, Length, Length, Length]
"""Least x, least y, greatest x, greatest y; metres in `ref`."""

_TOLERANCE_M = 1e-6
_SAME_POINT_M = 1e-3


@dataclass(frozen=True)
class MapPatch:
    """Map elements around one pose.

    Attributes:
        bounds_m: The rectangle that lines, polygons and rasters are clipped to.
        known: The area of `ref` in which the map has been read; it covers the rectangle.
        geometries: Everything in that area by layer: lines of `LINE_LAYERS`, polygons of
            `POLYGON_LAYERS`.

    Raises:
        ValueError: If the rectangle has no area or reaches beyond the known area.
    """

    bounds_m: Bounds
    known: shapely.Polygon
    geometries: Mapping[MapLayer, Geometries]

    def __post_init__(self) -> None:
        self._require_known(self.bounds_m)

    def _require_known(self, bounds_m: Bounds) -> None:
        x_min, y_min, x_max, y_max = bounds_m
        if not (x_min < x_max and y_min < y_max):
            raise ValueError(f"map bounds are {bounds_m}; expected x_min, y_min < x_max, y_max")
        if not self.known.buffer(_TOLERANCE_M).covers(shapely.box(*bounds_m)):
            reach = ", ".join(f"{number:.1f}" for number in self.known.bounds)
            raise ValueError(
                f"map bounds are {bounds_m} m, but the map was read only inside {reach} m (the "
                "box around it); read it with a larger range or reach"
            )

    def within(self, bounds_m: Bounds) -> "MapPatch":
        """The same map seen through another rectangle.

        Raises:
            ValueError: If the rectangle has no area or reaches beyond the known area.
        """
        return replace(self, bounds_m=bounds_m)

    def transformed(self, new_from_ref: Float[Tensor, "4 4"]) -> "MapPatch":
        """The map in a new `ref`, behind the same rectangle.

        Args:
            new_from_ref: A turn about z, a uniform scale, a mirror, a shift in x and y, or any
                product of these. What it does to z does not matter to a flat map.

        Raises:
            ValueError: If it is anything else, or if the rectangle then reaches beyond what is
                known.
        """
        matrix = new_from_ref.detach().cpu().double().numpy()
        linear, shift = matrix[:2, :2], matrix[:2, 3]
        product = linear @ linear.T
        scale = product[0, 0]
        mixes = np.abs([*matrix[:2, 2], *matrix[2, :2], *(matrix[3] - [0, 0, 0, 1])]).max()
        if not (scale > 0 and np.allclose(product, scale * np.eye(2), atol=1e-5 * scale)) or (
            not mixes < 1e-5
        ):
            raise ValueError(
                f"new_from_ref is {matrix.tolist()}; a map can be turned about z, scaled by one "
                "factor, mirrored and shifted, nothing else"
            )

        def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return points @ linear.T + shift

        moved = {name: shapely.transform(g, move) for name, g in self.geometries.items()}
        return MapPatch(self.bounds_m, shapely.transform(self.known, move), moved)

    def polylines(self, layer: MapLayer) -> tuple[Float[Tensor, "m 2"], ...]:
        """Lines of a layer inside the rectangle; of a polygon layer, its outlines.

        A line that leaves the rectangle and comes back gives several. The rectangle's own edge is
        never part of an outline. An outline that lies wholly inside ends at its first point;
        otherwise no two neighbouring points are the same.
        """
        geometries = self.geometries[layer]
        if layer in POLYGON_LAYERS:
            geometries = shapely.boundary(geometries)
        clipped = shapely.intersection(geometries, shapely.box(*self.bounds_m))
        lines = [line for geometry in clipped.tolist() for line in line_parts(geometry)]
        lines = shapely.remove_repeated_points(lines, _SAME_POINT_M)
        return tuple(torch.from_numpy(shapely.get_coordinates(line)).float() for line in lines)

    def polygons(self, layer: MapLayer) -> tuple[shapely.Polygon, ...]:
        """Polygons of a layer, cut at the rectangle's edge.

        Raises:
            ValueError: If it is a layer of lines.
        """
        if layer not in POLYGON_LAYERS:
            raise ValueError(f"{layer!r} is no layer of polygons: {', '.join(POLYGON_LAYERS)}")
        clipped = shapely.intersection(self.geometries[layer], shapely.box(*self.bounds_m))
        return tuple(part for geometry in clipped.tolist() for part in polygon_parts(geometry))


def line_parts(geometry: shapely.Geometry) -> list[shapely.Geometry]:
    """Lines with a length out of anything an overlay returns; pieces that go on are joined.

    An overlay cuts a ring where it begins; joining keeps the direction of the pieces.
    """
    lines = [part for part in simple_parts(geometry) if part.length > 0]
    if len(lines) < 2:
        return lines
    joined = shapely.line_merge(shapely.MultiLineString(lines), directed=True)
    return list(simple_parts(joined))
