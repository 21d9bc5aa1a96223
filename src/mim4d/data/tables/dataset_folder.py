"""Where things lie in a nuScenes-format data set: the folder of tables, and the splits.

The root holds `samples/`, `sweeps/`, one folder of tables such as `v1.0-mini/`, and possibly
`splits.json`.
"""

from pathlib import Path

from mim4d.data.tables.json_rows import loads
from mim4d.errors import DataError, MissingFileError
from mim4d.files import nearest_name


def find_version(root: Path, version: str | None) -> str:
    """Name of the folder of tables in `root`.

    Raises:
        DataError: If `root` or the folder is missing, or `version` is None and several would do.
    """
    if not root.is_dir():
        raise MissingFileError(
            f"data set folder {root} not found{nearest_name(root)}; give the folder that holds "
            "samples/ and v1.0-*/"
        )
    # One of the three main tables is enough: which other is missing is told when they are read.
    marks = ("scene.json", "sample.json", "sample_data.json")
    found = sorted(d.name for d in root.iterdir() if any((d / m).is_file() for m in marks))
    listed = ", ".join(found) or "none"
    if version is not None:
        if version in found:
            return version
        raise MissingFileError(
            f"version folder {root / version} not found or without tables; found: {listed}. "
            "Name one of these, or leave the version out if there is only one"
        )
    if len(found) == 1:
        return found[0]
    if any((root / mark).is_file() for mark in marks):
        raise DataError(f"{root} is itself a folder of tables; give the folder that holds it")
    if not found:
        raise MissingFileError(
            f"{root} holds no folder with nuScenes tables (such as v1.0-mini/sample.json); "
            "give the folder that holds samples/ and v1.0-*/"
        )
    raise DataError(f"{root} holds several folders of tables: {listed}; name one as the version")


def read_splits(root: Path | str) -> dict[str, list[str]] | None:
    """Scene names by split, from `root/splits.json` (lists by name); None without that file.

    Raises:
        DataError: If the file is not such a dictionary.
    """
    path = Path(root) / "splits.json"
    if not path.is_file():
        return None
    try:
        splits = loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); restore the file") from error
    if not isinstance(splits, dict):
        raise DataError(f"{path}: expected lists of scenes by name; restore the file")
    return {
        str(name): [str(scene) for scene in scenes]
        for name, scenes in splits.items()
        if isinstance(scenes, list)
    }


def read_split(root: Path | str, name: str) -> list[str] | None:
    """Scene names of a split, from `root/splits.json` (lists by name); None without that file.

    Raises:
        DataError: If the file is not such a dictionary or has no split of this name.
    """
    splits = read_splits(root)
    if splits is None:
        return None
    if name not in splits:
        path, names = Path(root) / "splits.json", ", ".join(splits)
        raise DataError(f"{path} has no list of scenes named {name!r}; it has: {names or 'none'}")
    return splits[name]
