"""The splat by itself; what both liftings promise is in `test_lifting.py`."""

import pytest
import torch
from einops import rearrange

from mim4d.geometry.camera import project
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.rigid import transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.depth_head import DepthBins
from mim4d.models.lifting.lifting import LiftGeometry
from mim4d.models.lifting.splat import containing_voxels, frustum_points, lift_by_splat, splat
from tests.models.lifting.golden_lifting import check_lifted, golden_grid
from tests.models.lifting.lift_cases import random_maps, rig
from tests.reference.lift_splat import splat_loops, truncated_voxels


@pytest.mark.parametrize(("frames", "cameras"), [(2, 1), (1, 6)])
def test_equals_loops(frames, cameras, seed):
    geometry = rig(frames, cameras)
    features, depth_probs = random_maps(geometry, seed)
    expected, count = splat_loops(features, depth_probs, geometry)
    assert count.max() > 2
    volume = lift_by_splat([features], [depth_probs], geometry)
    torch.testing.assert_close(volume, expected, atol=1e-5, rtol=1e-5)
    mean = lift_by_splat([features], [depth_probs], geometry, "mean")
    expected = expected / count.clamp(min=1).unsqueeze(1)
    torch.testing.assert_close(mean, expected, atol=1e-5, rtol=1e-5)


def test_a_known_point_falls_into_the_voxel_that_contains_it():
    # A camera at the ego origin, looking along x. Cell (1, 2) of 2 x 4 cells of 8 pixels has its
    # centre at (20, 12); at 6 m, with f = 16 and c = (16, 8), that is 1.5 m right and 1.5 m down.
    pose = torch.tensor([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])[None, None]
    intrinsics = torch.tensor([[16.0, 0, 16], [0, 16, 8], [0, 0, 1]])[None, None]
    grid = VoxelGrid((0.0, -4.0, -2.0), (8.0, 4.0, 2.0), (8, 4, 4))
    sizes = torch.tensor([[[16, 32]]])
    geometry = LiftGeometry(grid, DepthBins(4, 2.0, 8.0), pose, intrinsics, sizes, (16, 32))
    points, seen = frustum_points(geometry, (2, 4))
    torch.testing.assert_close(points[0, 0, 2, 1, 2], torch.tensor([6.0, -1.5, -1.5]))
    assert seen.all()
    features, probs = torch.zeros(1, 1, 3, 2, 4), torch.zeros(1, 1, 4, 2, 4)
    features[0, 0, :, 1, 2] = torch.tensor([1.0, 2.0, 3.0])
    probs[0, 0, 2, 1, 2] = 0.5
    volume = lift_by_splat([features], [probs], geometry)
    assert volume[0, :, 0, 1, 6].tolist() == [0.5, 1.0, 1.5]
    assert volume.count_nonzero() == 3
    corner, _ = frustum_points(geometry, (2, 4), "corner")  # pixel (16, 8), the optical axis
    torch.testing.assert_close(corner[0, 0, 2, 1, 2], torch.tensor([6.0, 0.0, 0.0]))


def test_space_just_outside_stays_outside():
    grid = VoxelGrid((-4.0, -4.0, -1.0), (4.0, 4.0, 3.0), (4, 8, 2))
    points = torch.tensor(
        [
            [-3.9, -3.9, -0.9],  # the first voxel
            [-4.1, -3.9, -0.9],  # half a hand below the faces: outside
            [-3.9, -4.1, -0.9],
            [-3.9, -3.9, -1.1],
            [3.9, 3.9, 2.9],  # the last voxel
            [4.1, 3.9, 2.9],
            [1.0, -2.5, 1.5],  # x 2, y 1, z 1
            [1e30, -1e30, 0.0],
        ]
    )
    assert containing_voxels(points, grid).tolist() == [0, -1, -1, -1, 63, -1, 38, -1]
    # The released index pulls the three into the first voxel.
    assert truncated_voxels(points[:4], grid).tolist() == [0, 0, 0, 0]


def test_no_probability_inside_the_grid_is_lost(seed):
    geometry = rig(2, 5)
    features, depth_probs = random_maps(geometry, seed)
    points, seen = frustum_points(geometry, (3, 4))
    inside = geometry.grid.contains(points) & seen.unsqueeze(2)
    assert 0 < inside.float().mean() < 1
    weight = (depth_probs * inside).sum(dim=2)
    expected = torch.einsum("mnchw,mnhw->mc", features, weight)
    volume = lift_by_splat([features], [depth_probs], geometry)
    torch.testing.assert_close(volume.sum(dim=(2, 3, 4)), expected, atol=1e-4, rtol=1e-5)


def golden_points(file):
    """Points of the file as `m n d h w 3`: their voxels and pictures are LiDAR axes and metres."""
    config = file.config
    lidar2img = rearrange(file.tensors["in.lidar2img"], "b n t i j -> (b t) n i j")
    m, n = lidar2img.shape[:2]
    grid = golden_grid(config)
    first_m, step_m = config["frustum_range"][2], config["frustum_size"][2]
    bins = DepthBins(config["depth_dim"], first_m, first_m + (config["depth_dim"] - 1) * step_m)
    hw = tuple(config["img_shape"])
    geometry = LiftGeometry(
        grid,
        bins,
        # (u·d, v·d, d) → LiDAR, so that the intrinsics are those of pixels themselves.
        torch.linalg.inv(lidar2img),
        torch.eye(3).expand(m, n, 3, 3),
        torch.tensor(hw).expand(m, n, 2),
        hw,
    )
    return geometry, frustum_points(geometry, golden_cells(file), sample_at="corner")[0]


