"""The vector map against what the ground's kernels paint, and against the official schema."""

import json
import math

import numpy as np
import pytest
import shapely
from shapely import Polygon

from mim4d.world.streets.ground import make_ground
from mim4d.world.streets.network import sample_plan
from mim4d.world.streets.outlines import mapped_span
from mim4d.world.streets.paint import painted
from mim4d.world.writing.map_tables import (
    LISTS,
    MAPPINGS,
    join_scene_maps,
    scene_map,
    write_scene_map,
)
from tests.reference.arclines import follow

pytestmark = pytest.mark.slow

OFFSET = np.array([400.0, 300.0])
SEEDS = range(8)
RIM_M = 0.03  # chords, nodes rounded to a millimetre


@pytest.fixture(scope="module")
def plans():
    return [sample_plan(np.random.default_rng(i), 60.0) for i in SEEDS]


@pytest.fixture(scope="module")
def maps(plans):
    return [scene_map(plan, OFFSET, ("world", f"scene-{i}")) for i, plan in enumerate(plans)]


class Reader:
    """The rows by token, and their shapes in world axes."""

    def __init__(self, drawn):
        self.rows = {t: {row["token"]: row for row in drawn.lists[t]} for t in LISTS}

    def points(self, nodes):
        xy = [(self.rows["node"][n]["x"], self.rows["node"][n]["y"]) for n in nodes]
        return np.array(xy) - OFFSET

    def polygon(self, token):
        row = self.rows["polygon"][token]
        holes = [self.points(hole["node_tokens"]) for hole in row["holes"]]
        return Polygon(self.points(row["exterior_node_tokens"]), holes)

    def layer(self, table):
        return [self.polygon(row["polygon_token"]) for row in self.rows[table].values()]

    def lines(self, table):
        rows = self.rows[table].values()
        return [self.points(self.rows["line"][r["line_token"]]["node_tokens"]) for r in rows]


def mapped(plan, points):
    """Points whose nearest road is on the map there, away from where it ends."""
    best, inside = np.full(len(points), np.inf), np.zeros(len(points), dtype=bool)
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        station, lateral = road.curve.project(points)
        low, high = mapped_span(road, span)
        begins = low == road.reach_m[0]
        past = station - high if begins else np.maximum(low - station, station - high)
        lateral = np.where(station < road.reach_m[0], np.inf, lateral)
        nearer = np.abs(lateral) < best
        best = np.where(nearer, np.abs(lateral), best)
        inside = np.where(nearer, past < -1.0, inside)
    return inside


def scattered(plan, rng):
    low, high = plan.extent_m
    pieces = [rng.uniform(low, high, (1500, 2))]
    for junction in plan.junctions:
        x, y, _ = plan.roads[junction.first].curve.poses(np.array([junction.first_m]))[0]
        pieces.append(rng.uniform(-28.0, 28.0, (1500, 2)) + np.array([x, y]))
    points = np.concatenate(pieces)
    return points[mapped(plan, points)]


def test_road_and_sidewalk_are_where_the_ground_has_them(plans, maps):
    rng = np.random.default_rng(0)
    for plan, drawn in zip(plans, maps, strict=True):
        reader = Reader(drawn)
        areas = reader.rows["drivable_area"].values()
        road = shapely.union_all(
            [reader.polygon(t) for row in areas for t in row["polygon_tokens"]]
        )
        walk = shapely.union_all(reader.layer("walkway"))
        points = scattered(plan, rng)
        beyond = make_ground(plan.roads, rng).beyond_kerb(points)
        for shape, inside in (
            (road, beyond[:, 0] < 0),
            (walk, (beyond[:, 0] > 0) & (beyond[:, 0] < beyond[:, 1])),
        ):
            at = shapely.points(points)
            clear = shapely.distance(shape.boundary, at) > RIM_M
            assert inside.any()
            np.testing.assert_array_equal(shapely.contains(shape, at)[clear], inside[clear])


def paint_at(plan, table, points, index):
    road = plan.roads[index]
    station, lateral = road.curve.project(points)
    row = table.roads
    both = [painted(row, index, s, y, 0.01) for s, y in zip(station, lateral, strict=True)]
    return np.array(both).max(axis=1), station


def nearest_road(plan, points):
    laterals = [np.abs(road.curve.project(points)[1]).mean() for road in plan.roads]
    return int(np.argmin(laterals))


def test_dividers_lie_on_painted_lines(plans, maps):
    checked = 0
    for plan, drawn in zip(plans, maps, strict=True):
        table, reader = make_ground(plan.roads, np.random.default_rng(0)), Reader(drawn)
        for layer in ("lane_divider", "road_divider"):
            for line in reader.lines(layer):
                path = shapely.LineString(line)
                along = shapely.line_interpolate_point(path, np.arange(0.3, path.length - 0.3, 0.2))
                points = shapely.get_coordinates(along)
                if not len(points):
                    continue
                index = nearest_road(plan, points)
                road = plan.roads[index]
                if layer == "road_divider" and road.centre_style in (1, 5):
                    points = points + 0.14 * normals(road, points)
                cover, station = paint_at(plan, table, points, index)
                dashed = road.centre_style in (0, 2) if layer[0] == "r" else not road.lane_style
                phase = np.abs(station - 9.0 * np.round(station / 9.0))
                wanted = phase < 1.7 if dashed else np.ones(len(points), dtype=bool)
                assert (cover[wanted] > 0.99).all()
                checked += int(wanted.sum())
    assert checked > 1000


