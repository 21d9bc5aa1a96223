"""Files of the data set: linked where they can be, made where they must be, each whole or not."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mim4d.errors import DataError
from mim4d.files import replacing
from mim4d.importing.recording import LidarTrack
from mim4d.importing.rectify import Rectifier

JPEG_QUALITY = 95


def place_file(source: Path, target: Path, *, copy: bool) -> None:
    """Link a file to a place of its own, or copy it; what is there already stays.

    A hard link costs no space and outlives the source's being moved; across file systems it becomes
    a symbolic one.
    """
    if target.exists():
        return
    source = source.resolve()
    if not copy:
        if source.stat().st_dev != target.parent.stat().st_dev:
            target.symlink_to(source)
            return
        with contextlib.suppress(OSError):  # a file system that has no links
            os.link(source, target)
            return
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def read_image(path: Path, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Levels of an image, reduced to a size where one is given.

    Raises:
        DataError: It cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}); restore it") from error
    if size_wh is not None and picture.size != size_wh:
        picture = picture.resize(size_wh, Image.Resampling.BILINEAR)
    return np.array(picture)


def write_views(source: Path, rectifiers: list[Rectifier], targets: list[Path]) -> None:
    """Write the images of all views of one image; those that are there already stay.

    Raises:
        DataError: The image cannot be decoded.
    """
    levels: dict[tuple[int, int], NDArray[np.uint8]] = {}
    for rectifier, target in zip(rectifiers, targets, strict=True):
        if target.exists():
            continue
        size = rectifier.source_wh
        if size not in levels:
            levels[size] = read_image(source, size)
        save_image(rectifier.image(levels[size]), target)


def save_image(levels: NDArray[Any], target: Path) -> None:
    """Write a picture whole."""
    options = {"compress_level": 1} if target.suffix == ".png" else {"quality": JPEG_QUALITY}
    with replacing(target) as temporary:
        Image.fromarray(levels).save(temporary, **options)


def write_distances(source: Path, rectifiers: list[Rectifier], targets: list[Path]) -> None:
    """Exact distances of an image, seen by its views."""
    with Image.open(source) as image:
        steps = np.asarray(image).astype(np.uint16)
    for rectifier, target in zip(rectifiers, targets, strict=True):
        if not target.exists():
            save_image(rectifier.nearest(steps), target)


def write_sweep(source: Path, lidar: LidarTrack, target: Path, *, copy: bool) -> None:
    """Link a sweep, or write its points; what is there already stays.

    Raises:
        DataError: It cannot be read, or none of its points is finite.
    """
    if target.exists():
        return
    if lidar.as_stored:
        place_file(source, target, copy=copy)
        return
    points = lidar.read(source)
    if not np.isfinite(points[:, :3]).all(axis=1).any():
        raise DataError(f"LiDAR file {source}: none of its {len(points)} points is finite")
    with replacing(target) as temporary:
        points.tofile(temporary)
