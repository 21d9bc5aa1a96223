"""Layers over images and from above: each pixel shows the cell its ray meets; files are whole."""

from pathlib import Path

import numpy as np
import torch

from mim4d.config.head.segmentation import BevLayer
from mim4d.evaluation.painted_clips import PaintedClip
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.bev_layers import layer_truth
from mim4d.viz.bev_picture import cells_of_pixels, draw_painted, ground_of_pixels, paint
from tests.tasks.scene import Box, clip_with

CELLS = VoxelGrid((-16.0, -16.0, -1.0), (16.0, 16.0, 1.0), (32, 32, 1))
LAYERS: tuple[BevLayer, ...] = ("vehicle", "drivable_area")


def test_the_ground_of_a_pixel_is_seen_there() -> None:
    clip = clip_with(Box(6.0, 0.5))
    places = ground_of_pixels(clip, 0)
    seen = places[..., 0].isfinite()
    assert 0.2 < seen.float().mean() < 0.8
    points = torch.cat([places[seen], torch.zeros(int(seen.sum()), 1)], dim=-1)
    camera = transform_points(invert_rigid(clip.ref_from_camera[0, 0, 0]), points)
    pixels, depth = project(clip.intrinsics[0, 0, 0], camera)
    assert (depth > 0).all()
    v, u = seen.nonzero(as_tuple=True)
    torch.testing.assert_close(pixels, torch.stack([u, v], -1) + 0.5, atol=2e-2, rtol=0)


def test_a_cell_s_colour_lies_where_its_ground_is() -> None:
    clip = clip_with(Box(6.5, 0.5, 1.0, 1.0))
    truth = layer_truth(clip, LAYERS, CELLS, 2, 0.5)
    colours = paint(truth.occupied[0], LAYERS, truth.ignored[0])
    assert colours[16, 22].tolist() != colours[16, 20].tolist() != [0.0] * 4
    places = torch.tensor([[[6.5, 0.5], [4.5, 0.5], [40.0, 0.0], [torch.inf, torch.inf]]])
    found = cells_of_pixels(colours, places, CELLS)[0]
    assert torch.equal(found[:2], colours[16, [22, 20]])
    assert not found[2:].any()


def test_picture_and_arrays_of_a_clip(tmp_path: Path) -> None:
    clip = clip_with(Box(6.0, 0.5), Box(-3.0, 4.0, visibility=1))
    truth = layer_truth(clip, LAYERS, CELLS, 2, 0.5)
    probabilities = torch.linspace(0, 1, 2 * 32 * 32).view(2, 32, 32)
    painted = PaintedClip(
        clip, 7, False, LAYERS, CELLS, probabilities, truth.occupied[0], truth.ignored[0]
    )
    picture, arrays = draw_painted(painted, tmp_path), painted.save_arrays(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([picture, arrays])
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with np.load(arrays) as stored:
        assert np.array_equal(stored["probabilities"], probabilities.numpy())
        assert stored["layers"].tolist() == [*LAYERS]
        assert stored["upper_xy_m"].tolist() == [16.0, 16.0]
        assert stored["ignored"].sum() == int(truth.ignored.sum()) > 0
