"""Images without a drive: one of each camera, or several moments, in a folder with cameras.yaml.

    FOLDER/cameras.yaml
    FOLDER/CAM_FRONT.jpg            one image of each camera; or
    FOLDER/CAM_FRONT/TIME.jpg       several moments, which then stand for themselves

Nothing is known of the car's motion, so every moment is a scene of its own; a folder with poses.csv
is a drive and read as one. A camera without an image is absent.
"""

import logging
from pathlib import Path

import numpy as np

from mim4d.errors import MissingFileError
from mim4d.importing.folder_names import RIG
from mim4d.importing.recording import PoseTrack, Recording, TimedFile
from mim4d.importing.rig_file import RigFile, read_rig_file
from mim4d.importing.rig_folder import IMAGES, camera_with, timed_files

APART_US = 50_000
"""Images of one moment lie at most so far apart."""
_LOGGER = logging.getLogger(__name__)


def read_still_folder(folder: Path) -> list[Recording]:
    """Every moment of a folder as a recording of one sample.

    Raises:
        DataError: There is no rig, no image, or a name is no time.
    """
    rig = read_rig_file(folder / RIG)
    images = {camera.name: _images(folder, camera.name, rig.time_unit) for camera in rig.cameras}
    absent = [name for name, files in images.items() if not files]
    if len(absent) == len(images):
        names = ", ".join(f"{name}.jpg" for name in images)
        raise MissingFileError(
            f"{folder}: no images; expected {names} (or .png), or a folder of images for each "
            "camera, named by their times"
        )
    for name in absent:
        _LOGGER.warning("%s: no image of %s; the camera is left out", folder, name)
    return [_moment(rig, number, files) for number, files in enumerate(_moments(images))]


def _images(folder: Path, name: str, unit: str) -> tuple[TimedFile, ...]:
    for ending in IMAGES:
        if (path := folder / f"{name}{ending}").is_file():
            return (TimedFile(0, path),)
    if (folder / name).is_dir():
        return timed_files(folder / name, IMAGES, unit, f"images of {name}")
    return ()


def _moments(images: dict[str, tuple[TimedFile, ...]]) -> list[dict[str, TimedFile]]:
    """Images of each moment: those nearest to the times of the camera that has most of them."""
    leader = max(images, key=lambda name: len(images[name]))
    moments = []
    for lead in images[leader]:
        moment = {}
        for name, files in images.items():
            near = min(files, key=lambda f: abs(f.time_us - lead.time_us), default=None)
            if near is not None and abs(near.time_us - lead.time_us) <= APART_US:
                moment[name] = near
        moments.append(moment)
    return moments


def _moment(rig: RigFile, number: int, files: dict[str, TimedFile]) -> Recording:
    """The car stands at the origin; one sample says nothing of its motion."""
    times = np.array(sorted({file.time_us for file in files.values()}), dtype=np.int64)
    poses = PoseTrack(
        times,
        np.zeros((len(times), 3)),
        np.tile([1.0, 0.0, 0.0, 0.0], (len(times), 1)),
        f"{rig.path.parent}, moment {number}",
    )
    cameras = [
        camera_with(camera, (files[camera.name],)) for camera in rig.cameras if camera.name in files
    ]
    name = f"moment-{number:04d}"
    return Recording(name, rig.location, rig.vehicle, tuple(cameras), None, poses)
