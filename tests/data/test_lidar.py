from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.errors import DataError

IDENTITY = torch.eye(4, dtype=torch.float64)


def write(path: Path, points: list[list[float]]) -> Path:
    np.pad(np.array(points), ((0, 0), (0, 2))).astype(np.float32).tofile(path)
    return path


BODY = EgoBody()


def test_points_in_ego_without_nan_and_without_the_car_itself(tmp_path: Path) -> None:
    # nuScenes mount: the sensor's y looks forward, its x right. The third point falls on the
    # bonnet, the fourth 1.2 m aside of the car's axis, just past the mirrors.
    path = write(
        tmp_path / "a.bin",
        [[3, 0, 0], [np.nan, 9, 9], [0, 2, -1], [1.2, 0, -1], [0, 4, np.inf]],
    )
    ego_from_lidar = IDENTITY.clone()
    ego_from_lidar[:3, :3] = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    ego_from_lidar[:3, 3] = torch.tensor([1.0, 0, 2])
    points = read_sweep(path, ego_from_lidar, IDENTITY, BODY)
    expected = torch.tensor([[1.0, -3.0, 2.0], [1.0, -1.2, 1.0]])
    torch.testing.assert_close(points, expected, rtol=0, atol=1e-6)
    narrow = EgoBody(rear_m=0.0, front_m=0.0, half_width_m=0.0)
    assert len(read_sweep(path, ego_from_lidar, IDENTITY, narrow)) == 3


def test_points_in_another_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", [[3, 0, 0], [0, 9, 1]])
    ref_from_ego = IDENTITY.clone()
    ref_from_ego[:3, :3] = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter left
    ref_from_ego[:3, 3] = torch.tensor([10.0, 20, 30])
    points = read_sweep(path, IDENTITY, ref_from_ego, EgoBody(0.0, 0.0, 0.0))
    torch.testing.assert_close(points, torch.tensor([[10.0, 23, 30], [1, 20, 31]]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"sample_data x: .*nothing\.bin not found"):
        read_sweep(tmp_path / "nothing.bin", IDENTITY, IDENTITY, BODY, "sample_data x: ")


@pytest.mark.parametrize("size", [0, 4, 399])
def test_empty_or_truncated_file(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.bin", [[3, 0, 0]] * 20)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError) as caught:
        read_sweep(path, IDENTITY, IDENTITY, BODY, "sample_data x: ")
    for text in ["sample_data x", str(path), f"{size} bytes", "multiple of 20"]:
        assert text in str(caught.value)


def test_not_one_finite_point(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", [[np.nan, 0, 0]] * 3)
    with pytest.raises(DataError, match="none of its 3 points is finite"):
        read_sweep(path, IDENTITY, IDENTITY, BODY)