def golden_cells(file):
    """Rows and columns of the file's feature map."""
    return tuple(file.tensors["in.feat"].shape[-2:])


def golden_indices(file, grid):
    """The file's voxel of every point, −1 where it is left out."""
    coords, mask = file.tensors["out.voxel_coords"], file.tensors["out.mask"]
    _, x, y, z = rearrange(coords, "b n t d h w k -> k (b t) n d h w").long()
    flat = (z * grid.shape_xyz[1] + y) * grid.shape_xyz[0] + x
    return torch.where(rearrange(mask, "b n t d h w -> (b t) n d h w"), flat, -1)


@pytest.mark.parametrize("name", ["voxel_pool_pretrain", "voxel_pool_finetune"])
def test_golden_voxel_pool(golden, name):
    file = golden(name)
    geometry, points = golden_points(file)
    grid = geometry.grid
    voxels = truncated_voxels(points, grid)
    inside = rearrange(
        voxels >= 0, "(b t) n d h w -> b n t d h w", t=file.tensors["out.mask"].shape[2]
    )
    file.check("out.mask", inside, 0.0)
    file.check("out.voxel_coords", voxels, 0.0, like=lambda _: golden_indices(file, grid))
    # Where nothing is pulled in from outside, our index is the file's; on a face both may be.
    ours = containing_voxels(points, grid)
    place = grid.to_grid(points)
    on_face = ((place - place.round()).abs() < 1e-4).any(dim=-1)
    within = grid.contains(points) & ~on_face
    assert within.any()
    assert torch.equal(ours[within], voxels[within])
    assert (ours[~grid.contains(points) & ~on_face] < 0).all()

    b, _, t = file.tensors["in.lidar2img"].shape[:3]
    leaves = {k: file.tensors[f"in.{k}"].requires_grad_() for k in ("feat", "depth")}
    volume = splat(
        rearrange(leaves["feat"], "b (n t) c h w -> (b t) n c h w", t=t),
        rearrange(leaves["depth"], "(b n t) d h w -> (b t) n d h w", b=b, t=t),
        voxels,
        grid,
    )
    check_lifted(file, rearrange(volume, "(b t) c z y x -> b t c z y x", b=b), leaves)


@pytest.mark.parametrize("name", ["voxel_pool_pretrain", "voxel_pool_finetune"])
def test_golden_depth_targets(golden, name):
    """The nearest LiDAR point in every pixel, and the depth bin of the nearest in every cell.

    A released pixel reaches half a pixel to all sides of its number, ours from its number on.
    """
    file = golden(name)
    config = file.config
    geometry, _ = golden_points(file)
    cameras, frames = file.tensors["in.lidar2img"].shape[1:3]
    points = file.tensors["in.points"].repeat_interleave(frames, dim=0)
    usable = points[..., :2].norm(dim=-1) > config["loss_cfg"]["close_radius"]
    seen = transform_points(torch.linalg.inv(geometry.ego_from_camera), points[:, None]).flatten(
        0, 1
    )
    to_corners = torch.tensor([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]).expand(len(seen), 3, 3)
    extent = torch.tensor(geometry.padded_hw, dtype=torch.float32).expand(len(seen), 2)
    # Points on the outermost half pixels and on padding are not used there.
    height, width = config["pad_before"]
    pixels, _ = project(torch.eye(3), seen)
    inside = (pixels > 0) & (pixels < torch.tensor([width - 1, height - 1]))
    usable = usable.repeat_interleave(cameras, dim=0) & inside.all(dim=-1)

    def stored(values):  # (b t n) → (b n t)
        return rearrange(values, "(b t n) ... -> b (n t) ...", t=frames, n=cameras)

    depth, _, _ = nearest_points(seen, usable, to_corners, extent, geometry.padded_hw)
    file.check("out.depth_target_map", stored(depth))
    depth, _, found = nearest_points(seen, usable, to_corners, extent, golden_cells(file))
    bins = geometry.bins
    index = ((depth - bins.first_m) / bins.step_m).floor().long()
    one_hot = torch.nn.functional.one_hot(index.clamp(0, bins.num - 1), bins.num).float()
    one_hot *= (found & (index >= 0) & (index < bins.num)).unsqueeze(-1)
    file.check("out.depth_target_bins", stored(one_hot).flatten(0, -2))


def test_points_move_with_the_camera(seed):
    """The same points, asked of a frame whose ego axes are shifted by one voxel."""
    geometry = rig(1, 3)
    features, depth_probs = random_maps(geometry, seed)
    pose = geometry.ego_from_camera.clone()
    pose[..., 0, 3] += geometry.grid.voxel_size_m[0]
    moved = LiftGeometry(
        geometry.grid,
        geometry.bins,
        pose,
        geometry.intrinsics,
        geometry.image_sizes,
        geometry.padded_hw,
    )
    shift = torch.eye(4)
    shift[0, 3] = geometry.grid.voxel_size_m[0]
    points, moved_points = (frustum_points(g, (3, 4))[0] for g in (geometry, moved))
    torch.testing.assert_close(
        moved_points.reshape(-1, 3), transform_points(shift, points.reshape(-1, 3))
    )
    here, there = (lift_by_splat([features], [depth_probs], g) for g in (geometry, moved))
    torch.testing.assert_close(there[..., 1:], here[..., :-1], atol=1e-5, rtol=1e-5)
