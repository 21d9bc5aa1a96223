"""Map layers as pictures from above: which cells of a grid lie on the road, on a divider, ...

Enters: a `MapPatch` in `ref`. Leaves: booleans `l y x`, a cell where its centre (corner plus half a
cell) is inside a polygon of the layer, or within half a line's width of a line.
"""

import math
from collections.abc import Sequence

import numpy as np
import shapely
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.maps.map_names import MAP_LAYERS, POLYGON_LAYERS, MapLayer
from mim4d.data.maps.map_patch import Bounds, MapPatch
from mim4d.geometry.voxel_grid import VoxelGrid

LINE_WIDTH_M = 0.5


def bounds_of_grid(grid: VoxelGrid) -> Bounds:
    """The rectangle of `ref` that a grid covers, seen from above."""
    return (*grid.lower_m[:2], *grid.upper_m[:2])


def rasterise(
    patch: MapPatch,
    shape_yx: tuple[int, int],
    layers: Sequence[MapLayer] = MAP_LAYERS,
    line_width_m: float = LINE_WIDTH_M,
) -> Bool[Tensor, "l y x"]:
    """Layers of a patch on a grid that fills its rectangle.

    For another rectangle: `rasterise(patch.within(bounds_of_grid(grid)), grid.shape_zyx[1:])`.

    Args:
        patch: The map.
        shape_yx: Cells along y and along x of `ref`.
        layers: Which layers, in the order of the result.
        line_width_m: How wide lines are drawn.

    Raises:
        ValueError: If the shape or the width is not positive.
    """
    if min(shape_yx) < 1 or not 0 < line_width_m < math.inf:
        raise ValueError(
            f"shape_yx is {shape_yx}, line_width_m {line_width_m}; expected at least one cell a "
            "side and a positive width"
        )
    return torch.from_numpy(
        np.stack([_fill(_areas(patch, name, line_width_m), patch, shape_yx) for name in layers])
        if layers
        else np.zeros((0, *shape_yx), np.bool_)
    )


def _areas(patch: MapPatch, layer: MapLayer, line_width_m: float) -> shapely.Geometry:
    """What a layer covers, without overlaps."""
    geometries = patch.geometries[layer]
    if layer not in POLYGON_LAYERS:
        geometries = shapely.buffer(geometries, line_width_m / 2, cap_style="flat")
    return shapely.union_all(geometries)


def _fill(area: shapely.Geometry, patch: MapPatch, shape_yx: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells whose centres are inside, by the even-odd rule along each row of centres.

    Every edge of a ring is crossed by the rows between its ends; a crossing flips all cells whose
    centre lies to its right. Holes flip back.
    """
    start, end = _edges(area)
    x_min, y_min, x_max, y_max = patch.bounds_m
    rows, columns = shape_yx
    # In cells, with centres on whole numbers.
    scale = np.array([columns / (x_max - x_min), rows / (y_max - y_min)])
    start, end = ((points - (x_min, y_min)) * scale - 0.5 for points in (start, end))
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low), 0, rows).astype(np.int64)
    past = np.clip(np.ceil(high), 0, rows).astype(np.int64)
    edge = np.repeat(np.arange(len(start)), past - first)
    # 0, 1, 2, ... along each edge's own rows.
    step = np.arange(len(edge)) - np.repeat(np.cumsum(past - first) - (past - first), past - first)
    row = first[edge] + step
    share = (row - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + share * (end[edge, 0] - start[edge, 0])
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    flips = np.bincount(row * (columns + 1) + column, minlength=rows * (columns + 1))
    return np.cumsum(flips.reshape(rows, columns + 1), axis=1)[:, :columns] % 2 == 1


def _edges(area: shapely.Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and end `e 2` of every edge of every ring."""
    rings = shapely.get_rings(shapely.get_parts(area))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return points[:-1][same], points[1:][same]
