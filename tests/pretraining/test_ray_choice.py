import pytest
import torch
from torch.nn.functional import normalize

from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.ray_choice import (
    RayChoice,
    at_pixels,
    build_rays,
    choose_rays,
    clear_of_points,
    hidden_points,
    random_free_pixels,
)
from tests.parity import relative_difference
from tests.reference.rendering import mixed_frame_directions
from tests.rendering.golden_rays import golden_choice, levels
from tests.rendering.test_rays import GRID, make_rig
from tests.toy import random_levels

SIZES = torch.tensor([[[40, 64], [48, 56], [48, 64]]] * 2)
PRESENT = torch.tensor([[True, True, False], [True, True, True]])


@pytest.fixture
def scene(seed):
    intrinsics, ego_from_camera = make_rig()
    points = (torch.rand(2, 400, 3, generator=seed) - 0.5) * torch.tensor([60.0, 60.0, 8.0])
    valid = torch.ones(2, 400, dtype=torch.bool)
    valid[1, 300:] = False
    images = random_levels((2, 3, 3, 48, 64), seed)
    return images, intrinsics, ego_from_camera, points, valid


def choose(scene, seed, **options):
    _, *rest = scene
    defaults = {"padded_hw": (48, 64), "rays_per_camera": 24, "generator": seed}
    return choose_rays(SIZES, PRESENT, *rest, **(defaults | options))


