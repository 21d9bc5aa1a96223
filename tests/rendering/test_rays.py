import math

import torch

from mim4d.geometry.camera import project
from mim4d.geometry.rigid import (
    invert_rigid,
    rigid_from_rotation_translation,
    rotation_from_yaw,
    transform_points,
)
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.rendering.rays import image_rays, intersect_box, rays_through_pixels
from tests.reference.rendering import box_by_loop

GRID = VoxelGrid((-10.0, -10.0, -2.0), (10.0, 10.0, 6.0), (8, 8, 4))
# Camera axes (right, down, forward) in ego axes when looking along +x.
EGO_FROM_FORWARD = torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def make_rig(b: int = 2, n: int = 3):
    yaw = torch.arange(b * n, dtype=torch.float32).view(b, n) * 1.1
    rotation = rotation_from_yaw(yaw) @ EGO_FROM_FORWARD
    translation = torch.stack([yaw * 0.1, -yaw * 0.2, 1.5 + 0 * yaw], dim=-1)
    intrinsics = torch.tensor([[40.0, 0, 32], [0, 42, 24], [0, 0, 1]]).expand(b, n, 3, 3).clone()
    intrinsics[:, :, 0, 0] += torch.arange(n)
    return intrinsics, rigid_from_rotation_translation(rotation, translation)


def test_box_by_hand():
    origins = torch.tensor([[[0.0, 0, 0], [-20.0, 0, 0], [0.0, 0, 0], [20.0, 0, 0], [0.0, 0, 9.0]]])
    directions = torch.tensor([[[1.0, 0, 0], [1.0, 0, 0], [0.0, 0, -1], [1.0, 0, 0], [1.0, 0, 0]]])
    near, far, hits = intersect_box(origins, directions, GRID, 0.5)
    assert hits.tolist() == [[True, True, True, False, False]]  # behind; beside, parallel
    assert near[hits].tolist() == [0.5, 10.0, 0.5]
    assert far[hits].tolist() == [10.0, 30.0, 2.0]
    assert torch.isfinite(near).all()
    assert torch.isfinite(far).all()


def test_box_equals_loop(seed):
    origins = (torch.rand(1, 200, 3, generator=seed) - 0.5) * 40
    directions = torch.nn.functional.normalize(torch.randn(1, 200, 3, generator=seed), dim=-1)
    directions[:, ::10, 2] = 0
    near, far, hits = intersect_box(origins, directions, GRID, 0.0)
    for r in range(200):
        twin = box_by_loop(origins[0, r].tolist(), directions[0, r].tolist(), GRID)
        assert hits[0, r].item() == (twin is not None)
        if twin is not None:
            assert abs(near[0, r].item() - max(twin[0], 0.0)) < 1e-3
            assert abs(far[0, r].item() - twin[1]) < 1e-3


def test_box_turned_by_its_pose():
    """A box turned by 45 degrees: its corner, not its face, lies ahead."""
    half = math.sqrt(0.5)
    turned = VoxelGrid(
        (-1.0, -1.0, -1.0),
        (1.0, 1.0, 1.0),
        (2, 2, 2),
        (
            (half, -half, 0.0, 3.0),
            (half, half, 0.0, 0.0),
            (0.0, 0.0, 1.0, 0.0),
            (0.0, 0.0, 0.0, 1.0),
        ),
    )
    forward = torch.tensor([[[1.0, 0.0, 0.0]]])
    near, far, hits = intersect_box(torch.zeros(1, 1, 3), forward, turned, 0.0)
    assert hits.all()
    torch.testing.assert_close(near, torch.tensor([[3 - math.sqrt(2)]]))
    torch.testing.assert_close(far, torch.tensor([[3 + math.sqrt(2)]]))


def test_rays_project_back_to_their_pixels(seed):
    intrinsics, ego_from_camera = make_rig()
    pixels = torch.rand(2, 30, 2, generator=seed) * torch.tensor([64.0, 48.0])
    camera_index = torch.randint(3, (2, 30), generator=seed)
    origins, directions = rays_through_pixels(pixels, camera_index, intrinsics, ego_from_camera)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(2, 30))
    points = origins + 7 * directions
    for b in range(2):
        for r in range(30):
            n = camera_index[b, r]
            torch.testing.assert_close(origins[b, r], ego_from_camera[b, n, :3, 3])
            camera = transform_points(invert_rigid(ego_from_camera[b, n]), points[b, r][None])
            back, depth = project(intrinsics[b, n], camera)
            assert depth.item() > 0
            torch.testing.assert_close(back[0], pixels[b, r], atol=1e-3, rtol=0)


def test_image_rays_span_the_picture_not_the_padding():
    intrinsics, ego_from_camera = make_rig(b=2, n=2)
    sizes = torch.tensor([[[48, 64], [40, 60]]] * 2)
    present = torch.tensor([[True, False], [True, True]])
    rays, pixels = image_rays(sizes, present, intrinsics, ego_from_camera, (2, 4), GRID, 0.5)
    assert rays.near.shape == (2, 16)
    assert pixels[0, 0].tolist() == [8.0, 12.0]
    assert pixels[0, 7].tolist() == [56.0, 36.0]
    assert pixels[0, 8].tolist() == [7.5, 10.0]
    assert rays.valid[0].tolist() == [True] * 8 + [False] * 8
    assert rays.valid[1].all()
    # The middle of the first camera's picture looks along its optical axis.
    rays, _ = image_rays(sizes, present, intrinsics, ego_from_camera, (1, 1), GRID, 0.5)
    torch.testing.assert_close(rays.directions[:, 0], ego_from_camera[:, 0, :3, 2])
