"""Keep table columns on disk as memory-mapped arrays.

One folder per data set: `columns.bin` holds the arrays one after the other, `manifest.json` says
where each begins, its type and its shape. The folder is written under a temporary name and renamed,
so that readers see all of it or none, and two processes may build it at once: the first to rename
wins.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from hashlib import blake2b
from io import BufferedWriter
from pathlib import Path

import numpy as np
import orjson

from mim4d.data.tables.columns import Columns
from mim4d.errors import MachineError
from mim4d.files import new_folder_beside

FORMAT_VERSION = 3
"""Raise it whenever the columns change: caches of other versions are then left alone."""

_MANIFEST = "manifest.json"
_ARRAYS = "columns.bin"
_ALIGNMENT = 64


def default_cache_dir() -> Path:
    """`$MIM4D_CACHE`, else `$XDG_CACHE_HOME/mim4d`, else `~/.cache/mim4d`.

    A user without a home, as in many containers, has a folder among the machine's temporary ones.
    """
    if chosen := os.environ.get("MIM4D_CACHE"):
        return Path(chosen)
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "mim4d"
    try:
        home = Path.home()
    except RuntimeError:  # no account and no HOME
        home = Path("/nonexistent")
    if home.is_dir() and os.access(home, os.W_OK):
        return home / ".cache" / "mim4d"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"mim4d-{user}"


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
        # A plain array over the map: every look-up through numpy's memmap class costs microseconds.
        content = np.memmap(folder / _ARRAYS, np.uint8, mode="r").view(np.ndarray)
        if len(content) != manifest["size"]:
            return None
        tables: dict[str, Columns] = {}
        for table, column, dtype, shape, start, stop in manifest["columns"]:
            array = content[start:stop].view(dtype).reshape(shape)
            tables.setdefault(table, {})[column] = array
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return tables


def save_columns(folder: Path, tables: dict[str, Columns]) -> None:
    """Write the columns to `folder`, or leave the whole ones that another process put there.

    Raises:
        MachineError: If the folder cannot be written.
    """
    try:
        temporary = new_folder_beside(folder)
        try:
            _write(temporary, tables)
            _move_into_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise MachineError(
            f"cannot write the table cache {folder}: {error}; "
            "set MIM4D_CACHE to a folder with free space that you may write to"
        ) from error


def _write(folder: Path, tables: dict[str, Columns]) -> None:
    columns: list[tuple[str, str, str, tuple[int, ...], int, int]] = []
    with (folder / _ARRAYS).open("wb") as file:
        for table, arrays in tables.items():
            for column, array in arrays.items():
                start = file.tell()
                file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
                place = (start, file.tell())
                columns.append((table, column, array.dtype.str, array.shape, *place))
                file.write(bytes(-file.tell() % _ALIGNMENT))
        size = file.tell()
        _flush(file)
    with (folder / _MANIFEST).open("wb") as file:
        file.write(orjson.dumps({"size": size, "columns": columns}))
        _flush(file)


def _flush(file: BufferedWriter) -> None:
    """To the disk, before the folder gets its name: a power cut must not leave zeros in it."""
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
            damaged = new_folder_beside(folder, ".damaged")
            with suppress(FileNotFoundError):
                folder.rename(damaged / "columns")
            shutil.rmtree(damaged, ignore_errors=True)
        else:
            return
    raise OSError(f"{folder} cannot be replaced")
