import math

import numpy as np
import pytest

from mim4d.world.rig import make_cameras, make_lidar, quaternion_wxyz, rotation_about_z, scan
from tests.world.conftest import pose_matrix

YAWS = {
    "CAM_FRONT": 0.0,
    "CAM_FRONT_LEFT": 55.0,
    "CAM_FRONT_RIGHT": -55.0,
    "CAM_BACK_LEFT": 110.0,
    "CAM_BACK_RIGHT": -110.0,
    "CAM_BACK": 180.0,
}


def test_cameras_look_where_nuscenes_cameras_look():
    cameras = make_cameras(256, 448)
    assert {camera.channel for camera in cameras} == set(YAWS)
    for camera in cameras:
        ahead = camera.ego_from_camera[:3, 2]
        yaw = math.degrees(math.atan2(ahead[1], ahead[0]))
        assert abs(math.remainder(yaw - YAWS[camera.channel], 360.0)) < 0.01
        assert abs(ahead[2]) < 0.02  # nearly level
        right, down = camera.ego_from_camera[:3, 0], camera.ego_from_camera[:3, 1]
        assert abs(right[2]) < 1e-12
        assert down[2] < -0.99
        assert np.linalg.det(camera.ego_from_camera[:3, :3]) == pytest.approx(1.0)


def test_fields_of_view_do_not_depend_on_the_size():
    for height, width in ((48, 80), (900, 1600)):
        for camera in make_cameras(height, width):
            view = 2 * math.degrees(math.atan(width / 2 / camera.intrinsics[0, 0]))
            assert view == pytest.approx(89.3 if camera.channel == "CAM_BACK" else 64.8, abs=0.5)


def test_directions_pass_through_pixel_centres():
    camera = make_cameras(48, 80)[0]
    rays = camera.directions(48, 80)
    pixels = rays @ camera.intrinsics.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    np.testing.assert_allclose(pixels[0, 0], [0.5, 0.5])
    np.testing.assert_allclose(pixels[47, 79], [79.5, 47.5])


def test_exposures_follow_the_turning_lidar():
    leads = {camera.channel: camera.lead_s for camera in make_cameras(48, 80)}
    order = sorted(leads, key=leads.__getitem__, reverse=True)
    clockwise = ["FRONT_LEFT", "FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT"]
    assert order == [f"CAM_{name}" for name in clockwise]
    assert 0.0 <= min(leads.values()) < max(leads.values()) < 0.05


def test_lidar_axes():
    lidar = make_lidar(8)
    np.testing.assert_allclose(
        lidar.ego_from_lidar[:3, :3] @ [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], atol=1e-12
    )
    np.testing.assert_allclose(
        lidar.ego_from_lidar[:3, :3] @ [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], atol=1e-12
    )
    elevation = np.degrees(np.arcsin(lidar.directions()[:, 2]))
    assert elevation.min() == pytest.approx(-30.0)
    assert elevation.max() == pytest.approx(10.0)


def test_quaternion_inverts_to_the_rotation():
    rng = np.random.default_rng(0)
    for yaw in [0.0, math.pi, -math.pi / 2, *rng.uniform(-3.0, 3.0, 20)]:
        for camera in make_cameras(8, 8):
            rotation = rotation_about_z(yaw) @ camera.ego_from_camera[:3, :3]
            row = {"rotation": quaternion_wxyz(rotation), "translation": [0, 0, 0]}
            assert np.linalg.norm(row["rotation"]) == pytest.approx(1.0)
            np.testing.assert_allclose(pose_matrix(row)[:3, :3], rotation, atol=1e-12)


def test_scan_noise_reach_and_dropout():
    lidar = make_lidar(1080)
    directions = lidar.directions()
    distance = np.where(np.arange(len(directions)) % 2, 20.0, 90.0).astype(np.float32)
    bright = np.full(len(directions), 0.5)
    points = scan(lidar, directions, distance, bright, np.random.default_rng(0))
    measured = np.linalg.norm(points[:, :3], axis=1)
    assert len(points) == pytest.approx(0.96 * len(directions) / 2, rel=0.02)  # 90 m is too far
    assert measured.mean() == pytest.approx(20.0, abs=1e-3)
    assert measured.std() == pytest.approx(0.02, rel=0.05)
    assert set(np.unique(points[:, 3])) == {128.0}
    assert points[:, 4].min() == 1.0  # odd beams only
    dark = scan(lidar, directions, distance, 0.0 * bright, np.random.default_rng(0))
    assert len(dark) < 0.4 * len(points)
