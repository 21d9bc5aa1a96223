"""The command line: `mim4d COMMAND ...`."""

from mim4d.cli.dispatch import main

__all__ = ["main"]
