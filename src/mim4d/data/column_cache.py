"""Keep table columns on disk as memory-mapped arrays.

One folder per data set: `<table>.<column>.npy` and a manifest with every array's type and shape. A
folder is written under a temporary name and renamed, so that readers see all of it or none, and two
processes may build it at the same time: the first to rename wins, the other uses its folder.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mim4d.data.schema import Columns
from mim4d.errors import DataError

FORMAT_VERSION = 1
"""Raise it whenever the columns change: caches of other versions are then left alone."""

_MANIFEST = "manifest.json"


def default_cache_dir() -> Path:
    """`$MIM4D_CACHE`, else `$XDG_CACHE_HOME/mim4d`, else `~/.cache/mim4d`."""
    if chosen := os.environ.get("MIM4D_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mim4d"


def content_key(files: list[Path]) -> str:
    """A name for the content of `files`: path, size and time of change of each."""
    digest = blake2b(f"columns {FORMAT_VERSION}".encode(), digest_size=16)
    for file in sorted(files):
        status = file.stat()
        digest.update(f"\n{file.resolve()} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def load_columns(folder: Path) -> dict[str, Columns] | None:
    """Memory-map the columns of `folder`; None if it is absent, incomplete or damaged."""
    try:
        manifest = orjson.loads((folder / _MANIFEST).read_bytes())
        tables: dict[str, Columns] = {}
        for name, (dtype, shape) in manifest.items():
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if array.dtype.str != dtype or list(array.shape) != shape:
                return None
            table, column = name.split(".")
            tables.setdefault(table, {})[column] = array
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return tables


def save_columns(folder: Path, tables: dict[str, Columns]) -> None:
    """Write the columns to `folder`, or leave the whole ones that another process put there.

    Raises:
        DataError: If the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        try:
            _write(temporary, tables)
            _move_into_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"cannot write the table cache {folder}: {error}; "
            "set MIM4D_CACHE to a folder with free space that you may write to"
        ) from error


def _write(folder: Path, tables: dict[str, Columns]) -> None:
    manifest: dict[str, tuple[str, tuple[int, ...]]] = {}
    for table, columns in tables.items():
        for column, array in columns.items():
            manifest[f"{table}.{column}"] = (array.dtype.str, array.shape)
            _write_array(folder / f"{table}.{column}.npy", array)
    (folder / _MANIFEST).write_bytes(orjson.dumps(manifest))


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Rename; keep a whole folder that another process put there first, replace a damaged one."""
    for _ in range(10):
        try:
            temporary.rename(folder)
        except OSError:
            if load_columns(folder) is not None:
                return
            damaged = Path(tempfile.mkdtemp(prefix="damaged.", dir=folder.parent))
            with suppress(FileNotFoundError):
                folder.rename(damaged / "columns")
            shutil.rmtree(damaged, ignore_errors=True)
        else:
            return
    raise OSError(f"{folder} cannot be replaced")
