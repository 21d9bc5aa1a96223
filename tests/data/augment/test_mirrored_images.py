"""A mirrored picture with a negative fx is as good as the picture: every user of intrinsics."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.check.alignment import depth_edges
from mim4d.data.clip import Clip, ego_from_camera
from mim4d.data.frame_sweep import FrameSweep
from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.truth import lidar_distance
from mim4d.geometry.camera import project, unproject
from mim4d.geometry.rigid import invert_rigid
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.camera_aware_head import CameraAwareDepthHead
from mim4d.models.camera_rays import cell_rays
from mim4d.models.depth_head import DepthBins
from mim4d.models.lifting.lookup import lift, project_voxels
from mim4d.pretraining.ray_choice import choose_rays
from mim4d.rendering.rays import image_rays, rays_through_pixels
from mim4d.viz.wireframe import project_segments
from tests.toy import toy_clip

GRID = VoxelGrid((-8.0, -6.0, -1.0), (8.0, 6.0, 3.0), (8, 12, 4))
HW = (64, 96)
MIRROR = torch.tensor([[-1.0, 0.0, 96.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def mirrored_pixels(pixels: Tensor) -> Tensor:
    return torch.stack([96 - pixels[..., 0], pixels[..., 1]], dim=-1)


@pytest.fixture
def clip() -> Clip:
    return toy_clip(3)


@pytest.fixture
def mirrored(clip: Clip) -> Clip:
    intrinsics = MIRROR @ clip.intrinsics
    assert (intrinsics[..., 0, 0] < 0).all()
    return replace(clip, images=clip.images.flip(-1), intrinsics=intrinsics)


def test_project_and_unproject(clip: Clip, mirrored: Clip, seed: torch.Generator) -> None:
    points = torch.rand(3, 50, 3, generator=seed) * 4 + torch.tensor([-2.0, -2.0, 3.0])
    pixels, depth = project(clip.intrinsics[0, 0], points)
    found, found_depth = project(mirrored.intrinsics[0, 0], points)
    torch.testing.assert_close(found, mirrored_pixels(pixels), atol=1e-4, rtol=0)
    assert torch.equal(found_depth, depth)
    back = unproject(mirrored.intrinsics[0, 0], found, depth)
    torch.testing.assert_close(back, points, atol=1e-4, rtol=0)


def test_rays(clip: Clip, mirrored: Clip, seed: torch.Generator) -> None:
    pixels = torch.rand(3, 40, 2, generator=seed) * torch.tensor([96.0, 64.0])
    cameras = torch.randint(0, 3, (3, 40), generator=seed)
    poses = ego_from_camera(clip)[0]
    _, expected = rays_through_pixels(pixels, cameras, clip.intrinsics[0], poses)
    _, found = rays_through_pixels(mirrored_pixels(pixels), cameras, mirrored.intrinsics[0], poses)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_rays_of_a_lattice(clip: Clip, mirrored: Clip) -> None:
    directions = []
    for c in (clip, mirrored):
        poses = ego_from_camera(c)[0]
        sizes, present = c.image_sizes[0], c.image_present[0]
        rays, _ = image_rays(sizes, present, c.intrinsics[0], poses, (4, 6), GRID, 0.5)
        directions.append(rays.directions.view(3, 3, 4, 6, 3))
    torch.testing.assert_close(directions[1], directions[0].flip(3), atol=1e-5, rtol=0)


def test_rays_through_lidar_points(clip: Clip, mirrored: Clip) -> None:
    choices = [
        choose_rays(
            c.image_sizes[0],
            c.image_present[0],
            c.intrinsics[0],
            ego_from_camera(c)[0],
            c.points_ref[0],
            c.valid_points[0],
            padded_hw=(c.images.shape[-2], c.images.shape[-1]),
            rays_per_camera=20,
            generator=torch.Generator().manual_seed(1),
            occlusion_cell_px=8,
        )
        for c in (clip, mirrored)
    ]
    at_point = choices[0].valid_distances
    assert at_point.sum() > 40
    assert torch.equal(choices[1].valid_distances, at_point)
    torch.testing.assert_close(choices[1].distances, choices[0].distances)
    expected = mirrored_pixels(choices[0].pixels)[at_point]
    torch.testing.assert_close(choices[1].pixels[at_point], expected, atol=1e-4, rtol=0)


def test_lifting(clip: Clip, mirrored: Clip, seed: torch.Generator) -> None:
    features = torch.randn(3, 3, 5, 8, 12, generator=seed)
    depth_probs = torch.randn(3, 3, 7, 8, 12, generator=seed).softmax(dim=2)

    def volume(c: Clip, flip: bool) -> Tensor:
        points, cameras = GRID.centres_ego.reshape(-1, 3), invert_rigid(ego_from_camera(c)[0])
        maps = [m.flip(-1) if flip else m for m in (features, depth_probs)]
        lookup = project_voxels(
            points, cameras, c.intrinsics[0], c.image_sizes[0], HW, *(1.0, 9.0, 7)
        )
        return lift(maps[0], maps[1], lookup)

    expected = volume(clip, flip=False)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(volume(mirrored, flip=True), expected, atol=1e-4, rtol=0)


def test_rays_of_cells_and_the_head_that_knows_them(clip: Clip, mirrored: Clip) -> None:
    a, b = (
        cell_rays(c.intrinsics[0].flatten(0, 1), ego_from_camera(c)[0].flatten(0, 1), HW, (8, 12))
        for c in (clip, mirrored)
    )
    torch.testing.assert_close(b.directions, a.directions.flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(b.ground_depth, a.ground_depth.flip(-1), rtol=1e-4, atol=0)
    head = CameraAwareDepthHead(4, DepthBins(10, 1.0, 20.0))
    level = torch.zeros(9, 4, 8, 12)
    (_, (expected,)), (_, (found,)) = head([level], [a]), head([level], [b])
    torch.testing.assert_close(found, expected.flip(-1), atol=1e-4, rtol=0)


def test_lidar_in_the_cells_of_an_image(clip: Clip, mirrored: Clip) -> None:
    view = EvaluatedView(frame=1, lattice=(8, 12), grid=GRID, near_m=1.0)
    sweep = FrameSweep(clip.points_ref[0, 1], torch.zeros(3))
    expected = lidar_distance(sweep, clip, view)
    assert (expected > 0).sum() > 50
    torch.testing.assert_close(lidar_distance(sweep, mirrored, view), expected.flip(-1))


def test_segments_of_boxes(clip: Clip, mirrored: Clip, seed: torch.Generator) -> None:
    segments = torch.rand(60, 2, 3, generator=seed) * 8 + torch.tensor([-4.0, -3.0, -2.0])
    expected, visible = project_segments(clip.intrinsics[0, 0, 0], segments, HW)
    found, also = project_segments(mirrored.intrinsics[0, 0, 0], segments, HW)
    assert 10 < visible.sum() < 60
    assert torch.equal(also, visible)
    torch.testing.assert_close(
        found[visible], mirrored_pixels(expected)[visible], atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("horizontal", [True, False])
def test_depth_edges(horizontal: bool, seed: torch.Generator) -> None:
    # 20 pixels a degree: the bands of 0.15 degrees are 3 pixels wide and lie alike when mirrored.
    focal = 20 / math.radians(1)
    intrinsics = torch.tensor([[focal, 0, 48], [0, focal, 32], [0, 0, 1]])
    depth = torch.where(torch.rand(1500, generator=seed) < 0.5, 10.0, 20.0)
    pixels = torch.rand(1500, 2, generator=seed) * torch.tensor([96.0, 64.0])
    points = unproject(intrinsics, pixels, depth)
    expected = mirrored_pixels(depth_edges(intrinsics, points, HW, horizontal))
    found = depth_edges(MIRROR @ intrinsics, points, HW, horizontal)
    assert len(found) == len(expected) > 300
    apart = torch.cdist(expected.double(), found.double()).amin(dim=1)
    assert apart.max() < 1e-3
