"""Fields of a file written by hand, taken one by one, so that a slip is told with its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mim4d.errors import DataError, MissingFileError, did_you_mean


@dataclass
class Fields:
    """A mapping of a YAML file, and which of its keys have been asked for.

    Attributes:
        path: The file.
        where: Keys that lead to the mapping.
        values: The mapping.
    """

    path: Path
    where: str
    values: Mapping[str, Any]
    _asked: set[str] = field(default_factory=set)

    def error(self, key: str, problem: str) -> DataError:
        """What to raise about a key."""
        return DataError(f"{self.path}: {self.where}{key}: {problem}")

    def has(self, key: str) -> bool:
        """Whether a key is given."""
        self._asked.add(key)
        return self.values.get(key) is not None

    def section(self, key: str) -> "Fields":
        """A mapping below; an empty one where the key is missing.

        Raises:
            DataError: It is no mapping.
        """
        self._asked.add(key)
        value = self.values.get(key)
        value = {} if value is None else value
        if not isinstance(value, Mapping):
            raise self.error(key, f"is {value!r}, expected names and values below it")
        return Fields(self.path, f"{self.where}{key}.", {str(k): v for k, v in value.items()})

    def sections(self, key: str) -> dict[str, "Fields"]:
        """The mappings below a key, by their names."""
        below = self.section(key)
        return {name: below.section(name) for name in below.values}

    def text(self, key: str, default: str | None = None) -> str:
        """A text.

        Raises:
            DataError: It is missing and has no default.
        """
        self._asked.add(key)
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        return str(value)

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words.

        Raises:
            DataError: It is none of them.
        """
        value = self.text(key, default)
        if value not in known:
            hint = did_you_mean(value, known)
            raise self.error(key, f"{value!r} is not known{hint}; there are: {', '.join(known)}")
        return value

    def numbers(
        self, key: str, count: int | None = None, default: tuple[float, ...] | None = None
    ) -> tuple[float, ...]:
        """A list of numbers.

        Raises:
            DataError: It is missing, holds something else, or not so many.
        """
        self._asked.add(key)
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        numbers = value if isinstance(value, list) else []
        good = isinstance(value, list) and all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in numbers
        )
        if not good or (count is not None and len(numbers) != count):
            wanted = "numbers" if count is None else f"{count} numbers"
            found = "missing" if value is None else f"{value!r}"
            raise self.error(key, f"is {found}, expected a list of {wanted}: [..., ...]")
        return tuple(float(v) for v in numbers)

    def number(self, key: str, default: float | None = None) -> float:
        """A number.

        Raises:
            DataError: It is missing or something else.
        """
        self._asked.add(key)
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(key, f"is {value!r}, expected a number")
        return float(value)

    def refuse_others(self) -> None:
        """Refuse keys that nobody asked for: they are misspelt, and would have no effect.

        Raises:
            DataError: There is one.
        """
        for key in self.values:
            if key not in self._asked:
                hint = did_you_mean(key, self._asked)
                known = ", ".join(sorted(self._asked))
                raise self.error(key, f"is not known{hint}; there are: {known}")


def read_yaml(path: Path, holds: str) -> Fields:
    """The mapping that a file is.

    Raises:
        DataError: It is missing or no YAML.
    """
    if not path.is_file():
        raise MissingFileError(
            f"{path} not found; it must hold {holds}. `mim4d import rig --template DIR` writes an "
            "example to edit"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path}: not valid YAML ({text}); correct it") from error
    if not isinstance(values, Mapping):
        raise DataError(f"{path}: expected names and values, found {type(values).__name__}")
    return Fields(path, "", {str(key): value for key, value in values.items()})
