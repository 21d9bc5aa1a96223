"""The voxel grid around the car."""

from dataclasses import dataclass

from mim4d.config.values import Vector3


@dataclass(frozen=True)
class GridConfig:
    """The voxel grid around the car, in ego axes (x forward, y left, z up) or its own, metres."""

    lower_m: Vector3 = (-32.0, -32.0, -1.0)
    """Lower faces along x, y, z."""
    upper_m: Vector3 = (32.0, 32.0, 5.0)
    """Upper faces along x, y, z."""
    shape_xyz: tuple[int, int, int] = (64, 64, 8)
    """Number of voxels along x, y, z."""
    origin_m: Vector3 = (0.0, 0.0, 0.0)
    """Origin of the grid's own axes, in ego axes; published grids lie in the LiDAR's axes."""
    rotation_deg: Vector3 = (0.0, 0.0, 0.0)
    """Roll, pitch and yaw of the grid's axes in ego axes, degrees: turns about x, then y, then
    z."""
