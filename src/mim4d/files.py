"""Files that are there whole or not at all, and that others may read as the umask says."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from mim4d.errors import did_you_mean


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` if nothing goes wrong.

    The folder is made if it is missing. A kill leaves at most the temporary file, never half of
    `path`. Whatever writes the file, it gets the mode of any new file: some writers (safetensors')
    make files that nobody but their owner can read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to fill; it becomes `folder` if nothing goes wrong.

    `folder` itself must not exist, or be empty.
    """
    temporary = new_folder_beside(folder)
    try:
        yield temporary
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def new_folder_beside(path: Path, suffix: str = "") -> Path:
    """A new hidden folder of a name of its own in the folder of `path`.

    Unlike `tempfile.mkdtemp`, whose folders are closed to all others for ever, it has the mode of
    any new folder: it is made to be renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}-{uuid4().hex[:8]}{suffix}")
    folder.mkdir()
    return folder


def read_text(path: Path) -> str:
    """A text file as UTF-8.

    Raises:
        ValueError: If its bytes are no text; the message names the file.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not a text ({error.reason}); it is damaged: restore it"
        ) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: If it is none; the message names the file.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON ({error}); it is damaged or cut: restore or remove it"
        ) from error


def nearest_name(path: Path) -> str:
    """What a message adds about a path that does not exist: the nearest name beside it, if any."""
    folder = path.parent
    there = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    return did_you_mean(path.name, there)
