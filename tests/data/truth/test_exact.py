"""Exact distances: the pixels a lattice reads, and what is said when they are missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mim4d.data.truth.exact import FOLDER, ROOT, has_truth, read_distance, read_instances
from mim4d.errors import DataError

IMAGE = Path("samples/CAM/a.jpg")


def _write(root: Path, stored: np.ndarray, folder: Path = FOLDER) -> Path:
    path = (root / folder / IMAGE).with_suffix(".png")
    path.parent.mkdir(parents=True)
    Image.fromarray(stored.astype(np.uint16)).save(path)
    return path


def test_a_lattice_reads_the_pixel_under_each_cell_centre(tmp_path: Path) -> None:
    stored = np.arange(4 * 6).reshape(4, 6) * 256
    _write(tmp_path, stored)
    assert has_truth(tmp_path)
    whole = read_distance(tmp_path, IMAGE, (4, 6))
    torch.testing.assert_close(whole, torch.arange(24.0).reshape(4, 6))
    # Two rows of three cells, two pixels wide: the centre lies on the corner of the lower right.
    half = read_distance(tmp_path, IMAGE, (2, 3))
    assert half.tolist() == [[7.0, 9.0, 11.0], [19.0, 21.0, 23.0]]


def test_a_lattice_over_the_part_that_is_shown(tmp_path: Path) -> None:
    """Left 2, top 1 of 4 × 6 pixels, up to column 6 and row 3: the same pixels of both."""
    stored = np.arange(4 * 6).reshape(4, 6)
    _write(tmp_path, stored * 256)
    _write(tmp_path, stored, ROOT / "instance")
    for read in (read_distance, read_instances):
        part = read(tmp_path, IMAGE, (2, 4), lambda size: (2, size[0] - 3, size[1], 3))
        assert part.tolist() == [[8, 9, 10, 11], [14, 15, 16, 17]]


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    assert not has_truth(tmp_path)
    with pytest.raises(DataError, match=r"a\.png: exact distance of samples/CAM/a\.jpg not found"):
        read_distance(tmp_path, IMAGE, (2, 2))
    _write(tmp_path, np.zeros((4, 4))).write_bytes(b"no png")
    with pytest.raises(DataError, match=r"a\.png: not a readable PNG"):
        read_distance(tmp_path, IMAGE, (2, 2))
