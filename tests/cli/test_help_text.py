"""Help is wrapped once, at the width of the terminal."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from mim4d.cli.command import Command
from mim4d.cli.help_text import about, in_paragraphs


@dataclass(frozen=True)
class _Options:
    """Do one thing to a long list of things that somebody has made, and then do
    --another to each of them.

    - one: an item that is so long that it does not fit into one line of a terminal
      of 60 columns.
    - two: short.
    """

    number: int = 0
    """How many of the many things are counted before anything else; it is written over
    `several` lines of the source, of which one begins with
    --a-flag. Zero counts all."""


def _help(capsys: pytest.CaptureFixture[str], command: Command) -> list[str]:
    with pytest.raises(SystemExit):
        command.parse("mim4d thing", ["--help"], command.options())
    return capsys.readouterr().out.splitlines()


def test_lines_of_a_paragraph_are_joined() -> None:
    assert in_paragraphs("One\n    two\n    `three`.") == "One two `three`."
    assert in_paragraphs("One.\n\n    Two\n    three.") == "One.\n\nTwo three."
    assert in_paragraphs("Items:\n- one\n  more\n- two") == "Items:\n- one more\n- two"


def test_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = _help(capsys, Command(_Options, lambda _: None))
    assert lines[2:8] == [
        "  Do one thing to a long list of things that somebody has",
        "  made, and then do --another to each of them.",
        "  - one: an item that is so long that it does not fit into",
        "    one line of a terminal of 60 columns.",
        "  - two: short.",
        "",
    ]
    start = next(i for i, line in enumerate(lines) if "How many" in line)
    said = [line[16:].strip("│ ") for line in lines[start:-1]]
    assert " ".join(said) == (
        "How many of the many things are counted before anything else; it is written over "
        "`several` lines of the source, of which one begins with --a-flag. Zero counts all. "
        "(default: 0)"
    )
    for line, following in pairwise(said):
        assert len(line) + 1 + len(following.split()[0]) > max(map(len, said)), "has room for more"


@pytest.mark.parametrize("columns", [60, 72, 80])
def test_every_line_of_what_a_command_is_for_fits(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None begins with a flag, or completion would offer it (`mim4d runs --data`, once)."""
    from mim4d.cli.commands import COMMANDS

    monkeypatch.setenv("COLUMNS", str(columns))
    lines = [line for each in COMMANDS.values() for line in about(each.options).splitlines()]
    assert max(map(len, lines)) <= columns - 2
    assert not [line for line in lines if line.startswith(("--", "\0"))]
