"""Tables of numbers with a line of names, as spreadsheets write them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mim4d.errors import DataError, MissingFileError
from mim4d.importing.times import UNITS_US, time_us


@dataclass(frozen=True)
class Table:
    """The texts of a file, by the names of its columns.

    Attributes:
        path: The file.
        columns: Texts of each column.
        length: Number of lines.
    """

    path: Path
    columns: dict[str, list[str]]
    length: int

    def numbers(self, *names: str) -> Float[np.ndarray, "q c"]:
        """Columns of finite numbers, side by side.

        Raises:
            DataError: One of them is not; it names line and column.
        """
        found = np.empty((self.length, len(names)))
        for c, name in enumerate(names):
            for line, text in enumerate(self.columns[name]):
                try:
                    found[line, c] = float(text)
                except ValueError:
                    found[line, c] = np.nan
                if not np.isfinite(found[line, c]):
                    raise DataError(
                        f"{self.path}, line {line + 2}, column {name}: {text!r} is not a finite "
                        "number; correct it or remove the line"
                    )
        return found

    def times_us(self) -> list[int]:
        """The column `time_s`, `time_ms`, `time_us` or `time_ns`.

        Raises:
            DataError: There is none, or one of its texts is no time.
        """
        for unit in UNITS_US:
            if (texts := self.columns.get(f"time_{unit}")) is not None:
                break
        else:
            raise DataError(
                f"{self.path}: columns are {', '.join(self.columns)}; expected one of time_s, "
                "time_ms, time_us, time_ns among them: the name says the unit"
            )
        times = []
        for line, text in enumerate(texts):
            try:
                times.append(time_us(text, unit))
            except ValueError as error:
                raise DataError(f"{self.path}, line {line + 2}: {error}") from error
        return times


def read_table(path: Path, holds: str) -> Table:
    """Read a file.

    Args:
        path: The file.
        holds: What it must hold, for the message if it is missing.

    Raises:
        DataError: It is missing, empty, no text, or a line has too few or too many values.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} not found; it must hold {holds}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line and not line[0].startswith("#")]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table in UTF-8 ({error}); save it as CSV") from error
    if len(lines) < 2:
        raise DataError(f"{path}: has no line of values; it must hold {holds}")
    names = [name.strip() for name in lines[0]]
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise DataError(
                f"{path}, line {number}: {len(line)} values for {len(names)} columns "
                f"({', '.join(names)}); the file is cut short or damaged: restore it"
            )
    columns = {name: [line[i] for line in lines[1:]] for i, name in enumerate(names)}
    return Table(path, columns, len(lines) - 1)


def refuse_missing(table: Table, names: Sequence[str], holds: str) -> None:
    """Refuse a table without all of these columns.

    Raises:
        DataError: It lacks one.
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.path}: no column {', '.join(missing)} (its columns: "
            f"{', '.join(table.columns)}); it must hold {holds}"
        )
