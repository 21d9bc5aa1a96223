"""Whether a wheel holds everything that the package folder does: `check_wheel.py WHEEL`.

Every module of every room, the mark for type checkers and the data files; and nothing besides.
"""

import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "mim4d"
MUST = ("mim4d/py.typed", "mim4d/data/nuscenes_splits.json")


def main(wheel: str) -> int:
    """Print what is missing or too much; 1 if anything is."""
    held = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.split("/")[0].endswith(".dist-info")
    }
    there = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wrong = [f"missing in the wheel: {name}" for name in sorted((there | {*MUST}) - held)]
    wrong += [f"not of the package: {name}" for name in sorted(held - there)]
    for line in wrong:
        print(line, file=sys.stderr)
    rooms = {name.split("/")[1] for name in held if name.count("/") > 1}
    print(f"{wheel}: {len(held)} files, {len(rooms)} rooms: {', '.join(sorted(rooms))}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
