"""What a data set holds, as a few short texts: known again wherever it lies, told from any other.

A path says little: data are moved to a job's scratch folder, and other data are put at the same
path. What enters are the tables; what leaves goes into the record of a run and is compared with it.
Files of images and sweeps are not read: their names, times and sizes are.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TypedDict

import numpy as np

from mim4d.data.tables.tables import NuscenesTables

_PARTS = {
    "measurements": ("scene", "sample", "sample_data"),
    "poses": ("ego_pose",),
    "calibration": ("calibrated_sensor", "sensor"),
    "labels": ("sample_annotation", "instance", "category", "attribute", "visibility"),
}


class Fingerprint(TypedDict):
    """What a data set holds, in part by part; `scenes` are those asked for, by name."""

    version: str
    measurements: str
    poses: str
    calibration: str
    labels: str
    scenes: dict[str, str]


def fingerprint(tables: NuscenesTables, scenes: Iterable[str]) -> Fingerprint:
    """The fingerprint of a data set, of which some scenes are used.

    Args:
        tables: The data set.
        scenes: Names of the scenes that are used.
    """
    parts = {part: _of_tables(tables, names) for part, names in _PARTS.items()}
    return Fingerprint(
        version=tables.version,
        measurements=parts["measurements"],
        poses=parts["poses"],
        calibration=parts["calibration"],
        labels=parts["labels"],
        scenes=scene_fingerprints(tables, scenes),
    )


def scene_fingerprints(tables: NuscenesTables, scenes: Iterable[str]) -> dict[str, str]:
    """What makes each scene this very recording: its samples' tokens and times."""
    wanted = set(scenes)
    tokens, times_us = (tables.column("sample", name) for name in ("token", "timestamp_us"))
    found = {}
    for row, name in enumerate(tables.scene_names):
        if name in wanted:
            rows = tables.samples_of_scene(row)
            digest = blake2b(digest_size=8)
            for sample in rows.tolist():
                digest.update(bytes(tokens[sample]) + b" %d\n" % times_us[sample])
            found[name] = digest.hexdigest()
    return found


def _of_tables(tables: NuscenesTables, names: Iterable[str]) -> str:
    digest = blake2b(digest_size=8)
    for name in names:
        for key in tables.column_names(name):
            column = np.ascontiguousarray(tables.column(name, key))
            digest.update(f"{name}.{key} {column.dtype.str} {column.shape}\n".encode())
            digest.update(column.data.cast("B") if column.size else b"")
    return digest.hexdigest()
