"""Pages of text, tables and pictures: no script, nothing loaded from another machine.

The HTML stands in `templates/` (Jinja2). A report carries its pictures inside, so that one file can
be passed on; a gallery shows the files beside it. Either way a picture opens in full size.
"""

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Group = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG, GIF or WebP and what to look at in it."""

    path: Path
    caption: str

    @property
    def file_name(self) -> str:
        """For a page in the same folder."""
        return self.path.name

    @property
    def anchor(self) -> str:
        """Its name within a page: files of one name in several folders are told apart."""
        name = re.sub(r"[^\w-]", "-", self.path.stem)
        return f"picture-{name}-{zlib.crc32(str(self.path).encode()):08x}"

    @property
    def embedded(self) -> str:
        """The file's bytes as text."""
        kind = self.path.suffix.lstrip(".").replace("jpg", "jpeg")
        return (
            f"data:image/{kind};base64,{base64.b64encode(self.path.read_bytes()).decode('ascii')}"
        )


@dataclass(frozen=True)
class TableRow:
    """A row of a table; the model's own ones are marked."""

    label: str
    cells: Sequence[str]
    own: bool = False


@dataclass(frozen=True)
class Table:
    """Rows below columns, which stand in named groups; a wide one scrolls under its row names."""

    groups: Sequence[Group]
    rows: Sequence[TableRow] = field(default_factory=list)
    corner: str = ""


def render(template: str, **values: Any) -> str:
    """A page from one of the templates."""
    return _environment().get_template(template).render(values)


def page(title: str, sections: Sequence[str]) -> str:
    """A page from the HTML of its sections."""
    return render("page.html", title=title, sections=sections)


def figure(picture: Picture) -> str:
    """HTML of a picture with its caption, the file's bytes in the text."""
    return _part("figure", picture)


def facts_table(facts: Mapping[str, str]) -> str:
    """HTML of names and values, one row each."""
    return _part("facts_table", facts)


def _part(name: str, content: object) -> str:
    parts: Any = _environment().get_template("parts.html").module
    return str(getattr(parts, name)(content))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mim4d.viz"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
