"""What the 3D view shows of a clip and of an answer, told by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
import torch

from mim4d.data.maps.map_file import Geometries
from mim4d.data.maps.map_names import MapLayer
from mim4d.data.maps.map_patch import MapPatch
from mim4d.evaluation.map_views import SeenLine
from mim4d.evaluation.scene_answers import Cells, Voxels
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.detection.detections import Detections
from mim4d.viz.bev_picture import LAYER_COLOURS
from mim4d.viz.viewer.answer_layers import answer_layers
from mim4d.viz.viewer.clip_layers import clip_layers
from mim4d.viz.viewer.layers import Cubes, Ground, Pictures, Points, Segments, by_height, level
from tests.viz.clips import FOCAL, HEIGHT, WIDTH, make_clip, without_image

BOX = torch.tensor([[10.0, 2.0, 1.0, 4.0, 2.0, 1.5, 0.0, 0.0, 0.0]])
GRID = VoxelGrid((0.0, 0.0, 0.0), (4.0, 3.0, 2.0), (4, 3, 2))


def test_a_clip_shows_what_it_has() -> None:
    assert set(clip_layers(make_clip([0.0]), 1)) == {"cameras"}
    points = torch.tensor([[5.0, 0.0, -0.5], [5.0, 0.0, 4.0]])
    layers = clip_layers(make_clip([0.0], points=points, boxes=BOX), 1)
    assert set(layers) == {"cameras", "LiDAR", "boxes"}
    lidar, boxes = layers["LiDAR"], layers["boxes"]
    assert isinstance(lidar, Points)
    assert (lidar.places_m == points.numpy()).all()
    assert lidar.colours[0, 2] > lidar.colours[0, 0]  # the road is blue, roofs are red
    assert lidar.colours[1, 0] > lidar.colours[1, 2]
    assert isinstance(boxes, Segments)
    assert boxes.ends_m.min(axis=(0, 1)) == pytest.approx([8.0, 1.0, 0.25])
    assert boxes.ends_m.max(axis=(0, 1)) == pytest.approx([12.0, 3.0, 1.75])


def test_cameras_without_image_are_left_out() -> None:
    cameras = clip_layers(without_image(make_clip([0.0, 90.0]), 1, 0), 1)["cameras"]
    assert isinstance(cameras, Pictures)
    assert cameras.names == ("CAM_1",)
    assert cameras.images[0].shape == (HEIGHT, WIDTH, 3)  # without padding
    assert cameras.vertical_rad[0] == pytest.approx(2 * math.atan(HEIGHT / 2 / FOCAL))
    assert cameras.poses[0, :3, 2] == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)  # looks left


def test_the_map_is_cut_to_its_rectangle() -> None:
    line = shapely.LineString([(-50.0, 1.0), (50.0, 1.0)])
    area = shapely.box(2.0, -3.0, 6.0, -1.0)
    geometries: dict[MapLayer, Geometries] = {
        "lane_divider": np.array([line]),
        "ped_crossing": np.array([area]),
    }
    patch = MapPatch((-10, -5, 10, 5), shapely.box(-60, -60, 60, 60), geometries)
    layers = clip_layers(replace(make_clip([0.0]), maps=(patch,)), 1)
    lines = layers["map"]
    assert isinstance(lines, Segments)
    assert lines.ends_m.shape == (5, 2, 3)  # four sides and a line
    assert np.abs(lines.ends_m[..., 0]).max() == 10.0
    assert (lines.ends_m[..., 2] == 0).all()


def test_colours_of_heights_end_where_they_should() -> None:
    colours = by_height(torch.tensor([-9.0, -0.5, 4.0, 99.0]))
    assert colours[0].tolist() == colours[1].tolist() == [59, 76, 192]
    assert colours[2].tolist() == colours[3].tolist() == [180, 30, 45]


def test_painted_ground_has_left_where_left_is() -> None:
    occupied = torch.zeros(2, 3, 4, dtype=torch.bool)
    occupied[0, 2, 3] = True  # farthest to the left and ahead
    ground = answer_layers(Cells(GRID, ("vehicle", "crossing"), occupied), None)["predicted ground"]
    assert isinstance(ground, Ground)
    assert (ground.lower_m, ground.upper_m) == ((0.0, 0.0), (4.0, 3.0))
    assert np.argwhere(ground.image[..., 3] > 0).tolist() == [[0, 3]]
    assert tuple(ground.image[0, 3, :3]) == level(LAYER_COLOURS["vehicle"])


def test_voxels_that_are_not_free_are_cubes() -> None:
    labels = torch.zeros(2, 3, 4, dtype=torch.long)
    labels[1, 0, 2] = 1
    cubes = answer_layers(Voxels(GRID, ("occupied",), labels), None)["occupancy"]
    assert isinstance(cubes, Cubes)
    assert cubes.centres_m.tolist() == [[2.5, 0.5, 1.5]]
    assert cubes.size_m == (1.0, 1.0, 1.0)


def test_only_sure_boxes_and_lines_are_shown() -> None:
    found = Detections(
        BOX.repeat(2, 1), torch.tensor([0, 5]), torch.tensor([0.9, 0.1]), torch.tensor([-1, -1])
    )
    boxes = answer_layers(found, None)["predicted boxes"]
    assert isinstance(boxes, Segments)
    assert len(boxes.ends_m) == 14  # twelve edges and a cross
    lines = (
        SeenLine(0, torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]), 0.9),
        SeenLine(2, torch.tensor([[0.0, 0.0], [1.0, 0.0]]), 0.1),
    )
    drawn = answer_layers(lines, None)["predicted map"]
    assert isinstance(drawn, Segments)
    assert drawn.ends_m[:, 0, :2].tolist() == [[0.0, 0.0], [1.0, 0.0]]
