"""Map lines over the pixels and from above, and slices of voxels: things land where they belong."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.evaluation.map_views import MapView, SeenLine
from mim4d.evaluation.occupancy_views import OccupancyView, first_distances
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.viz.canvas import Canvas
from mim4d.viz.map_lines import KINDS, draw_lines_from_above, draw_maps, lines_in_image
from mim4d.viz.occupancy_cameras import colours_of_distances, draw_cameras
from mim4d.viz.occupancy_slices import COLOURS, colours_of, draw_slices
from tests.viz.clips import FOCAL, HEIGHT, WIDTH, make_clip


def _line(kind: int, *points: tuple[float, float], score: float = 1.0) -> SeenLine:
    return SeenLine(kind, torch.tensor(points), score)


def test_a_line_across_the_road_lands_where_a_camera_sees_it() -> None:
    """10 m ahead of a camera 1 m above the ground: a row of pixels below the middle."""
    clip = make_clip([0.0, 180.0])
    across = _line(0, (10.0, -1.0), (10.0, 1.0))
    height_m = float(clip.ref_from_camera[0, clip.key, 0, 2, 3])
    ahead_m = 10.0 - float(clip.ref_from_camera[0, clip.key, 0, 0, 3])
    ((line, pixels),) = lines_in_image([across], clip, clip.key, 0)
    assert line is across
    assert pixels[..., 1] == pytest.approx(HEIGHT / 2 + FOCAL * height_m / ahead_m, abs=0.01)
    ends = sorted((float(pixels[..., 0].min()), float(pixels[..., 0].max())))
    half = FOCAL * 1.0 / ahead_m
    assert ends == pytest.approx([WIDTH / 2 - half, WIDTH / 2 + half], abs=0.01)
    ((_, behind),) = lines_in_image([across], clip, clip.key, 1)
    assert len(behind) == 0


def test_from_above_forward_is_up_and_left_is_left() -> None:
    canvas = Canvas(300, 600)
    axes = canvas.axes(0, 0, 300, 600)
    draw_lines_from_above(axes, [_line(1, (20.0, 10.0), (25.0, 10.0))], (60.0, 30.0))
    pixels = canvas.pixels().astype(int)
    blue = np.array([0x2F, 0x7B, 0xFF])
    rows, columns = np.nonzero(np.abs(pixels - blue).sum(axis=-1) < 30)
    # x = 22.5 m of 30 ahead, y = 10 m of 15 to the left.
    assert rows.mean() == pytest.approx(600 * (30 - 22.5) / 60, abs=8)
    assert columns.mean() == pytest.approx(300 * (15 - 10) / 30, abs=8)
    assert KINDS[1][0] == "pedestrian crossing"


@pytest.mark.slow
def test_sheets_are_written(tmp_path: Path) -> None:
    clip = make_clip([0.0])
    lines = (_line(0, (5.0, 1.0), (20.0, 1.0)), _line(2, (5.0, -3.0), (20.0, -3.0), score=0.2))
    view = MapView("a scene", clip, lines, lines, (60.0, 30.0))
    assert draw_maps(view).save(tmp_path / "map.png").stat().st_size > 5000
    grid = VoxelGrid((0.0, 0.0, 0.0), (4.0, 3.0, 2.0), (4, 3, 2))
    labels = torch.randint(-1, 2, (2, 3, 4), generator=torch.Generator().manual_seed(0))
    said = labels.clamp(min=0)
    met = [first_distances(clip, voxels, grid) for voxels in (said, labels)]
    slices = OccupancyView("a scene", grid, ("occupied",), labels, said, clip, *met)
    assert draw_slices(slices).save(tmp_path / "slices.png").stat().st_size > 5000
    assert draw_cameras(slices).save(tmp_path / "cameras.png").stat().st_size > 5000


def test_a_wall_of_voxels_is_seen_where_it_stands() -> None:
    """From x = 10 m on, 4 m high: met at its face, above it nothing, behind the car nothing."""
    clip = make_clip([0.0, 180.0])
    grid = VoxelGrid((-20.0, -20.0, -1.0), (20.0, 20.0, 4.0), (40, 40, 5))
    voxels = torch.zeros(grid.shape_zyx, dtype=torch.int64)
    voxels[:, :, 30:] = 1
    voxels[0] = -1  # not known is free
    ahead, behind = first_distances(clip, voxels, grid)
    place = clip.ref_from_camera[0, clip.key, 0, :3, 3]
    middle = ahead[len(ahead) // 2, ahead.shape[1] // 2]
    assert float(middle) == pytest.approx(10.0 - float(place[0]), abs=1.0)
    assert not behind.isfinite().any()
    rise = (4.0 - float(place[2])) / (10.0 - float(place[0]))
    if FOCAL * rise < HEIGHT / 2 - 2:
        assert not ahead[0].isfinite().any()
    colours = colours_of_distances(torch.tensor([[3.0, torch.inf]]))
    assert colours[0, 0].tolist() != colours[0, 1].tolist()


def test_a_slice_is_turned_as_the_world_from_above() -> None:
    """The voxel furthest ahead and to the left comes first."""
    labels = torch.zeros(3, 4, dtype=torch.int64)
    labels[2, 3] = 1
    image = colours_of(labels)
    assert image.shape == (4, 3, 3)
    dark = tuple(int(COLOURS[0][i : i + 2], 16) / 255 for i in (1, 3, 5))
    assert image[0, 0].tolist() == pytest.approx(dark)
    assert (image.flatten(0, 1) == 1).all(dim=-1).sum() == 11
