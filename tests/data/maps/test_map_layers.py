"""Raster layers against point-in-polygon tests, cell by cell."""

import math
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from mim4d.data.maps.map_layers import bounds_of_grid, rasterise
from mim4d.data.maps.map_names import MAP_LAYERS, POLYGON_LAYERS
from mim4d.data.maps.map_patch import MapPatch
from mim4d.data.maps.vector_map import VectorMap, centred
from mim4d.geometry.voxel_grid import VoxelGrid
from tests.data.maps.test_vector_map import CAR, pose
from tests.data.tiny_map import MapBuilder, rectangle, tiny_map


def slow_twin(patch: MapPatch, shape_yx: tuple[int, int], width_m: float) -> torch.Tensor:
    """Ask shapely for every cell centre and every geometry."""
    x_min, y_min, x_max, y_max = patch.bounds_m
    rows, columns = shape_yx
    x = x_min + (np.arange(columns) + 0.5) * (x_max - x_min) / columns
    y = y_min + (np.arange(rows) + 0.5) * (y_max - y_min) / rows
    x, y = np.meshgrid(x, y)
    layers = []
    for name in MAP_LAYERS:
        cells = np.zeros(shape_yx, bool)
        for geometry in patch.geometries[name]:
            if name in POLYGON_LAYERS:
                cells |= shapely.contains_xy(geometry, x, y)
            else:
                area = shapely.buffer(geometry, width_m / 2, cap_style="flat")
                cells |= shapely.contains_xy(area, x, y)
        layers.append(cells)
    return torch.from_numpy(np.stack(layers))


@pytest.mark.parametrize("yaw", [0.37, 1.9, -2.6])
def test_cells_are_those_whose_centre_is_inside(tmp_path: Path, yaw: float) -> None:
    made = tiny_map()
    generator = np.random.default_rng(3)
    for _ in range(6):  # stars of any shape, some over others
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        radii = generator.uniform(2, 9, 12)
        centre = generator.uniform((990, 1990), (1010, 2010))
        made.area(
            "walkway", (centre + radii[:, None] * np.c_[np.cos(angles), np.sin(angles)]).tolist()
        )
    made.write(tmp_path, "nowhere")
    at = pose(1001.3, 2002.9, yaw)
    patch = VectorMap.open(tmp_path, "nowhere").patch(at, (-21, -10, 30, 15))
    cells = rasterise(patch, (71, 133), line_width_m=0.8)
    expected = slow_twin(patch, (71, 133), 0.8)
    assert cells.shape == (len(MAP_LAYERS), 71, 133)
    torch.testing.assert_close(cells, expected)
    assert cells.any(dim=(1, 2)).all()
    assert not cells.all(dim=(1, 2)).any()


def test_cells_counted_by_hand(tmp_path: Path) -> None:
    # One metre a cell, ref = global: a square of 2 m × 3 m with its corner at (1, -1).
    made = MapBuilder()
    made.area("walkway", rectangle(1, -1, 3, 2))
    made.divider("lane_divider", [(-4, 0.5), (4, 0.5)])
    made.write(tmp_path, "square")
    patch = VectorMap.open(tmp_path, "square").patch(pose(0, 0, 0), centred(8, 4))
    walkway, divider = rasterise(patch, (4, 8), ("walkway", "lane_divider"), line_width_m=1.0)
    assert walkway.nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (5, 6)]
    assert divider.nonzero().tolist() == [[2, x] for x in range(8)]


def test_the_grid_of_a_volume(tmp_path: Path) -> None:
    tiny_map().write(tmp_path, "nowhere")
    grid = VoxelGrid((-20.0, -16.0, -1.0), (20.0, 16.0, 3.0), (20, 16, 2))
    patch = VectorMap.open(tmp_path, "nowhere").patch(CAR, centred(60, 40))
    (drivable,) = rasterise(
        patch.within(bounds_of_grid(grid)), grid.shape_zyx[1:], ("drivable_area",)
    )
    # The road reaches from y = −6 to y = 10 m; the island hides one cell of 2 m in two.
    centres = grid.centres_ego[0]
    inside = (centres[..., 1] > -6) & (centres[..., 1] < 10)
    island = (centres[..., 0] > 10) & (centres[..., 0] < 14) & (centres[..., 1] == -5 + 2 / 2)
    assert (drivable == (inside & ~island)).float().mean() > 0.99
    assert drivable.sum() == pytest.approx(inside.sum(), abs=4)


def test_senseless_sizes_are_refused(tmp_path: Path) -> None:
    tiny_map().write(tmp_path, "nowhere")
    patch = VectorMap.open(tmp_path, "nowhere").patch(CAR, centred(60, 40))
    assert rasterise(patch, (3, 4), ()).shape == (0, 3, 4)
    for shape, width in (((0, 4), 0.5), ((4, 4), 0.0), ((4, 4), math.nan)):
        with pytest.raises(ValueError, match="at least one cell"):
            rasterise(patch, shape, line_width_m=width)
