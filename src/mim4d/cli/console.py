"""Progress of commands; it is shown by `mim4d.progress`."""

from mim4d.progress import Counter

__all__ = ["Counter"]
