"""The rig of a world from a file in the words of an importer's `cameras.yaml`.

A section `simulated` of a sensor says what no importer asks: rates, jitter, beams. A camera whose
lens is no pinhole becomes the pinhole views that the importer would make of its images.
"""

from pathlib import Path

import numpy as np

from mim4d.importing.rig_file import CameraSpec, LidarSpec, read_rig_file
from mim4d.importing.yaml_fields import Fields
from mim4d.world.sensing.rig import Camera, Lidar, Rig


def read_world_rig(path: Path) -> Rig:
    """Read the sensors that a world should have.

    Raises:
        DataError: The file is missing or says what cannot be.
    """
    rig = read_rig_file(path)
    cameras = [camera for spec in rig.cameras for camera in _cameras(spec)]
    return Rig(tuple(cameras), _lidar(rig.lidar) if rig.lidar else None)


def _cameras(spec: CameraSpec) -> list[Camera]:
    rate_hz, jitter_ms = _rate(spec.simulated), spec.simulated.number("jitter_ms", 0.0)
    spec.simulated.refuse_others()
    return [
        Camera(
            pinhole.channel,
            pinhole.car_from_camera,
            pinhole.intrinsics,
            (pinhole.size_wh[1], pinhole.size_wh[0]),
            rate_hz,
            jitter_ms,
        )
        for pinhole in spec.pinholes()
    ]


def _lidar(spec: LidarSpec) -> Lidar:
    fields, default = spec.simulated, Lidar(np.eye(4))
    low, high = fields.numbers("elevation_deg", 2, default.elevation_deg)
    lidar = Lidar(
        spec.car_from_lidar,
        azimuths=int(fields.number("azimuths", float(default.azimuths))),
        channel=spec.name,
        beams=int(fields.number("beams", float(default.beams))),
        elevation_deg=(low, high),
        rate_hz=_rate(fields),
    )
    fields.refuse_others()
    return lidar


def _rate(fields: Fields) -> float | None:
    return fields.number("rate_hz") if fields.has("rate_hz") else None
