"""Which files of a data set are there: folders are listed once each, so that millions take seconds.

What enters are file names relative to the data set; what leaves are their sizes in bytes.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64


def file_sizes(root: Path, names: Sequence[str]) -> Int64[np.ndarray, " m"]:
    """Bytes of each file; -1 where it is missing."""
    folders: dict[str, dict[str, int]] = {}
    sizes = np.full(len(names), -1, np.int64)
    for row, name in enumerate(names):
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = _sizes_in(root / folder)
        sizes[row] = folders[folder].get(base, -1)
    return sizes


def _sizes_in(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}
