import math

import pytest
import torch

from mim4d.geometry.rigid import (
    compose,
    invert_rigid,
    rigid_from_rotation_translation,
    rotation_from_yaw,
    transform_points,
)
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.temporal.warp import sample_volume, warp_volume
from tests.reference.warp import warp_in_index_units, warp_loops

GRID = VoxelGrid((-12.0, -8.0, -2.0), (12.0, 8.0, 4.0), (24, 20, 6))


def motion(yaw_rad, translation_m, pitch_rad=0.0):
    pitch = torch.tensor(pitch_rad)
    about_y = torch.tensor(
        [[pitch.cos(), 0, pitch.sin()], [0, 1, 0], [-pitch.sin(), 0, pitch.cos()]]
    )
    rotation = rotation_from_yaw(torch.tensor(yaw_rad)) @ about_y
    return rigid_from_rotation_translation(rotation, torch.tensor(translation_m))


def coordinate_volume(grid):
    """A volume that holds its own voxel centres, metres."""
    return grid.centres_ego.permute(3, 0, 1, 2).unsqueeze(0)


def test_identity_changes_nothing(seed):
    volume = torch.randn(2, 3, *GRID.shape_zyx, generator=seed)
    warped, valid = warp_volume(volume, torch.eye(4).expand(2, 4, 4), GRID)
    assert valid.all()
    torch.testing.assert_close(warped, volume, rtol=0, atol=2e-5)  # rounding of positions


def test_identity_keeps_every_voxel_of_a_large_grid_valid():
    grid = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (256, 256, 3))
    _, valid = warp_volume(torch.zeros(1, 1, *grid.shape_zyx), torch.eye(4)[None], grid)
    assert valid.all()


@pytest.mark.parametrize("grid", [GRID, VoxelGrid((0.0, -4.0, 1.0), (9.6, 4.0, 3.0), (12, 16, 5))])
def test_coordinates_are_transformed_exactly(grid, seed):
    draws = torch.rand(8, 5, generator=seed) - 0.5
    for yaw, pitch, *shift in (draws * torch.tensor([0.6, 0.1, 6, 4, 1])).tolist():
        source_from_target = motion(yaw, shift, pitch)
        warped, valid = warp_volume(coordinate_volume(grid), source_from_target[None], grid)
        expected = transform_points(source_from_target, grid.centres_ego.reshape(-1, 3))
        expected = expected.reshape(*grid.shape_zyx, 3)
        assert 0.1 < valid.float().mean() < 1
        largest = max(abs(v) for v in grid.lower_m + grid.upper_m)
        difference = (warped[0].permute(1, 2, 3, 0) - expected)[valid[0]].abs().max()
        assert difference < 1e-5 * largest


def test_any_rigid_motion_is_exact_on_the_published_grid(seed):
    """Any axis, up to half a turn and 20 m: within 1e-5 of the largest coordinate, 0.5 mm."""
    grid = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (128, 128, 5))
    source = coordinate_volume(grid)
    for _ in range(4):
        axis = torch.randn(3, generator=seed, dtype=torch.float64)
        x, y, z = (axis / axis.norm() * math.pi * torch.rand(1, generator=seed).item()).tolist()
        turn = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        shift = (torch.rand(3, generator=seed) - 0.5) * torch.tensor([40.0, 40.0, 4.0])
        there = rigid_from_rotation_translation(torch.linalg.matrix_exp(turn).float(), shift)
        warped, valid = warp_volume(source, there[None], grid)
        expected = transform_points(there, grid.centres_ego.reshape(-1, 3))
        error = (warped[0].flatten(1).T - expected)[valid.flatten()].abs().max()
        assert valid.any()
        assert error < 1e-5 * 51.2


def test_turning_by_three_degrees_at_ten_metres_a_second_leaves_no_offset():
    # Half a second: 5 m ahead. The error of the released warp here is several metres.
    grid = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (32, 32, 5))
    source_from_target = motion(math.radians(3), [5.0, 0.0, 0.0])
    expected = transform_points(source_from_target, grid.centres_ego.reshape(-1, 3))
    expected = expected.T.reshape(1, 3, *grid.shape_zyx)
    warped, valid = warp_volume(coordinate_volume(grid), source_from_target[None], grid)
    mask = valid.unsqueeze(1)
    assert valid.float().mean() > 0.5
    assert ((warped - expected) * mask).abs().max() < 1e-4  # metres
    with_defect = warp_in_index_units(coordinate_volume(grid), source_from_target)
    assert ((with_defect - expected) * mask).abs().amax(dim=(0, 2, 3, 4))[:2].min() > 1


def test_there_and_back(seed):
    volume = coordinate_volume(GRID) @ torch.eye(24)  # linear in space, so interpolation is exact
    there = motion(0.2, [1.3, -0.7, 0.2])[None]
    once, valid_once = warp_volume(volume, there, GRID)
    twice, valid_back = warp_volume(once, invert_rigid(there), GRID)
    held, _ = warp_volume(valid_once.float().unsqueeze(1), invert_rigid(there), GRID)
    sound = valid_back & (held[:, 0] > 1 - 1e-4)  # every voxel that was read was valid itself
    assert sound.float().mean() > 0.3
    assert ((twice - volume) * sound.unsqueeze(1)).abs().max() < 1e-4


