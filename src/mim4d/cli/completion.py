"""`mim4d completion`: commands, presets and options for the shell's Tab key.

The script that is printed is static, so that a Tab starts no Python. It looks at the words before
the one that is being written: after a command come its tasks and presets, then its options.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from mim4d.cli.training import Training
from mim4d.config.presets import PRESETS, TASK_PRESETS
from mim4d.tasks import TASKS

Shell = Literal["bash", "zsh"]


@dataclass(frozen=True)
class Completion:
    """Print what makes a shell complete commands, presets and options at the Tab key.

    bash: add `source <(mim4d completion bash)` to ~/.bashrc, or write the output to
    ~/.local/share/bash-completion/completions/mim4d, which is faster. zsh: the same in ~/.zshrc.
    """

    shell: Annotated[Shell, tyro.conf.Positional]
    """Shell to write for."""


def completion(options: Completion) -> None:
    """`mim4d completion`."""
    print("autoload -U bashcompinit && bashcompinit" if options.shell == "zsh" else "# bash")
    cases = [f'    {pattern}) words="{" ".join(words)}" ;;' for pattern, words in _cases()]
    print(_SCRIPT.replace("CASES", "\n".join(cases)))


def _cases() -> Iterator[tuple[str, list[str]]]:
    """The words before, as a pattern of the shell, and what can follow; the first match counts."""
    from mim4d.cli.commands import COMMANDS, GROUPS

    yield '""', [*(name for name in COMMANDS if " " not in name), *GROUPS]
    for group in GROUPS:
        yield group, [name.split()[1] for name in COMMANDS if name.split()[0] == group]
    for name, command in COMMANDS.items():
        here = name.replace(" ", "\\ ")
        alone = ["--resume"] if issubclass(command.options, Training) else []
        if command.takes_task:
            yield here, [*TASKS, *alone]
            for task in TASKS:
                yield f"{here}\\ {task}", list(TASK_PRESETS)
                yield f"{here}\\ {task}\\ *", flags_of([name, task, "demo"])
            yield f"{here}\\ *", flags_of([name, next(iter(TASKS)), "demo"])
        elif command.takes_preset:
            yield here, [*PRESETS, *alone]
            yield f"{here}\\ *", flags_of([*name.split(), "demo"])
        else:
            yield f"{here}|{here}\\ *", flags_of(name.split())


def flags_of(arguments: list[str]) -> list[str]:
    """The flags that help names for a command, in its order."""
    from mim4d.cli.dispatch import main

    out, width = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"  # wide screens have flags side by side
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    del os.environ["COLUMNS"]
    if width is not None:
        os.environ["COLUMNS"] = width
    # Each stands at the start of its line, in a box or not; what is said about it is indented.
    return re.findall(r"^[│ ] (--[a-z0-9][\w.-]*)", out.getvalue(), re.MULTILINE)


_SCRIPT = """_mim4d() {
  local words="" current="${COMP_WORDS[COMP_CWORD]}"
  case "${COMP_WORDS[*]:1:COMP_CWORD-1}" in
CASES
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _mim4d mim4d"""
