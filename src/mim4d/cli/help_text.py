"""What help says of commands and options, wrapped for the terminal.

Docstrings are wrapped at the line length of the sources. A terminal has another width, so the lines
of a paragraph are joined first. tyro joins only lines that are not indented, and does not wrap what
it says of the whole command.
"""

import inspect
import re
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import replace

from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

INDENT = "  "
"""Before each line of what a command is for: tyro would join lines that begin with a letter."""
_GLUE = "\0"
"""A space at which no line is broken."""


def in_paragraphs(text: str) -> str:
    """A docstring with one line for each paragraph; an item, which begins with "- ", is one too."""
    return re.sub(r"(?<!\n)\n(?!\s*(\n|- ))\s*", " ", inspect.cleandoc(text))


def about(options: type[object]) -> str:
    """What a command is for, from the docstring of its options, as wide as the terminal allows.

    No line begins with a flag: it would look like one of the command's own, to completion, too.
    """
    text = in_paragraphs(options.__doc__ or "").replace(" --", f"{_GLUE}--")
    wrapped = "\n".join(
        textwrap.fill(
            paragraph,
            min(shutil.get_terminal_size().columns, 100) - len(INDENT),
            subsequent_indent="  " if paragraph.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in filter(None, text.split("\n"))
    )
    return wrapped.replace(_GLUE, " ")


class ParagraphsOfFields:
    """A rule for tyro: records are read as it reads them, with other words about their fields."""

    def __init__(self) -> None:
        self._asks_tyro = False

    def __call__(self, record: StructTypeInfo) -> StructConstructorSpec | None:
        """How a record is read; None leaves it to the next rule."""
        if self._asks_tyro:
            return None
        self._asks_tyro = True
        try:
            found = ConstructorRegistry.get_struct_spec(record)
        finally:
            self._asks_tyro = False
        if not isinstance(found, StructConstructorSpec):
            return None
        fields = [replace(each, helptext=_joined(each.helptext)) for each in found.fields]
        return replace(found, fields=tuple(fields))


Words = str | Callable[[], str | None] | None


def _joined(words: Words) -> Words:
    """The same in paragraphs; what is looked up only for help is still looked up only then."""
    if not callable(words):
        return words and in_paragraphs(words)

    def later() -> str | None:
        found = words()
        return found and in_paragraphs(found)

    return later


PARAGRAPHS = ConstructorRegistry()
"""For `tyro.cli`."""
PARAGRAPHS.struct_rule(ParagraphsOfFields())
