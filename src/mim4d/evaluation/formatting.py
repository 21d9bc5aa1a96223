"""How numbers and rows of numbers are written for a person."""

import textwrap
from collections.abc import Iterable, Iterator


def line(name: str, cells: tuple[str, ...], width: int = 8) -> str:
    """A row of a table: its name, then its cells."""
    return f"{name:<26}" + "".join(f" {cell:>{width}}" for cell in cells)


def count_of(count: int, noun: str) -> str:
    """So many of something."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, digits: int) -> str:
    """With so many decimals; a dash where there is no value."""
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def wrapped(notes: Iterable[str], width: int) -> Iterator[str]:
    """Notes below a table, each from a line of its own on."""
    for note in notes:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")
