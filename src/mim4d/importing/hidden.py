"""Masks of the pixels that show nothing to learn from: no picture, or the camera's own car."""

from pathlib import Path

import numpy as np
from PIL import Image

from mim4d.importing.files_out import place_file, save_image
from mim4d.importing.recording import CameraTrack, Recording
from mim4d.importing.rectify import Rectifier


def rectifiers(camera: CameraTrack) -> list[Rectifier]:
    """What makes each view of a camera; none for one whose images are used as they are."""
    return [Rectifier(camera.lens, camera.size_wh, view) for view in camera.views]


def write_masks(drive: Recording, folder: Path) -> list[str]:
    """Write `CHANNEL.png` for each camera with something to hide, 255 where nothing is shown.

    Returns:
        How much of each, in sentences.
    """
    notes = []
    for camera in drive.cameras:
        own_car = None
        if camera.hidden is not None:
            with Image.open(camera.hidden) as image:
                own_car = (np.asarray(image.convert("L")) > 0).astype(np.uint16)
        if not camera.views and camera.hidden is not None:
            folder.mkdir(exist_ok=True)
            place_file(camera.hidden, folder / f"{camera.name}.png", copy=True)
        for channel, rectifier in zip(camera.channels, rectifiers(camera), strict=False):
            hidden = ~rectifier.shown.numpy()
            if own_car is not None:
                hidden |= rectifier.nearest(own_car) > 0
            if hidden.any():
                folder.mkdir(exist_ok=True)
                save_image(np.where(hidden, np.uint8(255), np.uint8(0)), folder / f"{channel}.png")
                notes.append(f"{channel}: {hidden.mean():.1%} of the pixels show nothing")
    if folder.is_dir():
        notes.append("train with --clip.body-masks DATA/masks, so that no ray is cast there")
    return notes
