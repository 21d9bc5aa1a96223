"""Sensor rigs; the usual one has six cameras as on the nuScenes car and a LiDAR on the roof.

`ego` is x forward, y left, z up with its origin on the ground under the rear axle; `camera` is x
right, y down, z along the optical axis; `lidar` is x right, y forward, z up. Pixel (0, 0) is the
first pixel's corner. Metres, seconds, radians.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

# Azimuth (counter-clockwise from ahead) at which a turn of the LiDAR ends; it turns clockwise.
TURN_END_DEG = 106.0


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        channel: Its name.
        ego_from_camera: Mounting.
        intrinsics: In pixels.
        size_hw: Rows and columns of its images.
        rate_hz: Its own exposures per second; None: as all cameras of the recording.
        jitter_ms: Its exposures come up to so much earlier or later than they should.
    """

    channel: str
    ego_from_camera: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "3 3"]
    size_hw: tuple[int, int]
    rate_hz: float | None = None
    jitter_ms: float = 0.0

    @property
    def lead_turns(self) -> float:
        """The LiDAR passes the optical axis this share of a turn before the turn's end."""
        ahead = self.ego_from_camera[:2, 2]
        azimuth_deg = math.degrees(math.atan2(ahead[1], ahead[0]))
        # Rounded: an axis where turns end is passed at their end, not a whole turn before.
        return round((azimuth_deg - TURN_END_DEG) % 360.0, 9) % 360.0 / 360.0

    def half_angle(self) -> float:
        """Largest angle between the optical axis and a ray, both seen from above, radians."""
        height, width = self.size_hw
        corners = np.array([[u, v, 1.0] for u in (0, width) for v in (0, height)])
        rays = corners @ np.linalg.inv(self.intrinsics).T
        slant = np.arccos((rays[:, 2] / np.linalg.norm(rays, axis=1)).min())
        if slant + abs(math.asin(np.clip(self.ego_from_camera[2, 2], -1, 1))) >= math.pi / 2:
            return math.pi  # it may see what is straight below or above
        x, y = self.ego_from_camera[:2, 2]
        turned = rays @ self.ego_from_camera[:3, :3].T
        across = turned[:, 1] * x - turned[:, 0] * y
        return float(np.abs(np.arctan2(across, turned[:, :2] @ [x, y])).max())

    def directions(self) -> Float[np.ndarray, "h w 3"]:
        """Unit directions through the pixel centres, camera axes."""
        height, width = self.size_hw
        u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
        rays = pixels @ np.linalg.inv(self.intrinsics).T
        unit: Float[np.ndarray, "h w 3"] = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        return unit


@dataclass(frozen=True)
class Lidar:
    """The LiDAR: beams at fixed elevations, equally spaced azimuths; turns clockwise.

    Attributes:
        ego_from_lidar: Mounting.
        azimuths: Firings per turn and beam.
        channel: Its name.
        beams: Number of beams.
        elevation_deg: Of the lowest and the highest beam; the others are spaced evenly.
        rate_hz: Its own turns per second; None: as the recording says.
        reach_m: Nothing farther returns.
        noise_m: Standard deviation of the distance.
        dropout: Share of returns lost at random.
    """

    ego_from_lidar: Float[np.ndarray, "4 4"]
    azimuths: int = 1080
    channel: str = "LIDAR_TOP"
    beams: int = 32
    elevation_deg: tuple[float, float] = (-30.0, 10.0)
    rate_hz: float | None = None
    reach_m: float = 85.0
    noise_m: float = 0.02
    dropout: float = 0.04

    def directions(self) -> Float[np.ndarray, "r 3"]:
        """Unit directions in lidar axes in the order of firing: all beams, azimuth by azimuth."""
        elevation = np.deg2rad(np.linspace(*self.elevation_deg, self.beams))
        mount = math.atan2(self.ego_from_lidar[1, 0], self.ego_from_lidar[0, 0])
        end = math.radians(TURN_END_DEG) - mount
        azimuth = end + 2 * math.pi * self.lead_turns()
        a, e = np.meshgrid(azimuth, elevation, indexing="ij")
        axes = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
        return np.stack(axes, axis=-1).reshape(-1, 3)

    def lead_turns(self) -> Float[np.ndarray, " a"]:
        """Share of a turn between the firing at each azimuth and the end of the turn."""
        return np.arange(self.azimuths - 1, -1, -1) / self.azimuths