def normals(road, points):
    yaw = road.curve.poses(road.curve.project(points)[0])[:, 2]
    return np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1)


def test_crossings_and_stop_lines_lie_on_paint(plans, maps):
    """Half of a crossing is stripes; a stop line is all paint."""
    rng, seen = np.random.default_rng(0), 0
    for plan, drawn in zip(plans, maps, strict=True):
        table, reader = make_ground(plan.roads, rng), Reader(drawn)
        for layer, share in (("ped_crossing", 0.5), ("stop_line", 1.0)):
            for shape in reader.layer(layer):
                low_x, low_y, high_x, high_y = shape.bounds
                points = rng.uniform((low_x, low_y), (high_x, high_y), (4000, 2))
                points = points[shapely.contains_xy(shape.buffer(-0.03), *points.T)]
                cover, _ = paint_at(plan, table, points, nearest_road(plan, points))
                assert cover.mean() == pytest.approx(share, abs=0.12 if share < 1 else 1e-6)
                seen += 1
    assert seen > 12


def test_lanes_and_connectors_lie_on_the_road_and_meet(plans, maps):
    for drawn in maps:
        reader = Reader(drawn)
        areas = reader.rows["drivable_area"].values()
        road = shapely.union_all(
            [reader.polygon(t) for row in areas for t in row["polygon_tokens"]]
        )
        arcs = drawn.mappings["arcline_path_3"]
        assert set(arcs) == set(reader.rows["lane"]) | set(reader.rows["lane_connector"])
        for shape in reader.layer("lane"):
            assert shape.is_valid
            assert road.buffer(RIM_M).contains(shape)
        for own, links in drawn.mappings["connectivity"].items():
            end = arcs[own][-1]["end_pose"]
            for after in links["outgoing"]:
                start = arcs[after][0]["start_pose"]
                assert math.dist(start[:2], end[:2]) < 0.01
                assert abs(math.remainder(start[2] - end[2], 2 * math.pi)) < 1e-3
                assert own in drawn.mappings["connectivity"][after]["incoming"]
        for own, paths in arcs.items():
            for path in paths:
                np.testing.assert_allclose(follow(path)[-1][:2], path["end_pose"][:2], atol=2e-3)
            table = "lane" if own in reader.rows["lane"] else "lane_connector"
            shape = reader.polygon(reader.rows[table][own]["polygon_token"])
            middle = follow(paths[len(paths) // 2])
            assert shape.contains(shapely.Point(np.array(middle[len(middle) // 2][:2]) - OFFSET))


def test_a_lane_has_its_left_line_on_its_left(maps):
    for drawn in maps[:4]:
        reader = Reader(drawn)
        for own, row in reader.rows["lane"].items():
            x, y, yaw = drawn.mappings["arcline_path_3"][own][0]["start_pose"]
            for name, sign in (("left", 1.0), ("right", -1.0)):
                node = row[f"{name}_lane_divider_segments"][0]["node_token"]
                px, py = reader.points([node])[0] + OFFSET
                assert sign * ((py - y) * math.cos(yaw) - (px - x) * math.sin(yaw)) > 1.4
            edge = reader.rows["line"][row["from_edge_line_token"]]["node_tokens"]
            middle = reader.points(edge).mean(axis=0) + OFFSET
            assert math.dist(middle, (x, y)) < 0.01


def test_every_token_exists_and_is_used_once(maps):
    tokens = [row["token"] for drawn in maps for t in LISTS for row in drawn.lists[t]]
    assert len(set(tokens)) == len(tokens)
    for drawn in maps:
        reader = Reader(drawn)
        for table in LISTS:
            for row in drawn.lists[table]:
                for key, value in row.items():
                    if key.endswith("_token"):
                        name = key.removesuffix("_token").removeprefix("from_edge_")
                        assert value in reader.rows[name.removeprefix("to_edge_")]
                    elif key.endswith("_tokens"):
                        kind = "node" if "node" in key else key.removesuffix("_tokens")
                        assert all(v in reader.rows[kind] for v in value)


def test_joined_scenes_are_one_valid_file(maps, tmp_path):
    folders = []
    for i, drawn in enumerate(maps[:3]):
        folders.append(tmp_path / str(i))
        folders[-1].mkdir()
        write_scene_map(drawn, folders[-1])
    path = tmp_path / "town.json"
    join_scene_maps(folders, (900.0, 600.0), path)
    whole = json.loads(path.read_text())
    assert whole["version"] == "1.3"
    assert whole["canvas_edge"] == [900.0, 600.0]
    for table in LISTS:
        assert whole[table] == [row for drawn in maps[:3] for row in drawn.lists[table]]
    for table in MAPPINGS:
        assert len(whole[table]) == sum(len(drawn.mappings[table]) for drawn in maps[:3])
