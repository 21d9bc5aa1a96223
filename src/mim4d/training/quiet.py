"""What others say during a training, turned down for as long as it lasts."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIGHTNING = (
    "lightning.pytorch",
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.distributed",
)


@contextmanager
def lightning_turned_down() -> Iterator[None]:
    """Our own lines say what matters; Lightning's advice is for loaders that keep state.

    Afterwards the process's warning filters and log levels are as they were.
    """
    with warnings.catch_warnings(), at_least(logging.WARNING, *_LIGHTNING):
        warnings.filterwarnings("ignore", module="lightning.*")
        # Of weights of 1 × 1 convolutions, whose strides mean nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        yield


@contextmanager
def at_least(level: int, *names: str) -> Iterator[None]:
    """Only messages of this level or above from the named loggers; then their levels are restored.

    Args:
        level: Of `logging`.
        names: Names of loggers.
    """
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(max(level, before[name]))
        yield
    finally:
        for name, old in before.items():
            logging.getLogger(name).setLevel(old)