def test_equals_loops(seed):
    grid = VoxelGrid((-3.0, -2.0, -1.0), (3.0, 2.0, 2.0), (6, 5, 3))
    volume = torch.randn(2, 2, *grid.shape_zyx, generator=seed)
    motions = torch.stack([motion(0.4, [1.0, 0.3, 0.4], 0.1), motion(-0.2, [-0.6, 1.1, -0.2])])
    warped, _ = warp_volume(volume, motions, grid)
    for i in range(2):
        torch.testing.assert_close(
            warped[i], warp_loops(volume[i], motions[i], grid), atol=1e-5, rtol=0
        )


def test_validity_ends_at_the_outermost_centres():
    grid = VoxelGrid((0.0, 0.0, 0.0), (4.0, 1.0, 1.0), (4, 1, 1))
    volume = torch.ones(1, 1, 1, 1, 4)
    shift = motion(0.0, [0.6, 0.0, 0.0])[None]
    warped, valid = warp_volume(volume, shift, grid)
    # Centres 0.5 ... 3.5 are read at 1.1 ... 4.1; the last lies 0.6 beyond the last centre.
    assert valid.flatten().tolist() == [True, True, True, False]
    torch.testing.assert_close(warped.flatten(), torch.tensor([1, 1, 1, 0.4]), atol=1e-5, rtol=0)


def test_an_axis_of_one_voxel_is_constant_within_it():
    grid = VoxelGrid((-4.0, -4.0, -1.0), (4.0, 4.0, 3.0), (8, 8, 1))
    volume = torch.full((1, 2, 1, 8, 8), 3.0)
    warped, valid = warp_volume(volume, motion(0.0, [0.0, 0.0, 1.5])[None], grid)
    assert valid.all()
    torch.testing.assert_close(warped, volume)
    warped, valid = warp_volume(volume, motion(0.0, [0.0, 0.0, 2.5])[None], grid)
    assert not valid.any()
    assert not warped.any()


def test_a_batch_is_its_clips(seed):
    volume = torch.randn(3, 2, *GRID.shape_zyx, generator=seed)
    motions = torch.stack([motion(0.1 * i, [float(i), 0.2, 0.0]) for i in range(3)])
    together = warp_volume(volume, motions, GRID)
    for i in range(3):
        alone = warp_volume(volume[i : i + 1], motions[i : i + 1], GRID)
        # Vectorised loops round their tails differently.
        torch.testing.assert_close(together[0][i], alone[0][0], rtol=0, atol=1e-5)
        assert torch.equal(together[1][i], alone[1][0])


def test_bf16_autocast_does_not_touch_positions(seed):
    volume = torch.randn(1, 2, *GRID.shape_zyx, generator=seed)
    there = motion(0.2, [1.3, -0.7, 0.2])[None]
    expected, _ = warp_volume(volume, there, GRID)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped, _ = warp_volume(volume, there, GRID)
    assert torch.equal(warped, expected)


def test_gradients_of_volume_and_positions(seed):
    volume = torch.randn(2, 3, 3, 4, 5, generator=seed, requires_grad=True)
    positions = torch.rand(2, 6, 3, generator=seed) * torch.tensor([6.0, 5, 4]) - 0.5
    step = 1e-3
    values, _ = sample_volume(volume, positions.requires_grad_())
    cotangent = torch.randn(values.shape, generator=seed)
    slope, spread = torch.autograd.grad((values * cotangent).sum(), (positions, volume))
    for axis in range(3):
        shift = torch.zeros(3)
        shift[axis] = step
        ahead, _ = sample_volume(volume, positions + shift)
        behind, _ = sample_volume(volume, positions - shift)
        numeric = ((ahead - behind) * cotangent).sum(dim=1) / (2 * step)
        torch.testing.assert_close(slope[..., axis], numeric, atol=5e-3, rtol=5e-3)
    # Linear in the volume: <cotangent, lookup(volume)> = <gradient, volume>.
    torch.testing.assert_close((spread * volume).sum(), (values * cotangent).sum())


def test_golden_shift_feature(golden):
    file = golden("shift_feature")
    config = file.config
    volume, out = file.tensors["in.volume"], file.part("out")
    # That file puts voxel i at pc_min + i·size, in the LiDAR's axes.
    first_m, shape = config["pc_range"][:3], config["voxel_shape"]
    steps = zip(first_m, config["voxel_size"], shape, strict=True)
    last_m = [low + (count - 1) * size for low, size, count in steps]
    grid = VoxelGrid.from_centres(tuple(first_m), tuple(last_m), tuple(shape))
    global_from_lidar = compose(file.tensors["in.ego2global"], file.tensors["in.lidar2ego"])
    assert config["pairs"]
    for target, source in config["pairs"]:
        pair = f"key{target}_adj{source}"
        ours = compose(invert_rigid(global_from_lidar[source]), global_from_lidar[target])
        file.check(f"out.transform.{pair}", ours)
        source_from_target = out[f"transform.{pair}"]
        warped, _ = warp_volume(volume, source_from_target.expand(len(volume), 4, 4), grid)
        file.check(f"out.metric.{pair}", warped)
        file.check(f"out.reference.{pair}", warp_in_index_units(volume, source_from_target))
    stored = {name.split(".")[1] for name in out}
    assert stored == {f"key{target}_adj{source}" for target, source in config["pairs"]}
