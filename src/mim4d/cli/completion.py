"""`mim4d completion`: commands, presets and options for the shell's Tab key.

The script that is printed is static, so that a Tab starts no Python. It looks at the words before
the one that is being written: after a command come its tasks and presets, then its options.
"""

import contextlib
import io
import os
import re
import shlex
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

Shell = Literal["bash", "zsh", "fish"]
Case = tuple[list[str], list[str]]
"""The words between `mim4d` and the one that is being written (`*` stands for any), in one or more
patterns, and what it can be."""


@dataclass(frozen=True)
class Completion:
    """Print what makes a shell complete commands, presets and options at the Tab key.

    - bash: add `source <(mim4d completion bash)` to ~/.bashrc, or write the output to
      ~/.local/share/bash-completion/completions/mim4d, which is faster.
    - zsh: add `source <(mim4d completion zsh)` to ~/.zshrc.
    - fish: write the output to ~/.config/fish/completions/mim4d.fish.
    """

    shell: Annotated[Shell, tyro.conf.Positional]
    """Shell to write for."""


def completion(options: Completion, commands: Mapping[str, Command], groups: Iterable[str]) -> None:
    """`mim4d completion`."""
    cases = list(_cases(commands, list(groups)))
    print(_for_fish(cases) if options.shell == "fish" else _for_bash(cases, options.shell))


def _cases(commands: Mapping[str, Command], groups: list[str]) -> Iterator[Case]:
    """The first match counts."""
    yield [""], [*(name for name in commands if " " not in name), *groups]
    for group in groups:
        yield [group], [name.split()[1] for name in commands if name.split()[0] == group]
    for name, command in commands.items():
        if not command.takes_preset:
            yield [name, f"{name} *"], _flags(command)
            continue
        tasks = list(TASKS) if command.takes_task or command.of_task else []
        presets = [] if command.takes_task else list(PRESETS)
        alone = ["--resume"] if issubclass(command.options, Training) else []
        yield [name], [*tasks, *presets, *alone]
        for task in tasks:
            config = task_preset("demo", task)
            yield [f"{name} {task}"], list(TASK_PRESETS)
            yield [f"{name} {task} *"], _flags(command.of_task or command, config)
        any_config = task_preset("demo", tasks[0]) if command.takes_task else preset("demo")
        yield [f"{name} *"], _flags(command, any_config)


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


def _for_bash(cases: list[Case], shell: Shell) -> str:
    """For zsh, too, which can read what is written for bash."""
    lines = [
        f'    {"|".join(_escaped(each) for each in before)}) words="{" ".join(words)}" ;;'
        for before, words in cases
    ]
    head = "autoload -U bashcompinit && bashcompinit" if shell == "zsh" else "# bash"
    return _BASH.format(head=head, cases="\n".join(lines))


def _escaped(before: str) -> str:
    return before.replace(" ", "\\ ") or '""'


def _for_fish(cases: list[Case]) -> str:
    lines = [
        f"    case {' '.join(repr(each) for each in before)}\n      echo {shlex.join(words)}"
        for before, words in cases
    ]
    return _FISH.format(cases="\n".join(lines))


_BASH = """{head}
_mim4d() {{
  local words="" current="${{COMP_WORDS[COMP_CWORD]}}"
  case "${{COMP_WORDS[*]:1:COMP_CWORD-1}}" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _mim4d mim4d"""

_FISH = """# fish
function __mim4d_words
  set -l before (commandline -opc)[2..]
  switch "$before"
{cases}
  end | string split ' '
end
complete -c mim4d -a '(__mim4d_words)'"""
