"""Masks of the pixels that show nothing to learn from: no picture, or the camera's own car."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from mim4d.errors import DataError
from mim4d.importing.files_out import save_image
from mim4d.importing.recording import CameraTrack, Recording
from mim4d.importing.rectify import Rectifier

Mask = Bool[np.ndarray, "h w"]


def rectifiers(camera: CameraTrack) -> list[Rectifier]:
    """What makes each view of a camera; none for one whose images are used as they are."""
    return [Rectifier(camera.lens, camera.size_wh, view) for view in camera.views]


def write_masks(rigs: Sequence[Recording], folder: Path) -> list[str]:
    """Write `CHANNEL.png` for each camera with something to hide, 255 where nothing is shown.

    Returns:
        How much of each, in sentences.

    Raises:
        DataError: Two rigs have a camera of one name that hide different pixels.
    """
    written: dict[str, Mask] = {}
    for camera in (camera for rig in rigs for camera in rig.cameras):
        for channel, hidden in _masks(camera):
            known = written.setdefault(channel, hidden)
            if known.shape != hidden.shape or (known != hidden).any():
                raise DataError(
                    f"{channel}: cameras of this name on two rigs hide different pixels; give one "
                    "of them another name in its cameras.yaml"
                )
    shown = {channel: hidden for channel, hidden in written.items() if hidden.any()}
    for channel, hidden in shown.items():
        folder.mkdir(exist_ok=True)
        save_image(np.where(hidden, np.uint8(255), np.uint8(0)), folder / f"{channel}.png")
    notes = [f"{name}: {mask.mean():.1%} of the pixels are hidden" for name, mask in shown.items()]
    if notes:
        notes.append("no rays are cast there: training finds the masks in body_masks/")
    return notes


def _masks(camera: CameraTrack) -> Iterator[tuple[str, Mask]]:
    """What each channel of a camera does not show."""
    own_car = np.zeros(camera.size_wh[::-1], dtype=np.uint16)
    if camera.hidden is not None:
        with Image.open(camera.hidden) as image:
            own_car = (np.asarray(image.convert("L")) > 0).astype(np.uint16)
    if not camera.views:
        yield camera.name, own_car > 0
    for channel, rectifier in zip(camera.channels, rectifiers(camera), strict=False):
        yield channel, ~rectifier.shown.numpy() | (rectifier.nearest(own_car) > 0)
