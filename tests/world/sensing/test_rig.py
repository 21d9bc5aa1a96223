import math

import numpy as np
import pytest

from mim4d.importing.rotations import FORWARD_FROM_OPTICAL, from_yaw_pitch_roll
from mim4d.world.sensing.rig import (
    Camera,
    listen,
    make_cameras,
    make_lidar,
    mounted,
    quaternion_about_z,
    rotation_about_z,
)
from mim4d.writing.rows import quaternion_wxyz
from tests.world.conftest import Row, pose_matrix

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


def test_half_the_angle_of_view_as_seen_from_above():
    def camera(yaw: float, pitch: float, roll: float) -> Camera:
        mount = mounted(1.0, 0.0, 1.5, from_yaw_pitch_roll(yaw, pitch, roll) @ FORWARD_FROM_OPTICAL)
        return Camera("CAM", mount, np.array([[50.0, 0, 50], [0, 50, 25], [0, 0, 1]]), (50, 100))

    assert math.degrees(camera(70.0, 0.0, 0.0).half_angle()) == pytest.approx(45.0)
    # On its side it is as wide as it was high: atan(25 / 50); nose down, corners spread.
    assert math.degrees(camera(70.0, 0.0, 90.0).half_angle()) == pytest.approx(26.565, abs=1e-3)
    assert math.degrees(camera(70.0, -30.0, 0.0).half_angle()) > 50.0
    assert camera(0.0, -80.0, 0.0).half_angle() == math.pi  # sees the ground below itself


def test_directions_pass_through_pixel_centres():
    camera = make_cameras(48, 80)[0]
    rays = camera.directions()
    pixels = rays @ camera.intrinsics.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    np.testing.assert_allclose(pixels[0, 0], [0.5, 0.5])
    np.testing.assert_allclose(pixels[47, 79], [79.5, 47.5])


def test_exposures_follow_the_turning_lidar():
    leads = {camera.channel: camera.lead_turns for camera in make_cameras(48, 80)}
    order = sorted(leads, key=leads.__getitem__, reverse=True)
    clockwise = ["FRONT_LEFT", "FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT"]
    assert order == [f"CAM_{name}" for name in clockwise]
    assert 0.0 <= min(leads.values()) < max(leads.values()) < 1.0


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
            row: Row = {"rotation": quaternion_wxyz(rotation), "translation": [0, 0, 0]}
            assert np.linalg.norm(row["rotation"]) == pytest.approx(1.0)
            np.testing.assert_allclose(pose_matrix(row)[:3, :3], rotation, atol=1e-12)
    for yaw in rng.uniform(-12.0, 12.0, 20):
        row = {"rotation": quaternion_about_z(yaw), "translation": [0, 0, 0]}
        np.testing.assert_allclose(pose_matrix(row)[:3, :3], rotation_about_z(yaw), atol=1e-12)
        assert row["rotation"][0] >= 0.0


def test_the_lidar_turns_clockwise_and_passes_each_camera_when_it_is_triggered():
    lidar = make_lidar(3600)
    leads = lidar.lead_turns()
    assert leads[-1] == 0.0
    assert (np.diff(leads) < 0).all()
    rays = (lidar.ego_from_lidar[:3, :3] @ lidar.directions().T).T.reshape(3600, 32, 3)[:, 16]
    azimuths = np.unwrap(np.arctan2(rays[:, 1], rays[:, 0]))
    assert (np.diff(azimuths) < 0).all()
    for camera in make_cameras(8, 8):
        axis = camera.ego_from_camera[:2, 2]
        firing = np.argmax(rays[:, :2] @ axis / np.linalg.norm(rays[:, :2], axis=1))
        assert leads[firing] == pytest.approx(camera.lead_turns, abs=1 / 3600)


def test_echoes_have_noise_reach_and_dropout():
    lidar = make_lidar(1080)
    rays = 1080 * 32
    distance = np.where(np.arange(rays) % 2, 20.0, 90.0).astype(np.float32)
    bright = np.full(rays, 0.5)
    echoes = listen(lidar, distance, bright, np.random.default_rng(0))
    assert len(echoes.rays) == pytest.approx(0.96 * rays / 2, rel=0.02)  # 90 m is too far
    assert (echoes.rays % 2 == 1).all()
    assert echoes.distance_m.mean() == pytest.approx(20.0, abs=1e-3)
    assert echoes.distance_m.std() == pytest.approx(0.02, rel=0.05)
    assert set(echoes.intensity) == {128.0}
    dark = listen(lidar, distance, 0.0 * bright, np.random.default_rng(0))
    assert len(dark.rays) < 0.4 * len(echoes.rays)
