import pytest
import torch
import torch.nn.functional as F

from mim4d.geometry.voxel_grid import VoxelGrid, box_pose

GRID = VoxelGrid((-4.0, -2.0, -1.0), (4.0, 2.0, 3.0), (8, 2, 4))
# A LiDAR whose x points to the right and whose y points ahead, one metre ahead and two up.
LIDAR = ((0.0, 1.0, 0.0, 1.0), (-1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 2.0), (0.0, 0.0, 0.0, 1.0))


def test_hand_numbers():
    assert GRID.shape_zyx == (4, 2, 8)
    assert GRID.voxel_size_m == (1, 2, 1)
    assert GRID.centres_ego.shape == (4, 2, 8, 3)
    assert GRID.centres_ego[0, 0, 0].tolist() == [-3.5, -1, -0.5]
    assert GRID.centres_ego[3, 1, 7].tolist() == [3.5, 1, 2.5]
    assert GRID.centres_ego[1, 0, 2].tolist() == [-1.5, -1, 0.5]
    points = torch.tensor([[-4.0, -2, -1], [4, 2, 3], [0, 0, 1], [-3.5, -1, -0.5]])
    unit = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [0, 0, 0], [-0.875, -0.5, -0.75]])
    torch.testing.assert_close(GRID.to_unit(points), unit)
    grid = torch.tensor([[0.0, 0, 0], [8, 2, 4], [4, 1, 2], [0.5, 0.5, 0.5]])
    torch.testing.assert_close(GRID.to_grid(points), grid)


def test_contains():
    points = torch.tensor([[[0.0, 0, 0], [4, 2, 3]], [[4.01, 0, 0], [0, 0, -1.01]]])
    assert GRID.contains(points).tolist() == [[True, True], [False, False]]


def test_centres_sample_their_own_voxel(seed):
    volume = torch.randn(1, 2, *GRID.shape_zyx, generator=seed)
    unit = GRID.to_unit(GRID.centres_ego)
    sampled = F.grid_sample(volume, unit[None], align_corners=False)
    torch.testing.assert_close(sampled, volume, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pose", [None, LIDAR])
def test_from_centres_is_the_lookup_with_align_corners(seed, pose):
    first, last = (-8.0, -6.0, -5.0), (7.0, 6.0, 1.4)
    grid = VoxelGrid.from_centres(first, last, (16, 5, 3))
    if pose is not None:
        grid = VoxelGrid(grid.lower_m, grid.upper_m, grid.shape_xyz, ego_from_box=pose)
    volume = torch.randn(1, 2, *grid.shape_zyx, generator=seed)
    points_box = torch.rand(50, 3, generator=seed) * torch.tensor([17.0, 14, 8]) - torch.tensor(
        [9.0, 7, 5.5]
    )
    matrix = torch.tensor(grid.ego_from_box)
    points_ego = points_box @ matrix[:3, :3].T + matrix[:3, 3]
    ours = F.grid_sample(volume, grid.to_unit(points_ego).view(1, 1, 1, 50, 3), align_corners=False)
    span = torch.tensor(last) - torch.tensor(first)
    theirs = 2 * (points_box - torch.tensor(first)) / span - 1
    expected = F.grid_sample(volume, theirs.view(1, 1, 1, 50, 3), align_corners=True)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_from_centres_puts_the_centres_there():
    grid = VoxelGrid.from_centres((-8.0, -6.0, -5.0), (7.0, 6.0, 1.4), (16, 5, 3))
    torch.testing.assert_close(grid.centres_ego[0, 0, 0], torch.tensor([-8.0, -6.0, -5.0]))
    torch.testing.assert_close(grid.centres_ego[-1, -1, -1], torch.tensor([7.0, 6.0, 1.4]))


def test_a_grid_in_lidar_axes():
    grid = VoxelGrid((-2.0, 0.0, -1.0), (2.0, 8.0, 1.0), (4, 8, 2), ego_from_box=LIDAR)
    # The first voxel: 1.5 m to the left, half a metre ahead of the LiDAR, half a metre below it.
    torch.testing.assert_close(grid.centres_ego[0, 0, 0], torch.tensor([1.5, 1.5, 1.5]))
    torch.testing.assert_close(
        grid.to_grid(grid.centres_ego[1, 5, 3]), torch.tensor([3.5, 5.5, 1.5])
    )
    torch.testing.assert_close(grid.box_from_ego @ torch.tensor(LIDAR), torch.eye(4))
    assert grid.contains(torch.tensor([[8.9, 0.0, 2.0], [0.9, 0.0, 2.0]])).tolist() == [True, False]


def test_coordinates_keep_their_precision_under_autocast():
    expected = GRID.to_grid(GRID.centres_ego)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(GRID.to_grid(GRID.centres_ego), expected)


@pytest.mark.parametrize(
    ("lower", "upper", "shape"),
    [
        ((0.0, 0.0, 0.0), (1.0, 0.0, 1.0), (1, 1, 1)),
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1, 0, 1)),
    ],
)
def test_empty_sides_are_refused(lower, upper, shape):
    with pytest.raises(ValueError, match="the y side runs from"):
        VoxelGrid(lower, upper, shape)


