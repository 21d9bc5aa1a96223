"""Progress of commands; it is shown by `mim4d.progress`."""

from collections.abc import Iterator
from contextlib import contextmanager

from mim4d.progress import Counter, Report

__all__ = ["Counter", "counting"]


@contextmanager
def counting(name: str, unit: str) -> Iterator[Report]:
    """What is to be told how many are done, of how many; it is shown as long as the block runs."""
    with Counter(name, unit) as counter:
        yield counter.update
