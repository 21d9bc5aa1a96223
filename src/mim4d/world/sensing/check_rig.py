"""Refuses rigs and rates that cannot be recorded."""

import numpy as np

from mim4d.world.sensing.rig import Camera, Lidar, Rig
from mim4d.world.sensing.schedule import Recording

SMALLEST_IMAGE, LARGEST_IMAGE = 16, 4096  # rows and columns
MOST_AZIMUTHS, MOST_BEAMS = 100_000, 256
WIDEST_DEG = 170.0
LOWEST_M = 0.05


def check_rig(rig: Rig, recording: Recording) -> None:
    """Refuse what cannot be recorded.

    Raises:
        ValueError: With the sensor, the value and what is possible.
    """
    if recording.samples < 1:
        raise ValueError(f"samples_per_scene={recording.samples}: expected at least 1")
    channels = [camera.channel for camera in rig.cameras]
    channels += [rig.lidar.channel] if rig.lidar else []
    if not rig.cameras or len(set(channels)) < len(channels):
        raise ValueError(f"sensors {channels}: expected a camera at least, and each name once")
    if rig.lidar is not None:
        _check_lidar(rig.lidar, recording)
    for camera in rig.cameras:
        _check_camera(camera, recording, triggered=rig.lidar is not None)


def _check_lidar(lidar: Lidar, recording: Recording) -> None:
    if not 1 <= lidar.azimuths <= MOST_AZIMUTHS:
        raise ValueError(f"lidar_azimuths={lidar.azimuths}: expected 1 to {MOST_AZIMUTHS}")
    if not 1 <= lidar.beams <= MOST_BEAMS:
        raise ValueError(f"{lidar.channel}: beams={lidar.beams}: expected 1 to {MOST_BEAMS}")
    low, high = lidar.elevation_deg
    if not -90 <= low <= high <= 90:
        raise ValueError(
            f"{lidar.channel}: elevation_deg={lidar.elevation_deg}: expected the lowest and the "
            "highest beam, -90 to 90 degrees"
        )
    _check_height(lidar.channel, float(lidar.ego_from_lidar[2, 3]))
    recording.check_lidar()


def _check_camera(camera: Camera, recording: Recording, triggered: bool) -> None:
    size, name = camera.size_hw, camera.channel
    if not SMALLEST_IMAGE <= min(size) <= max(size) <= LARGEST_IMAGE:
        raise ValueError(
            f"{name}: image_hw={size}: expected {SMALLEST_IMAGE} to {LARGEST_IMAGE} rows and "
            "columns"
        )
    widths = 2 * np.rad2deg(np.arctan(np.array(size[::-1]) / 2 / np.diag(camera.intrinsics)[:2]))
    if not (widths > 0).all() or widths.max() > WIDEST_DEG:
        raise ValueError(
            f"{name}: sees {widths[0]:.0f} x {widths[1]:.0f} degrees: a pinhole camera of a world "
            f"sees at most {WIDEST_DEG:g}; a longer focal length, or several cameras"
        )
    _check_height(name, float(camera.ego_from_camera[2, 3]))
    own = "camera_rate_hz" if camera.rate_hz is None else f"{name}: rate_hz"
    rate_hz = camera.rate_hz or recording.camera_hz
    recording.check_camera(own, rate_hz, triggered)
    limit_ms = 500.0 / (rate_hz or 1e6 / recording.interval_us)
    if not 0 <= camera.jitter_ms < limit_ms:
        raise ValueError(
            f"{name}: jitter_ms={camera.jitter_ms:g}: expected 0 to less than {limit_ms:g}, half "
            "the time between its images"
        )


def _check_height(name: str, height_m: float) -> None:
    if height_m < LOWEST_M:
        raise ValueError(
            f"{name}: stands {height_m:g} m above the road, expected at least {LOWEST_M:g} m: "
            "the car's origin lies on the road"
        )
