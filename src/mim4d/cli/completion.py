"""`mim4d completion`: commands, presets and options for the shell's Tab key.

The script that is printed is static, so that a Tab starts no Python. It looks at the words before
the one that is being written: after a command come its tasks and presets, then its options.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from mim4d.cli.arguments import with_values
from mim4d.cli.command import Command
from mim4d.cli.training import Training
from mim4d.config import RunConfig
from mim4d.config.presets import PRESETS, TASK_PRESETS, preset, task_preset
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


def completion(options: Completion, commands: Mapping[str, Command], groups: Iterable[str]) -> None:
    """`mim4d completion`."""
    print("autoload -U bashcompinit && bashcompinit" if options.shell == "zsh" else "# bash")
    cases = [
        f'    {pattern}) words="{" ".join(words)}" ;;'
        for pattern, words in _cases(commands, list(groups))
    ]
    print(_SCRIPT.replace("CASES", "\n".join(cases)))


def _cases(commands: Mapping[str, Command], groups: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The words before, as a pattern of the shell, and what can follow; the first match counts."""
    yield '""', [*(name for name in commands if " " not in name), *groups]
    for group in groups:
        yield group, [name.split()[1] for name in commands if name.split()[0] == group]
    for name, command in commands.items():
        here = name.replace(" ", "\\ ")
        alone = ["--resume"] if issubclass(command.options, Training) else []
        if command.takes_task:
            yield here, [*TASKS, *alone]
            for task in TASKS:
                yield f"{here}\\ {task}", list(TASK_PRESETS)
                yield f"{here}\\ {task}\\ *", _flags(command, task_preset("demo", task))
            yield f"{here}\\ *", _flags(command, task_preset("demo", next(iter(TASKS))))
        elif command.takes_preset:
            yield here, [*PRESETS, *alone]
            yield f"{here}\\ *", _flags(command, preset("demo"))
        else:
            yield f"{here}|{here}\\ *", _flags(command)


def _flags(command: Command, config: RunConfig | None = None) -> list[str]:
    """The flags that help names for a command, in its order."""
    default: Any = tyro.MISSING_NONPROP
    if config is not None:
        default = with_values(command.options, {"config": config})
    out, width = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"  # wide screens have flags side by side
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        command.parse("mim4d", ["--help"], default)
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
