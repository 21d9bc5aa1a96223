"""Errors a user can act on.

A message says what is wrong, where (table and token, or file), what was found, what was expected,
and what to do. The command line prints it without a traceback.
"""


class DataError(ValueError):
    """The data set on disk, or the way it is asked for, is wrong."""


class MissingFileError(DataError, FileNotFoundError):
    """A folder or file of the data set does not exist."""


class NonFiniteError(ValueError):
    """A training step gave a loss or a gradient that is not finite."""
