"""Where the ground lies and which way is up, told from LiDAR points alone.

Most of a sweep's returns lie on the road. The plane with most points is looked for in every sweep;
seen in the ego axes it should be level and pass below the car at z = 0. What enters are points in
the sensor's axes and its mount; what leaves are facts, and findings about all sweeps of a LiDAR.
Metres, degrees in messages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule

MAX_TILT_DEG = 6.0
MAX_GROUND_M = 0.25
MIN_POINTS = 400
MIN_SHARE = 0.2
"""A plane with fewer of the points may be a wall."""
MAX_BELOW = 0.5
"""As many points below the plane, of those above it: then it is no ground."""
MIN_SWEEPS = 3
MAX_SWEEPS = 60
"""So many of a data set, spread evenly, say where its ground lies."""
MAX_SCATTER_DEG, MAX_SCATTER_M = 3.0, 0.15
"""Sweeps that scatter more do not see one road."""

_REACH_M = (3.0, 10.0)
_ABOVE_M = (0.4, 5.0)
"""What stands on the road ends so far above it, and nothing lies so far below."""
_THICKNESS_M = 0.06
"""Half; a kerb, 0.15 m high, must not be taken into the road's plane."""
_MIN_AREA = 1.0
_TRIALS, _POINTS = 100, 1000

UP = Rule(
    "lidar-up",
    "warning",
    f"a road that is level in the ego axes within {MAX_TILT_DEG:g} degrees, things standing on it",
    "check the LiDAR's rotation (ego from lidar, w x y z) and whether it hangs upside down",
)
HEIGHT = Rule(
    "ground-height",
    "warning",
    f"a road at z = 0 of the ego axes within {MAX_GROUND_M:g} m",
    "check the LiDAR's translation and the ego origin (on the road, below the rear axle)",
)


@dataclass(frozen=True)
class Ground:
    """The largest plane of a sweep.

    Attributes:
        tilt_deg: Between the ego z axis and its normal on the side on which things stand.
        below_m: Distance of the sensor to it.
        height_m: Its z at the ego origin; NaN where it is far from level.
    """

    tilt_deg: float
    below_m: float
    height_m: float


def find_ground(
    points_lidar: NDArray[np.float64], ego_from_lidar: NDArray[np.float64]
) -> Ground | None:
    """The largest plane among a sweep's near points; None if no plane is large.

    Args:
        points_lidar: Finite points, `p 3`.
        ego_from_lidar: Mount, `4 4`.
    """
    distance = np.linalg.norm(points_lidar, axis=1)
    near = points_lidar[(distance > _REACH_M[0]) & (distance < _REACH_M[1])]
    if len(near) < MIN_POINTS:
        return None
    rng = np.random.default_rng(0)
    some = near[rng.permutation(len(near))[:_POINTS]]
    corners = some[rng.integers(0, len(some), (_TRIALS, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    wide = length[:, 0] > _MIN_AREA  # three points in a line span no plane
    normals, corners = normals[wide] / length[wide], corners[wide]
    if len(normals) == 0:
        return None
    offsets = -(normals * corners[:, 0]).sum(axis=1)
    inside = np.abs(some @ normals.T + offsets) < _THICKNESS_M
    best = int(inside.sum(axis=0).argmax())
    on_plane = some[inside[:, best]]
    if len(on_plane) < MIN_SHARE * len(some):
        return None
    centre = on_plane.mean(axis=0)
    normal = np.linalg.svd(on_plane - centre, full_matrices=False)[2][-1]
    # Things stand on the road, nothing hangs below it. Where the sensor is says less: points may
    # be given in the axes of the car, whose origin lies on the road.
    above = (near - centre) @ normal
    sides = [np.sum((side > _ABOVE_M[0]) & (side < _ABOVE_M[1])) for side in (above, -above)]
    if min(sides) > MAX_BELOW * max(sides):
        return None
    normal = normal if sides[0] > sides[1] else -normal
    rotation, translation = ego_from_lidar[:3, :3], ego_from_lidar[:3, 3]
    up, place = rotation @ normal, rotation @ centre + translation
    tilt = float(np.degrees(np.arccos(np.clip(up[2], -1, 1))))
    level = abs(up[2]) > 0.9
    height = float(up @ place / up[2]) if level else float("nan")
    return Ground(tilt, float(abs(normal @ centre)), height)


def judge_ground(channel: str, grounds: list[Ground], findings: Findings) -> None:
    """Findings about the ground in all sweeps of one LiDAR that were opened."""
    if len(grounds) < MIN_SWEEPS:
        return
    tilt, below, height = (
        np.array([getattr(ground, name) for ground in grounds])
        for name in ("tilt_deg", "below_m", "height_m")
    )
    if _scatter(tilt) > MAX_SCATTER_DEG or _scatter(below) > MAX_SCATTER_M:
        return
    seen = f"in {len(grounds)} sweeps"
    if np.median(tilt) > MAX_TILT_DEG:
        found = (
            f"{channel}: the largest plane {seen} is tilted by {np.median(tilt):.0f} degrees "
            f"against the ego axes, {np.median(below):.2f} m from the sensor"
        )
        findings.add(UP, "calibrated_sensor", Place(found), group=channel)
    elif abs(np.nanmedian(height)) > MAX_GROUND_M:  # of a wall, now and then, it is not known
        found = (
            f"{channel}: the road {seen} lies at z = {np.nanmedian(height):+.2f} m of the ego axes"
        )
        findings.add(HEIGHT, "calibrated_sensor", Place(found), group=channel)


def _scatter(values: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values - np.median(values))))
