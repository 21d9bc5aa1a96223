"""The map around a pose: places worked out by hand, and what the cache keeps."""

import logging
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor

from mim4d.data.maps.map_patch import MapPatch
from mim4d.data.maps.vector_map import VectorMap, centred
from tests.data.tiny_map import MapBuilder, edit_map, rectangle, tiny_map

BOUNDS = centred(60, 30)


def pose(x: float, y: float, yaw: float) -> Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    cos, sin = math.cos(yaw), math.sin(yaw)
    matrix[:2, :2] = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    matrix[:2, 3] = torch.tensor([x, y], dtype=torch.float64)
    return matrix


CAR = pose(1000, 2000, math.pi / 2)
"""As in the tiny data set: x of ref is global y − 2000, y of ref is 1000 − global x."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tiny_map().write(tmp_path, "nowhere")


@pytest.fixture
def patch(path: Path, tmp_path: Path) -> MapPatch:
    return VectorMap.open(tmp_path, "nowhere").patch(CAR, BOUNDS)


def line(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float32)


def same_area(found: shapely.Polygon, expected: shapely.Polygon) -> bool:
    return bool(found.symmetric_difference(expected).area < 1e-6)


def assert_lines(found: tuple[Tensor, ...], *expected: Tensor) -> None:
    assert len(found) == len(expected), found
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_dividers_are_cut_one_line_each_in_their_own_direction(patch: MapPatch) -> None:
    assert_lines(patch.polylines("lane_divider"), line((-30, 3), (30, 3)), line((-30, -3), (9, -3)))
    assert_lines(patch.polylines("road_divider"), line((30, 0), (-30, 0)))


def test_lane_centres_follow_the_arcs(patch: MapPatch) -> None:
    straight, turn = patch.polylines("lane_centre")
    torch.testing.assert_close(straight, line((-30, -1.5), (30, -1.5)), atol=1e-4, rtol=0)
    torch.testing.assert_close(turn[0], torch.tensor([0.0, -1.5]), atol=1e-4, rtol=0)
    torch.testing.assert_close(turn[-1], torch.tensor([5.0, 3.5]), atol=1e-4, rtol=0)


def test_crossings_that_touch_are_one(patch: MapPatch) -> None:
    (crossing,) = patch.polygons("ped_crossing")
    assert same_area(crossing, shapely.box(5, -6, 8, 6))
    (outline,) = patch.polylines("ped_crossing")
    torch.testing.assert_close(outline[0], outline[-1])


def test_the_boundary_is_that_of_roads_and_lanes_together(patch: MapPatch) -> None:
    # Segments meet in the island, lanes run through both: kerbs left and right, and the island.
    lines = patch.polylines("road_boundary")
    assert len(lines) == 3
    kerbs = [found for found in lines if found[:, 1].std() < 1e-4]
    assert sorted(round(kerb[0, 1].item()) for kerb in kerbs) == [-6, 6]
    assert all(sorted(kerb[[0, -1], 0].tolist()) == [-30, 30] for kerb in kerbs)
    (island,) = (found for found in lines if found[:, 1].std() > 0.1)
    assert same_area(shapely.Polygon(island.numpy()), shapely.box(10, -5, 14, -3))


def test_slivers_between_pieces_of_road_are_no_boundary(tmp_path: Path) -> None:
    made = MapBuilder()
    made.area("road_segment", rectangle(-20, -4, 4.999, 4))
    made.area("road_segment", [(5, -4), (20, -4), (20, 4), (5.002, 4)])
    made.area("lane", rectangle(20.5, -4, 40, 4))  # half a metre is a gap
    made.write(tmp_path, "pieces")
    patch = VectorMap.open(tmp_path, "pieces").patch(pose(0, 0, 0), BOUNDS)
    around = sorted(patch.polylines("road_boundary"), key=len)
    assert len(around) == 2
    assert same_area(shapely.Polygon(around[1].numpy()), shapely.box(-20, -4, 20, 4))
    assert around[0][:, 0].min().item() == 20.5


def test_areas_are_cut_at_the_range_and_keep_their_holes(patch: MapPatch) -> None:
    (drivable,) = patch.polygons("drivable_area")
    assert same_area(drivable, shapely.box(-30, -6, 30, 10) - shapely.box(10, -5, 14, -3))
    assert same_area(patch.polygons("walkway")[0], shapely.box(-30, -9, 30, -6))
    # The cut itself is no outline.
    assert sum(len(found) for found in patch.polylines("walkway")) == 4
    with pytest.raises(ValueError, match="'lane_divider' is no layer of polygons"):
        patch.polygons("lane_divider")


def test_any_rectangle(path: Path, tmp_path: Path) -> None:
    patch = VectorMap.open(tmp_path, "nowhere").patch(CAR, (2, -7, 12, 1))
    assert_lines(patch.polylines("road_divider"), line((12, 0), (2, 0)))
    assert_lines(patch.polylines("lane_divider"), line((2, -3), (9, -3)))
    (stop_line,) = patch.within((-5, -5, 5, 5)).polygons("stop_line")
    assert same_area(stop_line, shapely.box(3, -5, 4, 0))
    with pytest.raises(ValueError, match="read only inside"):
        patch.within((-100, -5, 5, 5))
    with pytest.raises(ValueError, match="expected x_min, y_min < x_max"):
        patch.within((5, -5, -5, 5))


def test_only_the_heading_of_the_pose_counts(path: Path, tmp_path: Path, patch: MapPatch) -> None:
    pitch = torch.eye(4, dtype=torch.float64)
    cos, sin = math.cos(0.1), math.sin(0.1)
    pitch[0, 0], pitch[0, 2], pitch[2, 0], pitch[2, 2] = cos, sin, -sin, cos
    pitched = VectorMap.open(tmp_path, "nowhere").patch(CAR @ pitch, BOUNDS)
    assert_lines(pitched.polylines("stop_line"), *patch.polylines("stop_line"))


def test_nothing_is_near(path: Path, tmp_path: Path) -> None:
    patch = VectorMap.open(tmp_path, "nowhere").patch(pose(0, 0, 0), BOUNDS)
    assert all(len(found) == 0 for found in patch.geometries.values())
    assert patch.polylines("road_boundary") == patch.polygons("drivable_area") == ()


def test_a_map_with_empty_layers(tmp_path: Path) -> None:
    made = MapBuilder()
    made.area("walkway", rectangle(0, 0, 1, 1))
    made.write(tmp_path, "empty")
    for _ in range(2):  # from the file, then from the cache
        patch = VectorMap.open(tmp_path, "empty").patch(pose(0, 0, 0), BOUNDS)
        assert len(patch.polygons("walkway")) == 1
        assert patch.polylines("lane_centre") == ()


def test_the_second_opening_reads_the_cache(
    path: Path, tmp_path: Path, table_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = VectorMap.open(tmp_path, "nowhere")
    assert any(table_cache.rglob("columns.bin"))
    monkeypatch.setattr("mim4d.data.maps.vector_map.read_map_file", None)
    again = VectorMap.open(tmp_path, "nowhere")
    for table in ("lane_divider", "road_segment", "lane_centre"):
        pairs = zip(first.geometries(table), again.geometries(table), strict=True)
        assert all(shapely.equals_exact(a, b) for a, b in pairs)
    assert len(pickle.dumps(again)) < 2000  # a worker process opens it anew
    copy = pickle.loads(pickle.dumps(again)).patch(CAR, BOUNDS)
    assert len(copy.polylines("lane_divider")) == 2


def test_a_changed_file_is_read_anew(path: Path, tmp_path: Path) -> None:
    VectorMap.open(tmp_path, "nowhere")
    edit_map(path, lambda content: content["lane_divider"].pop())
    patch = VectorMap.open(tmp_path, "nowhere").patch(CAR, BOUNDS)
    assert len(patch.polylines("lane_divider")) == 1


def test_repairs_are_said_at_every_opening(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = tiny_map()
    made.area("lane", [(0, 0), (4, 4), (4, 0), (0, 4)])
    made.write(tmp_path, "nowhere")
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            VectorMap.open(tmp_path, "nowhere").patch(CAR, BOUNDS)
        assert len(caplog.records) == 1
        assert "lane-1" in caplog.text
        caplog.clear()


def similarity(yaw: float, scale: float = 1.0, mirror: bool = False) -> Tensor:
    matrix = pose(0, 0, yaw)
    matrix[:3, :3] *= scale
    if mirror:
        matrix[:2, 1] *= -1
    return matrix.float()


def test_a_turned_map_is_cut_after_the_turn(patch: MapPatch) -> None:
    # A quarter to the left: the road now runs along y, where only 15 m are seen each way.
    turned = patch.transformed(similarity(math.pi / 2))
    assert_lines(turned.polylines("road_divider"), line((0, 15), (0, -15)))
    assert_lines(
        turned.polylines("lane_divider"), line((-3, -15), (-3, 15)), line((3, -15), (3, 9))
    )
    # The crossing 5 to 8 m ahead is now 5 to 8 m to the left.
    (crossing,) = turned.polygons("ped_crossing")
    assert shapely.hausdorff_distance(crossing.boundary, shapely.box(-6, 5, 6, 8).boundary) < 1e-4


def test_a_smaller_map_shows_what_lay_outside(patch: MapPatch) -> None:
    smaller = patch.transformed(similarity(0.0, scale=0.8))
    assert_lines(smaller.polylines("road_divider"), line((30, 0), (-30, 0)))
    with pytest.raises(ValueError, match="read it with a larger range or reach"):
        patch.transformed(similarity(0.3, scale=0.5))


def test_a_mirrored_map(patch: MapPatch) -> None:
    mirrored = patch.transformed(similarity(0.0, mirror=True))
    assert_lines(
        mirrored.polylines("lane_divider"), line((-30, -3), (30, -3)), line((-30, 3), (9, 3))
    )


def test_transforms_follow_each_other(patch: MapPatch) -> None:
    first, second = similarity(0.4, 0.9, mirror=True), similarity(-1.1, 1.05)
    one = patch.transformed(first).transformed(second)
    both = patch.transformed(second @ first)
    for layer in ("road_boundary", "ped_crossing", "lane_centre"):
        assert_lines(one.polylines(layer), *both.polylines(layer))


@pytest.mark.parametrize("fault", ["shear", "tilt", "zero"])
def test_other_transforms_are_refused(patch: MapPatch, fault: str) -> None:
    matrix = torch.eye(4)
    if fault == "shear":
        matrix[0, 1] = 0.2
    if fault == "tilt":
        matrix[0, 2] = 0.2
    if fault == "zero":
        matrix[:2, :2] = 0
    with pytest.raises(ValueError, match="a map can be turned about z"):
        patch.transformed(matrix)


def test_a_reach_below_one_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"reach is 0\.5"):
        VectorMap.open(tmp_path, "nowhere").patch(CAR, BOUNDS, reach=0.5)


def test_vertices_are_where_the_pose_puts_them(path: Path, tmp_path: Path) -> None:
    """The law: a global point taken into ref by the inverse pose is the patch's point."""
    generator = np.random.default_rng(0)
    for _ in range(5):
        x, y, yaw = 1000 + generator.normal(), 2006 + generator.normal(), generator.uniform(-3, 3)
        at = pose(x, y, yaw)
        (crossing,) = VectorMap.open(tmp_path, "nowhere").patch(at, BOUNDS).polygons("ped_crossing")
        corners = torch.tensor([*rectangle(994, 2005, 1006, 2008)], dtype=torch.float64)
        ones = torch.ones(4, 2, dtype=torch.float64)
        expected = (torch.cat([corners, 0 * ones[:, :1], ones[:, :1]], 1) @ at.inverse().T)[:, :2]
        assert same_area(crossing, shapely.Polygon(expected))
