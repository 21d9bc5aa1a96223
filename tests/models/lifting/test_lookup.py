import pytest
import torch
from einops import rearrange, repeat

from mim4d.geometry.camera import project, unproject
from mim4d.geometry.lattices import cell_centres
from mim4d.geometry.rigid import (
    invert_rigid,
    transform_points,
)
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.lifting.lookup import VoxelLookup, lift, project_voxels
from tests.models.lifting import lift_cases
from tests.models.lifting.golden_lifting import check_lifted, golden_grid
from tests.reference.lift import lift_loops

GRID = lift_cases.GRID
POINTS = GRID.centres_ego.reshape(-1, 3)
PADDED_HW = (24, 32)
BINS = (1.0, 9.0, 5)


def rig(m, n, padded_hw=PADDED_HW):
    """n cameras around the car, a little different in every frame."""
    geometry = lift_cases.rig(m, n, padded_hw)
    return invert_rigid(geometry.ego_from_camera), geometry.intrinsics, geometry.image_sizes


def maps(m, n, seed, c=3, cells=(3, 4)):
    features = torch.randn(m, n, c, *cells, generator=seed)
    return features, torch.randn(m, n, BINS[2], *cells, generator=seed).softmax(dim=2)


@pytest.mark.parametrize("num_cameras", [2, 3, 6])
def test_equals_loops(num_cameras, seed):
    camera_from_ego, intrinsics, sizes = rig(2, num_cameras)
    features, depth_probs = maps(2, num_cameras, seed)
    lookup = project_voxels(POINTS, camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    expected, count = lift_loops(
        features,
        depth_probs,
        POINTS,
        camera_from_ego,
        intrinsics,
        sizes,
        PADDED_HW,
        torch.linspace(*BINS[:2], BINS[2]),
    )
    assert torch.equal(lookup.visible.sum(dim=1), count.long())
    assert count.max() > 1 or num_cameras < 6  # with six, neighbours overlap
    total = lift(features, depth_probs, lookup)
    torch.testing.assert_close(total, expected, atol=1e-5, rtol=1e-5)
    mean = lift(features, depth_probs, lookup, normalise="mean")
    torch.testing.assert_close(
        mean, expected / count.clamp(min=1).unsqueeze(1), atol=1e-5, rtol=1e-5
    )


def test_one_cell_at_one_depth_fills_the_voxel_it_lies_in():
    grid = VoxelGrid((0.0, -8.0, -8.0), (16.0, 8.0, 8.0), (16, 16, 16))
    hw, cells, bins = (32, 32), (8, 8), (0.5, 15.5, 16)
    camera_from_ego, intrinsics, _ = rig(1, 1, hw)
    sizes = torch.tensor([[hw]])
    points = grid.centres_ego.reshape(-1, 3)
    lookup = project_voxels(points, camera_from_ego, intrinsics, sizes, hw, *bins)
    for row, column, bin_index in [(3, 5, 9), (5, 2, 12), (4, 4, 6)]:
        features, depth_probs = torch.zeros(1, 1, 1, *cells), torch.zeros(1, 1, bins[2], *cells)
        features[..., row, column] = 1
        depth_probs[:, :, bin_index, row, column] = 1
        volume = lift(features, depth_probs, lookup).reshape(grid.shape_zyx)
        pixel = (cell_centres(cells)[row, column] * 4)[None]  # one cell is four pixels
        depth = torch.linspace(*bins)[bin_index : bin_index + 1]
        point_camera = unproject(intrinsics[0, 0], pixel, depth)
        point = transform_points(invert_rigid(camera_from_ego[0, 0]), point_camera)
        x, y, z = grid.to_grid(point)[0].long().tolist()
        assert volume[z, y, x] > 0.5 * volume.max() > 0
        centroid = (points * volume.reshape(-1, 1)).sum(dim=0) / volume.sum()
        assert (centroid - point[0]).abs().max() < 0.5  # half a voxel


def test_order_of_cameras_does_not_matter(seed):
    camera_from_ego, intrinsics, sizes = rig(2, 5)
    features, depth_probs = maps(2, 5, seed)
    order = torch.tensor([3, 0, 4, 1, 2])

    def volume(pick):
        lookup = project_voxels(
            POINTS, camera_from_ego[:, pick], intrinsics[:, pick], sizes[:, pick], PADDED_HW, *BINS
        )
        return lift(features[:, pick], depth_probs[:, pick], lookup)

    torch.testing.assert_close(volume(order), volume(torch.arange(5)), atol=1e-6, rtol=1e-6)


def test_two_frames_are_two_times_one(seed):
    camera_from_ego, intrinsics, sizes = rig(2, 4)
    features, depth_probs = maps(2, 4, seed)

    def volume(part):
        lookup = project_voxels(
            POINTS, camera_from_ego[part], intrinsics[part], sizes[part], PADDED_HW, *BINS
        )
        return lift(features[part], depth_probs[part], lookup)

    both = volume(slice(None))
    torch.testing.assert_close(both[:1], volume(slice(0, 1)))
    torch.testing.assert_close(both[1:], volume(slice(1, 2)))


def test_padding_and_the_depth_range_are_not_seen():
    intrinsics = torch.tensor([[[[10.0, 0, 16], [0, 10, 12], [0, 0, 1]]]])
    sizes = torch.tensor([[[20, 24]]])
    # The camera's own axes as ego axes. Depth bins 1, 3, 5, 7, 9 m reach from 0 to 10 m.
    points = torch.tensor(
        [
            [0.0, 0.0, 5.0],  # the middle
            [0.0, 0.0, -5.0],  # behind the camera
            [0.0, 0.0, 9.9],  # half a bin beyond the last centre
            [0.0, 0.0, 10.1],
            [3.9, 0.0, 5.0],  # u = 23.8: last column of the picture
            [4.1, 0.0, 5.0],  # u = 24.2: padding
            [0.0, 3.9, 5.0],  # v = 19.8
            [0.0, 4.1, 5.0],  # v = 20.2: padding
            [-8.1, 0.0, 5.0],  # u = −0.2
        ]
    )
    lookup = project_voxels(points, torch.eye(4)[None, None], intrinsics, sizes, PADDED_HW, *BINS)
    seen = [True, False, True, False, True, False, True, False, False]
    assert lookup.visible.flatten().tolist() == seen
    torch.testing.assert_close(lookup.uvd_unit[0, 0, 0], torch.zeros(3))


def test_a_missing_image_and_no_visible_voxel_are_harmless(seed):
    camera_from_ego, intrinsics, sizes = rig(2, 2)
    features, depth_probs = maps(2, 2, seed)
    features.requires_grad_()
    sizes = sizes * torch.tensor([[1, 0], [0, 0]]).unsqueeze(-1)
    intrinsics = intrinsics * (sizes[..., :1, None] > 0)  # a missing image may hold zeros
    lookup = project_voxels(POINTS, camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    volume = lift(features, depth_probs, lookup, "mean")
    volume.square().sum().backward()
    assert volume[0].abs().sum() > 0
    assert not volume[1].any()
    assert features.grad is not None
    assert not features.grad[0, 1].any()
    assert features.grad.isfinite().all()
    nothing = VoxelLookup(lookup.uvd_unit, torch.zeros_like(lookup.visible))
    assert not lift(features, depth_probs, nothing).any()


def test_bf16_autocast_does_not_touch_coordinates():
    # A large image: half precision would overflow at u·depth and lose whole pixels.
    hw = (928, 1600)
    camera_from_ego, intrinsics, sizes = rig(1, 6, hw)
    points = POINTS * 6
    expected = project_voxels(points, camera_from_ego, intrinsics, sizes, hw, 1.0, 60.0, 60)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lookup = project_voxels(points, camera_from_ego, intrinsics, sizes, hw, 1.0, 60.0, 60)
    assert torch.equal(lookup.uvd_unit, expected.uvd_unit)
    assert torch.equal(lookup.visible, expected.visible)


def golden_corners(grid):
    """Lower corners of a file's voxels, in LiDAR axes, metres; x fastest."""
    places = (torch.arange(float(count)) for count in grid.shape_zyx)
    z, y, x = torch.meshgrid(*places, indexing="ij")
    index = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    return torch.tensor(grid.lower_m) + index * torch.tensor(grid.voxel_size_m)


@pytest.mark.parametrize("name", ["view_trans_pretrain", "view_trans_finetune"])
def test_golden_view_transform(golden, name):
    file = golden(name)
    config, inputs, out = file.config, file.part("in"), file.part("out")
    grid = golden_grid(config)
    b, n, t = inputs["lidar2img"].shape[:3]
    lidar2img = rearrange(inputs["lidar2img"], "b n t i j -> (b t) n i j")
    x, y, z = grid.shape_xyz

    def to_our_order(tensor):
        """Voxels x slowest, z fastest → z slowest, x fastest; cameras and frames to (m n)."""
        pattern = "b n t (x y z) ... -> (b t) n (z y x) ..."
        return rearrange(tensor, pattern, x=x, y=y, z=z)

    mask = to_our_order(out["mask"])
    # `lidar2img` stands for the pose of a camera whose z is depth.
    identity = torch.eye(3).expand(b * t, n, 3, 3)
    hw = tuple(config["img_shape"])
    sizes = torch.tensor(hw).expand(b * t, n, 2)
    depths_m = (config["frustum_range"][2], config["frustum_range"][5], config["depth_dim"])
    lookup = project_voxels(
        golden_corners(grid), lidar2img, identity, sizes, hw, *depths_m, maps_span="centres"
    )
    file.check("out.mask", lookup.visible, 0.0, like=to_our_order)
    file.check(
        "out.reference_voxel_cam", lookup.uvd_unit[mask], like=lambda v: to_our_order(v)[mask]
    )
    leaves = {k: inputs[k].clone().requires_grad_() for k in inputs if k != "lidar2img"}
    volume = torch.zeros(())
    for level in file.numbers(r"in\.feat\.(\d+)"):
        features = rearrange(leaves[f"feat.{level}"], "b (n t) c h w -> (b t) n c h w", t=t)
        depth = rearrange(leaves[f"depth.{level}"], "(b n t) d h w -> (b t) n d h w", b=b, t=t)
        volume = volume + lift(features, depth, lookup)
    volume = rearrange(volume, "(b t) c (z y x) -> b t c z y x", b=b, z=z, y=y)
    file.check("out.volume", volume)
    check_lifted(file, volume, leaves)


@pytest.mark.parametrize("maps_span", ["faces", "centres"])
def test_a_linear_map_is_read_exactly_where_its_span_says(maps_span):
    """Cells that hold their own column and row, in the convention asked for, say where they are."""
    hw, (hf, wf), bins = (32, 64), (8, 16), (0.5, 15.5, 16)
    camera_from_ego, intrinsics, _ = rig(1, 3, hw)
    lookup = project_voxels(
        POINTS, camera_from_ego, intrinsics, torch.tensor(hw).expand(1, 3, 2), hw, *bins, maps_span
    )
    if maps_span == "faces":
        columns, rows = (torch.arange(wf) + 0.5) / wf * hw[1], (torch.arange(hf) + 0.5) / hf * hw[0]
    else:
        columns, rows = torch.linspace(0, hw[1], wf), torch.linspace(0, hw[0], hf)
    depths = torch.linspace(*bins)
    place = torch.stack([columns.expand(hf, -1), rows[:, None].expand(-1, wf)])
    one_camera = torch.zeros_like(lookup.visible)
    one_camera[:, 1] = lookup.visible[:, 1]
    half_m = 0.5 if maps_span == "faces" else 0.0
    projected, depth = project(intrinsics[0, 1], transform_points(camera_from_ego[0, 1], POINTS))
    inner = (projected > 4) & (projected < torch.tensor([hw[1] - 4, hw[0] - 4]))
    # Within the outermost centres nothing fades.
    sound = inner.all(dim=-1) & (depth > bins[0]) & (depth < bins[1])
    assert sound.any()
    seen = one_camera[0, 1] & sound
    lookup = VoxelLookup(lookup.uvd_unit, one_camera, maps_span)
    certain = torch.ones(1, 3, bins[2], hf, wf)
    pixels = lift(place.expand(1, 3, -1, -1, -1), certain, lookup)[0].T
    torch.testing.assert_close(pixels[seen], projected[seen], atol=1e-3, rtol=1e-4)
    by_depth = depths[:, None, None].expand(1, 3, -1, hf, wf)
    read = lift(torch.ones(1, 3, 1, hf, wf), by_depth, lookup)[0, 0]
    torch.testing.assert_close(read[seen], depth[seen], atol=1e-3, rtol=1e-4)
    reach = depth[one_camera[0, 1]]
    assert bins[0] - half_m < reach.min()
    assert reach.max() < bins[1] + half_m


def test_levels_of_any_size_share_one_lookup(seed):
    camera_from_ego, intrinsics, sizes = rig(1, 3)
    lookup = project_voxels(POINTS, camera_from_ego, intrinsics, sizes, PADDED_HW, *BINS)
    for cells in [(1, 1), (3, 4), (6, 8)]:
        constant = repeat(torch.tensor([2.0, 3.0]), "c -> 1 3 c h w", h=cells[0], w=cells[1])
        uniform = torch.full((1, 3, BINS[2], *cells), 1 / BINS[2])
        volume = lift(constant, uniform, lookup)
        torch.testing.assert_close(volume[:, 0] * 1.5, volume[:, 1])