def test_choice_keeps_to_the_picture(scene, seed):
    count = 120
    choice = choose(scene, seed, rays_per_camera=count, sky_fraction=0.5)
    assert choice.camera_index[0].tolist() == [0] * count + [1] * count + [2] * count
    assert choice.exists[0].tolist() == [True] * 2 * count + [False] * count
    assert not choice.valid_distances[0, 2 * count :].any()
    limit = SIZES.repeat_interleave(count, dim=1).flip(-1)
    assert ((choice.pixels >= 0) & (choice.pixels < limit)).all()
    free = choice.exists & ~choice.valid_distances
    assert 0 < free.sum() < choice.exists.sum()
    assert (choice.pixels[..., 1] >= limit[..., 1] // 2)[free].all()
    assert (choice.distances[~choice.valid_distances] == 0).all()


def test_a_share_of_the_rays_goes_through_random_pixels(scene, seed):
    choice = choose(scene, seed, rays_per_camera=20, lidar_share=0.6)
    measured = choice.valid_distances.unflatten(1, (3, 20))[PRESENT]
    assert (measured.sum(dim=-1) == 12).all()


def test_clear_pixels_lie_above_all_points_but_not_above_where_beams_reach():
    """A wall at the left reaches up to row 20, the road at the right to row 60; cells of 8 px.

    Of an image of twice the size, whose points are no denser in the scene, the same is said.
    """
    u, v = torch.meshgrid(torch.arange(160), torch.arange(96), indexing="ij")
    wall = (u < 30) & (v > 20)
    points = torch.stack([u, v], dim=-1)[wall | (v > 60)].float()[None, None]
    usable = torch.ones(1, 1, points.shape[2], dtype=torch.bool)
    #        on the wall,  above it, beside it,   right,        road,         too high
    asked = [(10.0, 40.0), (10, 5), (36.0, 30.0), (80.0, 30.0), (80.0, 70.0), (80.0, 10.0)]
    for scale in (1, 2, 4):
        pixels, places = scale * torch.tensor([[asked]]), scale * points
        found = clear_of_points(pixels, places, usable, (scale * 96, scale * 160))
        assert found[0, 0].tolist() == [False, False, False, True, False, False]
    nothing = clear_of_points(torch.tensor([[asked]]), points, ~usable, (96, 160))
    assert not nothing.any()


def test_a_clear_pixel_is_measured_to_be_free_up_to_the_exit(scene, seed):
    images, intrinsics, ego_from_camera, points, valid = scene
    low = points.clone()
    low[..., 2] = -1.0
    low[:, ::40, 2] = 6.0
    options = {"rays_per_camera": 60, "lidar_share": 0.1, "clear_sky": True}
    choice = choose((images, intrinsics, ego_from_camera, low, valid), seed, **options)
    clear = choice.distances.isinf()
    assert clear.any()
    assert (choice.valid_distances & choice.exists)[clear].all()
    rays, targets = build_rays(choice, images, intrinsics, ego_from_camera, GRID, 0.5)
    shown = clear & rays.valid
    torch.testing.assert_close(targets.distances[shown], rays.far[shown])
    assert targets.valid_distances[shown].all()


def test_points_come_first_once_each_and_lie_on_their_rays(scene, seed):
    _, intrinsics, ego_from_camera, points, valid = scene
    choice = choose(scene, seed, rays_per_camera=100, min_distance_m=4.0)
    rays, _ = build_rays(choice, scene[0], intrinsics, ego_from_camera, GRID, 0.5)
    for b in range(2):
        for n in range(3):
            camera = transform_points(invert_rigid(ego_from_camera[b, n]), points[b])
            pixels, depth = project(intrinsics[b, n], camera)
            inside = (pixels >= 0).all(dim=-1) & (pixels < SIZES[b, n].flip(-1)).all(dim=-1)
            usable = inside & (depth > 0) & (camera.norm(dim=-1) >= 4) & valid[b] & PRESENT[b, n]
            mine = choice.valid_distances[b].view(3, 100)[n]
            # Fewer usable points than rays: all of them are taken, before any random pixel.
            assert mine.tolist() == [True] * int(usable.sum()) + [False] * (100 - usable.sum())
            ends = rays.origins[b] + rays.directions[b] * choice.distances[b, :, None]
            ends = ends.view(3, 100, 3)[n][mine]
            if len(ends):
                gaps = (ends[:, None] - points[b, usable]).norm(dim=-1)
                assert gaps.min(dim=1).values.max() < 1e-3
                assert gaps.argmin(dim=1).unique().numel() == len(ends)


def test_same_seed_same_choice_and_no_points_at_all(scene):
    first, second = (choose(scene, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.pixels, second.pixels)
    assert torch.equal(first.distances, second.distances)
    images, intrinsics, poses, points, valid = scene
    none = choose((images, intrinsics, poses, points[:, :0], valid[:, :0]), torch.Generator())
    assert none.pixels.shape == (2, 72, 2)
    assert not none.valid_distances.any()


def test_no_ray_goes_through_the_car_itself(scene, seed):
    on_body = torch.zeros(2, 3, 48, 64, dtype=torch.bool)
    on_body[:, 0, 20:, 10:50] = True
    on_body[0, 1] = True  # this one sees nothing else
    choice = choose(scene, seed, rays_per_camera=150, sky_fraction=0.25, excluded=on_body)
    exists = choice.exists.view(2, 3, 150)
    assert exists.all(dim=-1).tolist() == [[True, False, False], [True, True, True]]
    assert exists.any(dim=-1).tolist() == [[True, False, False], [True, True, True]]
    u, v = choice.pixels.floor().long().unbind(-1)
    b = torch.arange(2)[:, None].expand_as(u)
    assert not on_body[b, choice.camera_index, v, u][choice.exists].any()
    # Points there are left out, and only those.
    free = choose(scene, seed, rays_per_camera=150, sky_fraction=0.25)
    counts = [c.valid_distances.view(2, 3, 150)[1].sum(dim=-1).tolist() for c in (choice, free)]
    assert 0 < counts[0][0] < counts[1][0]
    assert counts[0][1:] == counts[1][1:]


def test_what_is_excluded_still_hides_what_is_behind_it(seed):
    """A wall point between two near ones is not seen, whether or not rays may go through these."""
    intrinsics = torch.tensor([[[[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]]])
    distances, rows = torch.tensor([5.0, 30.0, 5.0]), torch.tensor([4.0, 20.0, 36.0])
    points = torch.stack([torch.zeros(3), (rows - 24) / 100 * distances, distances], dim=-1)[None]
    excluded = torch.zeros(1, 1, 48, 64, dtype=torch.bool)
    excluded[..., :16, :] = excluded[..., 32:, :] = True
    choice = choose_rays(
        torch.tensor([[[48, 64]]]),
        torch.ones(1, 1, dtype=torch.bool),
        intrinsics,
        torch.eye(4)[None, None],
        points,
        torch.ones(1, 3, dtype=torch.bool),
        padded_hw=(48, 64),
        rays_per_camera=5,
        generator=seed,
        occlusion_cell_px=16,
        excluded=excluded,
    )
    assert choice.exists.all()
    assert not choice.valid_distances.any()


def test_random_pixels_are_spread_evenly_over_the_free_ones(seed):
    free = torch.zeros(1, 2, 6, 8, dtype=torch.bool)
    free[0, 0, 2, 3:5] = free[0, 0, 5, 7] = free[0, 0, 0, 0] = True
    pixels, any_free = random_free_pixels(free, 4000, seed)
    assert any_free.tolist() == [[True, False]]
    found, counts = pixels[0, 0].unique(dim=0, return_counts=True)
    assert found.tolist() == [[0.5, 0.5], [3.5, 2.5], [4.5, 2.5], [7.5, 5.5]]
    assert (counts - 1000).abs().max() < 120  # four standard deviations


def test_the_mask_at_positions():
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[0, 2, 5] = True
    pixels = torch.tensor([[[5.0, 2.0], [5.9, 2.9], [4.9, 2.5], [900.0, 2.5], [5.5, 3.0]]])
    assert at_pixels(mask, pixels).tolist() == [[True, True, False, True, False]]


def test_targets_by_hand(scene):
    _, intrinsics, ego_from_camera, _, _ = scene
    images = torch.zeros(2, 3, 3, 48, 64, dtype=torch.uint8)
    images[1, 2, :, 5, 9] = torch.tensor([51, 102, 255])
    pixels = torch.tensor([[[0.0, 0.0]] * 3, [[9.9, 5.9], [10.0, 5.9], [32.0, 24.0]]])
    choice = RayChoice(
        torch.full((2, 3), 2),
        pixels,
        torch.tensor([[0.0] * 3, [3.0, 0.0, 500.0]]),
        torch.tensor([[False] * 3, [True, False, True]]),
        torch.tensor([[False] * 3, [True] * 3]),
    )
    rays, targets = build_rays(choice, images, intrinsics, ego_from_camera, GRID, 0.5)
    torch.testing.assert_close(targets.colours[1, 0], torch.tensor([0.2, 0.4, 1.0]))
    assert not targets.colours[1, 1:].any()
    assert targets.distances[1, 0].item() == 3.0
    # Beyond the box: free up to the exit.
    assert targets.distances[1, 2] == rays.far[1, 2]
    assert targets.valid_distances.tolist() == [[False] * 3, [True, False, True]]
    assert rays.valid.tolist() == [[False] * 3, [True] * 3]


def test_building_a_batch_of_two_is_two_of_one(scene, seed):
    images, intrinsics, ego_from_camera, _, _ = scene
    choice = choose(scene, seed)
    both = build_rays(choice, images, intrinsics, ego_from_camera, GRID, 0.5)
    for b in range(2):
        one = slice(b, b + 1)
        single = RayChoice(**{k: v[one] for k, v in vars(choice).items()})
        alone = build_rays(single, images[one], intrinsics[one], ego_from_camera[one], GRID, 0.5)
        for whole, part in zip(both, alone, strict=True):
            for name, value in vars(part).items():
                torch.testing.assert_close(value, vars(whole)[name][one], msg=name)


def test_hidden_points():
    """A wall point seen between two near points is hidden; the road, near only below, is not."""
    rows = torch.tensor([[40.0, 8.0], [40.0, 24.0], [40.0, 40.0], [200.0, 24.0], [200.0, 40.0]])
    distances = torch.tensor([5.0, 30.0, 5.0, 30.0, 5.0])
    usable = torch.ones(1, 1, 5, dtype=torch.bool)
    hidden = hidden_points(rows[None, None], distances[None, None], usable, 16, (64, 256))
    assert hidden[0, 0].tolist() == [False, True, False, False, False]
    usable[..., 0] = False
    assert not hidden_points(rows[None, None], distances[None, None], usable, 16, (64, 256)).any()


def test_golden_rays(golden):
    file = golden("render_head_rays")
    assert file.numbers(r"out\.frame(\d+)\.ray_o") == tuple(range(file.config["frames"]))
    for frame in range(file.config["frames"]):
        check_golden_rays(file, frame)


def check_golden_rays(file, frame):
    """All rays of one frame of a golden file; frame 0 is the key."""
    t, config = file.tensors, file.config
    scale = config["scale_factor"]
    choice = golden_choice(t, frame, config["ray_sampler_cfg"], f"in.frame{frame}")
    sensor_from_lidar = t["in.lidar2cam"][:, frame]
    lidar_from_camera = torch.linalg.inv(sensor_from_lidar)
    intrinsics = (t["in.lidar2img"][:, frame] @ lidar_from_camera)[:, :3, :3]
    cameras = len(intrinsics)
    images = levels(t["in.img"].unflatten(1, (cameras, -1))[:, :, frame])
    box = VoxelGrid((-1e3, -1e3, -1e3), (1e3, 1e3, 1e3), (1, 1, 1))  # cuts off no distance
    poses = lidar_from_camera[None]
    rays, targets = build_rays(choice, images, intrinsics[None], poses, box, 0.5)
    measured = choice.valid_distances[0]
    file.check(f"out.frame{frame}.ray_o", rays.origins[0] * scale, 1e-5)
    file.check(f"out.frame{frame}.rgb", targets.colours[0].flip(-1), 1e-5)  # stored as B, G, R
    depth = torch.where(measured, targets.distances[0] * scale, torch.tensor(-1.0))
    file.check(f"out.frame{frame}.depth", depth[:, None], 1e-5)
    file.check(
        f"out.frame{frame}.sampled_pixels", choice.pixels[0].unflatten(0, (cameras, -1)), 1e-5
    )
    name = f"out.frame{frame}.ray_d"
    file.check(name, rays.directions[0][measured], 1e-5, like=lambda v: v[measured])
    if frame == 0:
        file.check(name, rays.directions[0], 1e-5)
        return
    # Rays of random pixels: the released ones mix two frames; ours go through their pixels.
    key_from_pixel = torch.linalg.inv(t["in.keylidar2sweepimg"][:, frame])
    per_ray = key_from_pixel[choice.camera_index[0]]
    mixed = mixed_frame_directions(choice.pixels[0, :, None], per_ray, rays.origins[0, :, None])
    free = ~measured
    file.check(name, mixed[:, 0][free], 1e-4, like=lambda v: v[free])
    ends = rays.origins[0] + 5 * rays.directions[0]
    by_camera = ends.unflatten(0, (cameras, -1))
    back, _ = project(intrinsics, transform_points(sensor_from_lidar, by_camera))
    difference = relative_difference(back.flatten(0, 1)[free], choice.pixels[0][free])
    assert difference < 1e-4
    torch.testing.assert_close(normalize(rays.directions[0], dim=-1), rays.directions[0])
