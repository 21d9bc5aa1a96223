"""Rigid motion from a file: numbers by hand, interpolation, and what is said of bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mim4d.data.truth.scene_motion import SceneMotion
from mim4d.errors import DataError

TIMES_US = np.array([1_000_000, 1_020_000, 1_100_000])


def arrays() -> dict[str, Any]:
    """A parked car at (5, 5) and one on a circle of 10 m around (100, 200) at half a radian/s."""
    angle = 0.5 * (TIMES_US - TIMES_US[0]) * 1e-6
    poses = np.stack(
        [100 + 10 * np.sin(angle), 200 - 10 * np.cos(angle), angle + 2 * np.pi], axis=-1
    )
    velocities = 5.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return {
        "times_us": TIMES_US,
        "tokens": np.array(["", "b" * 32]),
        "categories": np.array(["vehicle.car", "vehicle.truck"]),
        "box_centres_m": np.array([[0.0, 0.0, 0.75], [1.0, 0.0, 1.0]]),
        "box_sizes_lwh_m": np.array([[4.0, 2.0, 1.5], [6.0, 2.0, 2.0]]),
        "standing_poses": np.array([[5.0, 5.0, 1.0]]),
        "moving_poses": poses[None],
        "moving_velocities": velocities[None],
        "moving_yaw_rates": np.full((1, 3), 0.5),
    }


@pytest.fixture
def motion(tmp_path: Path) -> SceneMotion:
    np.savez_compressed(tmp_path / "scene.npz", **arrays())
    return SceneMotion.load(tmp_path / "scene.npz")


def test_velocities_by_hand(motion: SceneMotion) -> None:
    """At the first time the truck stands at (100, 190) and heads along x: v = (5, 0)."""
    points = np.array([[100.0, 190.0, 1.0], [102.0, 190.0, 1.0], [100.0, 193.0, 0.0], [7.0, 7, 7]])
    numbers, times = np.array([2, 2, 2, 0]), np.full(4, TIMES_US[0])
    expected = [[5.0, 0.0, 0.0], [5.0, 1.0, 0.0], [3.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(motion.velocities(numbers, times, points), expected, atol=1e-9)
    parked = motion.velocities(np.array([1]), TIMES_US[:1], np.array([[6.0, 5.0, 0.0]]))
    assert parked.tolist() == [[0.0, 0.0, 0.0]]


def test_between_the_times_motion_is_smooth(motion: SceneMotion) -> None:
    times = np.arange(TIMES_US[0], TIMES_US[-1], 1000)
    angle = 0.5 * (times - TIMES_US[0]) * 1e-6
    poses = motion.poses(np.full(len(times), 2), times)
    np.testing.assert_allclose(poses[:, 0], 100 + 10 * np.sin(angle), atol=1e-5)
    np.testing.assert_allclose(poses[:, 2] - 2 * np.pi, angle, atol=1e-9)
    step = np.diff(poses[:, :2], axis=0) / 1e-3
    middle = motion.velocities(np.full(len(times) - 1, 2), times[:-1] + 500, poses[:-1] + 0.0)
    assert np.abs(step - middle[:, :2]).max() < 0.01


def test_displacement_turns_about_the_centre_of_the_circle(motion: SceneMotion) -> None:
    moved = motion.displacement(2, int(TIMES_US[0]), int(TIMES_US[-1]))
    point = np.array([101.0, 195.0, 0.7, 1.0])
    turn = 0.05
    arm = point[:2] - [100.0, 200.0]
    expected = [
        100 + np.cos(turn) * arm[0] - np.sin(turn) * arm[1],
        200 + np.sin(turn) * arm[0] + np.cos(turn) * arm[1],
    ]
    np.testing.assert_allclose((moved @ point)[:2], expected, atol=1e-9)
    assert (moved @ point)[2] == 0.7
    np.testing.assert_allclose(
        motion.displacement(1, int(TIMES_US[0]), int(TIMES_US[-1])), np.eye(4), atol=1e-12
    )


def test_instances_are_found_by_token(motion: SceneMotion) -> None:
    assert motion.number_of("b" * 32) == 2
    for token in ("", "c" * 32):
        with pytest.raises(KeyError, match="no instance"):
            motion.number_of(token)


def test_what_is_asked_for_must_be_there(motion: SceneMotion) -> None:
    with pytest.raises(ValueError, match=r"instances 3 to 3: expected 1 to 2"):
        motion.poses(np.array([3]), TIMES_US[:1])
    with pytest.raises(ValueError, match=r"instances 0 to 1: expected"):
        motion.poses(np.array([0, 1]), TIMES_US[:2])
    with pytest.raises(ValueError, match=r"times 999999 to 999999: expected 1000000 to 1100000"):
        motion.poses(np.array([2]), TIMES_US[:1] - 1)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "scene.npz"
    with pytest.raises(DataError, match=r"scene\.npz: exact motion not found"):
        SceneMotion.load(path)
    np.savez(path, **{name: value for name, value in arrays().items() if name != "tokens"})
    with pytest.raises(DataError, match=r"scene\.npz: damaged .*tokens"):
        SceneMotion.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"scene\.npz: damaged"):
        SceneMotion.load(path)
