from pathlib import Path

import numpy as np
import pytest
import torch

from mim4d.data.lidar import read_sweep
from mim4d.errors import DataError

IDENTITY = torch.eye(4, dtype=torch.float64)


def write(path: Path, points: list[list[float]]) -> Path:
    np.pad(np.array(points), ((0, 0), (0, 2))).astype(np.float32).tofile(path)
    return path


def test_points_in_ref_without_ego_returns_and_nan(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", [[3, 0, 0], [1, 1, 1], [np.nan, 9, 9], [0, 4, np.inf]])
    ref_from_lidar = IDENTITY.clone()
    ref_from_lidar[:3, :3] = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # nuScenes mount
    ref_from_lidar[:3, 3] = torch.tensor([10.0, 0, 2])
    points = read_sweep(path, ref_from_lidar, 2.5)
    assert points.dtype == torch.float32
    assert points.tolist() == [[10.0, -3.0, 2.0]]
    assert len(read_sweep(path, ref_from_lidar, 1.0)) == 2


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"sample_data x: .*nothing\.bin not found"):
        read_sweep(tmp_path / "nothing.bin", IDENTITY, 2.5, "sample_data x: ")


@pytest.mark.parametrize("size", [0, 4, 399])
def test_empty_or_truncated_file(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.bin", [[3, 0, 0]] * 20)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError) as caught:
        read_sweep(path, IDENTITY, 2.5, "sample_data x: ")
    for text in ["sample_data x", str(path), f"{size} bytes", "multiple of 20"]:
        assert text in str(caught.value)


def test_not_one_finite_point(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", [[np.nan, 0, 0]] * 3)
    with pytest.raises(DataError, match="none of its 3 points is finite"):
        read_sweep(path, IDENTITY, 2.5)
