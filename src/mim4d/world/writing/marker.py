"""How a folder is known to hold a world of ours: by the title of its README.

Needs none of the packages of the extra `world`.
"""

from pathlib import Path

TITLE = "# A synthetic drive, written by mim4d"


def is_world(folder: Path) -> bool:
    """Whether the data set in a folder was written by `mim4d world`."""
    readme = folder / "README.md"
    return readme.is_file() and readme.read_text(errors="replace").startswith(TITLE)
