"""LiDAR files to points.

A nuScenes `.pcd.bin` file is little-endian float32 with five numbers a point: x, y, z (metres, in
the sensor's axes), intensity, ring. What enters is a file; what leaves are its finite points beyond
the car's own returns and those at the sensor itself, which some drivers write where nothing came
back. Numbers that cannot be points are refused (`point_values`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from mim4d.data.point_values import (
    NUMBERS_PER_POINT,
    at_sensor,
    implausible_values,
    other_format,
)
from mim4d.errors import DataError, MissingFileError


@dataclass(frozen=True)
class EgoBody:
    """The car's own outline seen from above, in its ego axes (origin below the rear axle).

    A box instead of a smallest range: cars parked a metre aside are worth learning from, while the
    bonnet is two metres ahead.

    Attributes:
        rear_m: Where the car ends, x.
        front_m: Where it begins, x.
        half_width_m: Half its width with a margin for mirrors, y.
    """

    rear_m: float = -1.5
    front_m: float = 4.0
    half_width_m: float = 1.1

    def contains(self, columns_ego: Float[np.ndarray, "3 p"]) -> Bool[np.ndarray, " p"]:
        """Points above, below or in the car."""
        x, y = columns_ego[:2]
        inside = (x > self.rear_m) & (x < self.front_m) & (np.abs(y) < self.half_width_m)
        return np.asarray(inside)


_EXPECTED = (
    "expected x, y, z (metres, in the sensor's axes), intensity, ring as little-endian float32 and "
    "nothing before them: write the sweeps anew"
)


def read_sweep(
    path: Path,
    ego_from_lidar: Float64[Tensor, "4 4"],
    target_from_ego: Float64[Tensor, "4 4"],
    body: EgoBody,
    where: str = "",
) -> Float32[Tensor, "p 3"]:
    """Points of one sweep in a frame near the car, such as `ref`.

    Args:
        path: The `.pcd.bin` file.
        ego_from_lidar: Mount of the sensor.
        target_from_ego: From the car at the sweep's own time to the frame wanted.
        body: Points inside are returns of the car itself and are dropped.
        where: What to call the record in an error message.

    Raises:
        DataError: If the file is missing, empty, cut short, of another layout, or without a single
            finite point.
    """
    if not path.is_file():
        raise MissingFileError(f"{where}LiDAR file {path} not found; was its archive extracted?")
    content = path.read_bytes()
    if format_ := other_format(content):
        raise DataError(f"{where}LiDAR file {path} is {format_}; {_EXPECTED}")
    if len(content) == 0 or len(content) % (4 * NUMBERS_PER_POINT):
        raise DataError(
            f"{where}LiDAR file {path} has {len(content)} bytes; expected a positive multiple of "
            f"{4 * NUMBERS_PER_POINT} (x, y, z, intensity, ring as float32): the file is empty, "
            "cut short or of another format; restore it"
        )
    rows = np.frombuffer(content, np.float32).reshape(-1, NUMBERS_PER_POINT)
    if problem := implausible_values(rows):
        raise DataError(f"{where}LiDAR file {path}: {problem}; {_EXPECTED}")
    # Each coordinate in one piece of memory: what follows is several times as fast.
    columns = np.ascontiguousarray(rows[:, :3].T)
    kept = _kept(columns, ego_from_lidar, body)
    if kept is None:
        raise DataError(
            f"{where}LiDAR file {path}: none of its {len(rows)} points is finite; restore it"
        )
    return _transform(target_from_ego @ ego_from_lidar, columns.take(kept, axis=1))


def _kept(
    columns: Float32[np.ndarray, "3 p"], ego_from_lidar: Float64[Tensor, "4 4"], body: EgoBody
) -> Int64[np.ndarray, " k"] | None:
    """Which points are finite and none of the car or the sensor; None if not one is finite."""
    mount = ego_from_lidar.float()  # precise enough for what is dropped
    points_ego = torch.addmm(mount[:3, 3:], mount[:3, :3], torch.from_numpy(columns)).numpy()
    # A product with a coordinate that is not finite is not finite either.
    finite = np.isfinite(points_ego[0])
    if not finite.any():
        return None
    return np.flatnonzero(finite & ~body.contains(points_ego) & ~at_sensor(columns))


def _transform(
    a_from_lidar: Float64[Tensor, "4 4"], columns: Float32[np.ndarray, "3 p"]
) -> Float32[Tensor, "p 3"]:
    """`transform_points` in float64, several times as fast for thousands: one product.

    With a fourth coordinate of 1, the product alone leaves the points as rows in one piece.
    """
    homogeneous = np.ones((4, columns.shape[1]))
    homogeneous[:3] = columns
    points = homogeneous.T @ a_from_lidar[:3].numpy().T
    return torch.from_numpy(points.astype(np.float32))
