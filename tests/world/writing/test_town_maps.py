"""Whole towns: the vector map and the raster of a few scenes, written scene by scene and joined."""

import json

import numpy as np
import pytest
import shapely
from PIL import Image

from mim4d.world.scene.layout import Layout, sample_layout
from mim4d.world.scene.town import canvas_m, placement
from mim4d.world.streets.network import sample_plan
from mim4d.world.writing.map_raster import PIXELS_PER_M
from mim4d.world.writing.map_tables import SceneMap, scene_map
from mim4d.world.writing.town_maps import write_scene_parts, write_town_maps
from tests.world.make import TOWN_S, town_places

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def places():
    return town_places()


@pytest.fixture(scope="module")
def layouts(town_layouts):
    return town_layouts


@pytest.fixture(scope="module")
def town(places, layouts, tmp_path_factory):
    """The folder of maps, and what each scene drew into it."""
    root = tmp_path_factory.mktemp("town")
    parts = [root / str(i) for i in range(len(places))]
    for i, (place, layout, part) in enumerate(zip(places, layouts, parts, strict=True)):
        part.mkdir()
        write_scene_parts(layout, place, ("w", f"s{i}"), part)
    towns = write_town_maps(places, parts, root / "maps")
    assert towns == {"boston-seaport": [0, 1, 2], "singapore-hollandvillage": [3]}
    return root / "maps"


def drawn(layout: Layout, number: int) -> SceneMap:
    return scene_map(layout.plan, layout.global_offset, ("w", f"s{number}"))


def test_scenes_lie_in_their_cells(places, layouts):
    for number, (place, layout) in enumerate(zip(places, layouts, strict=True)):
        bounds = np.array(drawn(layout, number).surface.bounds).reshape(2, 2)
        assert (bounds >= place.origin_m).all()
        assert (bounds <= np.array(place.origin_m) + place.size_m).all()


def test_raster_shows_the_roads_and_sidewalks(town, places, layouts):
    with Image.open(town / "boston-seaport.png") as image:
        raster = np.asarray(image)
    width, height = canvas_m(places[:3])
    assert raster.shape == (round(height * PIXELS_PER_M), round(width * PIXELS_PER_M))
    assert set(np.unique(raster)) == {0, 255}
    rng = np.random.default_rng(0)
    surface = shapely.union_all([drawn(x, i).surface for i, x in enumerate(layouts[:3])])
    points = rng.uniform((0.0, 0.0), (width, height), (20000, 2))
    at = shapely.points(points)
    clear = shapely.distance(surface.boundary, at) > 0.15
    column, row = (points * PIXELS_PER_M).astype(int).T
    value = raster[raster.shape[0] - 1 - row, column]
    np.testing.assert_array_equal((value == 255)[clear], shapely.contains(surface, at)[clear])


def test_vector_map_holds_all_scenes(town, layouts):
    whole = json.loads((town / "expansion" / "boston-seaport.json").read_text())
    tokens = [row["token"] for row in whole["lane"]]
    alone = [drawn(x, i).lists["lane"] for i, x in enumerate(layouts[:3])]
    assert tokens == [row["token"] for rows in alone for row in rows]
    xs, ys = (np.array([node[axis] for node in whole["node"]]) for axis in "xy")
    assert min(xs.min(), ys.min()) > 0.0
    assert xs.max() < whole["canvas_edge"][0]
    assert ys.max() < whole["canvas_edge"][1]


def test_a_place_moves_a_scene_and_changes_nothing_in_it(layouts, places):
    seeds = np.random.SeedSequence((1, 9, 1))
    moved = sample_layout(seeds, TOWN_S, placement("train", 77, TOWN_S))
    np.testing.assert_array_equal(moved.ground.look, layouts[1].ground.look)
    np.testing.assert_array_equal(moved.ground.pieces, layouts[1].ground.pieces)
    assert not np.allclose(moved.global_offset, layouts[1].global_offset)


@pytest.mark.parametrize("duration_s", [0.0, 3.5, 20.0])
def test_any_plan_fits_into_a_cell(duration_s):
    for seed in range(12):
        plan = sample_plan(np.random.default_rng(seed), max(12.0 * duration_s, 5.0))
        place = placement("val", seed, duration_s)
        place.offset_m(*plan.extent_m)
