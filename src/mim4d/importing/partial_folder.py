"""A folder that is filled beside its place, and can be filled on after an interruption."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mim4d.errors import DataError
from mim4d.files import write_text

_MARK = ".import"


@contextmanager
def resumed(out: Path, settings: str) -> Iterator[Path]:
    """A hidden folder beside `out` that becomes `out` once the block ends without an error.

    If the block is interrupted (or the process killed), the folder stays, and the next call with
    the same settings goes on in it; an error removes it.

    Args:
        out: Must not exist, or be empty.
        settings: Everything that the content depends on; another text starts anew.

    Raises:
        DataError: `out` holds something, or cannot be written.
    """
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already; choose another folder, or remove it yourself")
    partial = out.with_name(f".{out.name}.importing")
    mark = partial / _MARK
    if partial.exists() and (not mark.is_file() or mark.read_text() != settings):
        shutil.rmtree(partial)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        write_text(mark, settings)
        yield partial
        mark.unlink()
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, DataError):
            raise DataError(
                f"{out}: could not be written ({error}); what there was of it has been removed"
            ) from error
        raise
