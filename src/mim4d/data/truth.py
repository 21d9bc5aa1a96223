"""Exact truth of the embedded world, for evaluation only; training never opens this.

`truth/distance/<path of the image>.png` holds, for every pixel, the Euclidean distance along the
ray through the pixel's centre as a 16-bit number of 1/256 m; 0 where the ray meets nothing.
`truth/instance/<path of the image>.png` holds the number of the annotated object there; 0 for none.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mim4d.errors import DataError, MissingFileError

FOLDER = Path("truth") / "distance"
INSTANCES = Path("truth") / "instance"
UNITS_PER_M = 256


def has_truth(root: Path) -> bool:
    """Whether a data set carries exact distances."""
    return (root / FOLDER).is_dir()


def has_instances(root: Path) -> bool:
    """Whether a data set carries the object of every pixel."""
    return (root / INSTANCES).is_dir()


def read_distance(root: Path, image_file: Path, lattice: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Distances at the centres of a lattice of cells that covers the image.

    Args:
        root: Data set.
        image_file: Path of the image relative to `root`.
        lattice: Rows and columns of the lattice.

    Returns:
        Metres along the ray; 0 where there is none.

    Raises:
        DataError: If the file is missing or damaged.
    """
    stored = _read(root, FOLDER, image_file, lattice)
    return torch.from_numpy(stored.astype(np.float32)) / UNITS_PER_M


def read_instances(root: Path, image_file: Path, lattice: tuple[int, int]) -> Int[Tensor, "h w"]:
    """Number of the object at the centres of a lattice of cells that covers the image; 0: none.

    Raises:
        DataError: If the file is missing or damaged.
    """
    return torch.from_numpy(_read(root, INSTANCES, image_file, lattice).astype(np.int64))


def _read(
    root: Path, folder: Path, image_file: Path, lattice: tuple[int, int]
) -> NDArray[np.int32]:
    path = (root / folder / image_file).with_suffix(".png")
    if not path.is_file():
        raise MissingFileError(
            f"{path}: exact {folder.name} of {image_file} not found; make the world anew"
        )
    try:
        with Image.open(path) as file:
            stored = np.asarray(file, dtype=np.int32)
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: not a readable PNG ({error}); make the world anew") from error
    rows, columns = (
        ((np.arange(cells) + 0.5) / cells * size).astype(int)
        for cells, size in zip(lattice, stored.shape, strict=True)
    )
    return stored[np.ix_(rows, columns)]