def test_box_pose_by_hand():
    assert box_pose((1.0, 2.0, 3.0), (0.0, 0.0, 0.0)) == (
        (1.0, 0.0, 0.0, 1.0),
        (0.0, 1.0, 0.0, 2.0),
        (0.0, 0.0, 1.0, 3.0),
        (0.0, 0.0, 0.0, 1.0),
    )
    # A roll of 90 degrees takes y up; a yaw of 90 degrees then takes x to the left.
    pose = torch.tensor(box_pose((0.0, 0.0, 0.0), (90.0, 0.0, 90.0)))
    torch.testing.assert_close(pose[:3, 0], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(pose[:3, 1], torch.tensor([0.0, 0.0, 1.0]))
    # A positive pitch takes x down.
    pitched = torch.tensor(box_pose((0.0, 0.0, 0.0), (0.0, 90.0, 0.0)))
    torch.testing.assert_close(pitched[:3, 0], torch.tensor([0.0, 0.0, -1.0]))


def test_only_an_untouched_grid_is_in_ego_axes():
    sides = ((-4.0, -4.0, 0.0), (4.0, 4.0, 2.0), (8, 4, 2))
    assert VoxelGrid(*sides, box_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))).is_in_ego_axes
    assert not VoxelGrid(*sides, box_pose((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))).is_in_ego_axes
    assert not VoxelGrid(*sides, box_pose((0.1, 0.0, 0.0), (0.0, 0.0, 0.0))).is_in_ego_axes


def test_a_shifted_grid_has_its_centres_at_the_corners():
    grid = VoxelGrid((-4.0, -4.0, 0.0), (4.0, 4.0, 2.0), (8, 4, 2))
    first = grid.shifted(-0.5).centres_ego[0, 0, 0]
    assert first.tolist() == [-4.0, -4.0, 0.0]


def test_layer_heights_are_those_of_the_voxel_centres() -> None:
    tilted = (
        (1.0, 0.0, 0.0, 0.5),
        (0.0, 0.8, -0.6, 0.0),
        (0.0, 0.6, 0.8, 1.5),
        (0.0, 0.0, 0.0, 1.0),
    )
    for grid in (
        VoxelGrid((-4.0, -2.0, -1.0), (4.0, 6.0, 5.0), (4, 4, 3)),
        VoxelGrid((-4.0, -2.0, -1.0), (4.0, 6.0, 5.0), (4, 4, 3), tilted),
    ):
        expected = grid.centres_ego[..., 2].mean(dim=(1, 2))
        torch.testing.assert_close(torch.tensor(grid.layer_heights_m), expected)
