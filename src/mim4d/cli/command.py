"""What a subcommand of the command line is, and how its options are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

import tyro

from mim4d.cli.help_text import INDENT, PARAGRAPHS, about


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        options: Its options. Where they have a method `check`, it is called first: it raises what
            can be known without heavy imports.
        run: What runs it; what it returns is the exit status, None means 0.
        takes_preset: Whether a preset comes first.
        takes_task: Whether a task comes before it.
        is_light: Whether it answers at once, without importing torch.
        of_task: The same command where a task stands before the preset, if there can be one.
    """

    options: type[Any]
    run: Callable[[Any], int | None]
    takes_preset: bool = False
    takes_task: bool = False
    is_light: bool = False
    of_task: "Command | None" = None

    def parse(self, program: str, arguments: Sequence[str], default: Any) -> Any:
        """Options from the words after the command; wrong ones end the program with status 2.

        Args:
            program: Words of the command, for messages.
            arguments: The words.
            default: Options that words may change.
        """
        return tyro.cli(
            self.options,
            prog=program,
            args=arguments,
            default=default,
            description=indent(about(self.options), INDENT),
            registry=PARAGRAPHS,
            config=(
                tyro.conf.AvoidSubcommands,
                tyro.conf.FlagCreatePairsOff,
                tyro.conf.PositionalMetavarFromFieldName,
            ),
        )
