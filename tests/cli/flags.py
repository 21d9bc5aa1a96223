"""Every flag of every command; `python -m tests.cli.flags` writes them to flags.txt.

A new flag is a decision: it must be explained, kept and tested for good. So is the loss of one,
which breaks scripts of users.
"""

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

from mim4d.cli import main
from mim4d.cli.command import Command
from mim4d.cli.commands import COMMANDS
from mim4d.config.presets import PRESETS, TASK_PRESETS
from mim4d.tasks import TASKS

STORED = Path(__file__).with_name("flags.txt")


def flags_of(arguments: list[str]) -> list[str]:
    """The flags that help names for a command, in its order."""
    out = io.StringIO()
    narrow = mock.patch.dict(os.environ, COLUMNS="80")  # wide ones have flags side by side
    with narrow, contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    # Each stands at the start of its line, in a box or not; what is said about it is indented.
    return re.findall(r"^[│ ] (--[a-z0-9][\w.-]*)", out.getvalue(), re.MULTILINE)


def listing() -> str:
    """A paragraph for each command, with the flags of any of its presets.

    Presets differ only where one has switched on (`--no-flow.enabled`) what another has not.
    """
    paragraphs = []
    for name, command in COMMANDS.items():
        presets = _before_the_flags(command)
        found = dict.fromkeys(
            flag for preset in presets for flag in flags_of([*name.split(), *preset])
        )
        words = ["TASK"] * command.takes_task + ["PRESET"] * command.takes_preset
        head = " ".join(["mim4d", name, *words])
        paragraphs.append("\n".join([head, *(f"  {flag}" for flag in found)]))
    return "\n\n".join(paragraphs) + "\n"


def _before_the_flags(command: Command) -> list[list[str]]:
    """What can stand between a command and its flags."""
    if command.takes_task:
        return [[task, preset] for task in TASKS for preset in TASK_PRESETS]
    return [[preset] for preset in PRESETS] if command.takes_preset else [[]]


if __name__ == "__main__":
    STORED.write_text(listing())
