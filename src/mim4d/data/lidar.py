"""LiDAR files to points.

A nuScenes `.pcd.bin` file is little-endian float32 with five numbers a point: x, y, z (metres, in
the sensor's axes), intensity, ring. What enters is a file; what leaves are its finite points beyond
the car's own returns.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mim4d.errors import DataError, MissingFileError
from mim4d.geometry.rigid import transform_points

NUMBERS_PER_POINT = 5


def read_sweep(
    path: Path, ref_from_lidar: Float64[Tensor, "4 4"], min_range_m: float, where: str = ""
) -> Float[Tensor, "p 3"]:
    """Points of one sweep in `ref`.

    Args:
        path: The `.pcd.bin` file.
        ref_from_lidar: Pose of the sensor at the sweep's time.
        min_range_m: Points closer to the sensor are returns of the car itself and are dropped.
        where: What to call the record in an error message.

    Raises:
        DataError: If the file is missing, empty, cut short, or without a single finite point.
    """
    if not path.is_file():
        raise MissingFileError(f"{where}LiDAR file {path} not found; was its archive extracted?")
    content = bytearray(path.read_bytes())
    if len(content) == 0 or len(content) % (4 * NUMBERS_PER_POINT):
        raise DataError(
            f"{where}LiDAR file {path} has {len(content)} bytes; expected a positive multiple of "
            f"{4 * NUMBERS_PER_POINT} (x, y, z, intensity, ring as float32): the file is empty, "
            "cut short or of another format; restore it"
        )
    points_lidar = torch.frombuffer(content, dtype=torch.float32).view(-1, NUMBERS_PER_POINT)
    points_lidar = points_lidar[:, :3].double()
    finite = points_lidar.isfinite().all(dim=-1)
    if not finite.any():
        raise DataError(
            f"{where}LiDAR file {path}: none of its {len(finite)} points is finite; restore it"
        )
    points_lidar = points_lidar[finite & (points_lidar.norm(dim=-1) >= min_range_m)]
    return transform_points(ref_from_lidar, points_lidar).float()