@dataclass(frozen=True)
class Rig:
    """The sensors of a car.

    Attributes:
        cameras: At least one.
        lidar: None for a car without.
    """

    cameras: tuple[Camera, ...]
    lidar: Lidar | None

    @property
    def modalities(self) -> dict[str, str]:
        """`camera` or `lidar` by channel, the LiDAR first."""
        lidar = {} if self.lidar is None else {self.lidar.channel: "lidar"}
        return lidar | {camera.channel: "camera" for camera in self.cameras}


def mounted(
    x: float, y: float, z: float, rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "4 4"]:
    """A pose as a 4×4 matrix."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = x, y, z
    return pose


def rotation_about_z(yaw: float) -> Float[np.ndarray, "3 3"]:
    """Counter-clockwise seen from above."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def make_cameras(height: int, width: int) -> tuple[Camera, ...]:
    """Six cameras of the given image size; horizontal fields of view of 65° and, behind, 90°."""
    # Channel; x, y, z; yaw and pitch (degrees, up); focal length and centre in image widths.
    places = [
        ("CAM_FRONT", 1.70, 0.02, 1.51, 0.0, 0.0, 0.791, 0.510),
        ("CAM_FRONT_RIGHT", 1.55, -0.49, 1.50, -55.0, 0.3, 0.788, 0.505),
        ("CAM_BACK_RIGHT", 1.01, -0.48, 1.56, -110.0, -0.4, 0.787, 0.495),
        ("CAM_BACK", 0.03, 0.00, 1.58, 180.0, -0.6, 0.506, 0.518),
        ("CAM_BACK_LEFT", 1.04, 0.48, 1.59, 110.0, -0.3, 0.786, 0.495),
        ("CAM_FRONT_LEFT", 1.52, 0.49, 1.51, 55.0, 0.4, 0.795, 0.516),
    ]
    return tuple(
        Camera(
            channel,
            mounted(x, y, z, _camera_rotation(math.radians(yaw), math.radians(pitch))),
            np.array([[f * width, 0, c * width], [0, f * width, 0.53 * height], [0, 0, 1.0]]),
            (height, width),
        )
        for channel, x, y, z, yaw, pitch, f, c in places
    )


def usual_rig(image_hw: tuple[int, int], azimuths: int) -> Rig:
    """The sensors of the nuScenes car."""
    return Rig(make_cameras(*image_hw), make_lidar(azimuths))


def make_lidar(azimuths: int) -> Lidar:
    """The LiDAR on the roof; its y axis points ahead."""
    return Lidar(mounted(0.94, 0.0, 1.84, rotation_about_z(-math.pi / 2)), azimuths)


def _camera_rotation(yaw: float, pitch: float) -> Float[np.ndarray, "3 3"]:
    """`ego_from_camera` rotation of a camera that looks along `yaw`, raised by `pitch`."""
    ahead = np.array(
        [math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)]
    )
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    return np.stack([right, np.cross(ahead, right), ahead], axis=-1)


def quaternion_about_z(yaw: float) -> list[float]:
    """Unit quaternion w, x, y, z of a rotation about z; its first non-zero number is positive."""
    half = math.remainder(yaw, 2 * math.pi) / 2
    return [math.cos(half), 0.0, 0.0, math.sin(half)]


@dataclass(frozen=True)
class Echoes:
    """What a LiDAR makes of its rays.

    Attributes:
        rays: Indices of the rays that return.
        distance_m: Measured along each of them.
        intensity: 0 to 255.
    """

    rays: Int64[np.ndarray, " p"]
    distance_m: Float[np.ndarray, " p"]
    intensity: Float[np.ndarray, " p"]


def listen(
    lidar: Lidar,
    distance_m: Float32[np.ndarray, " r"],
    reflectance: Float[np.ndarray, " r"],
    rng: np.random.Generator,
) -> Echoes:
    """What returns to the LiDAR, with range noise and drop-out.

    Args:
        lidar: Reach, noise, drop-out.
        distance_m: True distance along each ray; beyond the reach where nothing is hit.
        reflectance: 0 to 1; dark or slanted surfaces far away may not return.
        rng: Source of noise and drop-out.
    """
    noise = rng.normal(0.0, lidar.noise_m, len(distance_m))
    chance = rng.random(len(distance_m))
    strength = reflectance * np.exp(-distance_m / 60.0)
    lost = lidar.dropout + 0.7 * np.exp(-strength / 0.004)
    rays = np.flatnonzero((distance_m < lidar.reach_m) & (chance > lost))
    measured = distance_m[rays] + noise[rays]
    intensity = np.clip(np.round(255.0 * reflectance[rays]), 0, 255)
    return Echoes(rays, measured, intensity)
