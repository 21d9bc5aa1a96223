"""Errors a user can act on.

A message says what is wrong, where (table and token, or file), what was found, what was expected,
and what to do. The command line prints it without a traceback.
"""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """The data set on disk, or the way it is asked for, is wrong."""


class MissingFileError(DataError, FileNotFoundError):
    """A folder or file of the data set does not exist."""


class MissingMapError(MissingFileError):
    """The vector map of a scene does not exist."""


class NonFiniteError(ValueError):
    """A training step gave a loss or a gradient that is not finite."""


class NothingToLearnError(ValueError):
    """A loss that was asked for has nothing to compare with."""


class MachineError(OSError):
    """Something of this machine, not of the data: memory, disk, permissions, ports."""


class Terminated(Exception):
    """The run was asked to end (SIGTERM), and has saved a checkpoint."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What a message adds about a word that is not known: the nearest one that is, if any is near.

    Args:
        word: What was given.
        known: What could have been given.
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
