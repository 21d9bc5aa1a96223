"""Ray geometry of feature cells: hand numbers."""

import math

import torch

from mim4d.models.camera_rays import NUM_RAY_FEATURES, cell_rays

# Camera axes (right, down, forward) in ego axes (forward, left, up).
FORWARD = torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def _camera(height_m: float) -> tuple[torch.Tensor, torch.Tensor]:
    pose = torch.eye(4)
    pose[:3, :3] = FORWARD
    pose[2, 3] = height_m
    intrinsics = torch.tensor([[50.0, 0.0, 40.0], [0.0, 50.0, 20.0], [0.0, 0.0, 1.0]])
    return intrinsics[None], pose[None]


def test_road_depth_by_hand() -> None:
    """A camera 1.5 m up, horizon at row 20: the third row of cells has its centre 5 px below."""
    rays = cell_rays(*_camera(1.5), image_hw=(40, 80), lattice=(4, 8))
    assert rays.ground_depth.shape == (1, 4, 8)
    torch.testing.assert_close(rays.ground_depth[0, 2], torch.full((8,), 1.5 * 50 / 5))
    torch.testing.assert_close(rays.ground_depth[0, 3], torch.full((8,), 1.5 * 50 / 15))
    assert rays.ground_depth[0, :2].isinf().all()


def test_directions_are_unit_and_in_ego_axes() -> None:
    rays = cell_rays(*_camera(1.5), image_hw=(40, 80), lattice=(4, 8))
    torch.testing.assert_close(rays.directions.norm(dim=1), torch.ones(1, 4, 8))
    # Four cells right of the centre column's edge: 35 px right and 5 px down of the axis.
    length = math.sqrt(1 + 0.7**2 + 0.1**2)
    expected = torch.tensor([1.0, -0.7, -0.1]) / length
    torch.testing.assert_close(rays.directions[0, :, 2, 7], expected)


def test_no_road_for_a_camera_on_it_or_below() -> None:
    for height in (0.0, -1.0):
        rays = cell_rays(*_camera(height), image_hw=(40, 80), lattice=(4, 8))
        assert rays.ground_depth.isinf().all()
        assert rays.features().isfinite().all()


def test_a_turned_camera_turns_its_rays() -> None:
    """Two cameras in a batch, the second turned left by a right angle."""
    intrinsics, pose = _camera(1.5)
    left = pose.clone()
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    left[0, :3, :3] = turn @ FORWARD
    both = cell_rays(intrinsics.repeat(2, 1, 1), torch.cat([pose, left]), (40, 80), (4, 8))
    turned = torch.einsum("ij,jhw->ihw", turn, both.directions[0])
    torch.testing.assert_close(both.directions[1], turned)
    torch.testing.assert_close(both.ground_depth[1], both.ground_depth[0])


def test_features_are_finite_above_the_horizon_too() -> None:
    features = cell_rays(*_camera(1.5), image_hw=(40, 80), lattice=(4, 8)).features()
    assert features.shape == (1, NUM_RAY_FEATURES, 4, 8)
    assert features.isfinite().all()
    assert features.abs().max() <= 1.0
