"""Progress of work that counts things, for a person at the terminal."""

from types import TracebackType
from typing import Any

from tqdm import tqdm


class Counter:
    """A progress bar that opens with the first report and closes with the block.

    Args:
        name: What is being done.
        unit: What is counted, singular.
    """

    def __init__(self, name: str, unit: str) -> None:
        self._name = name
        self._unit = unit
        self._bar: Any = None

    def __enter__(self) -> "Counter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` are finished; only the difference to the last call counts."""
        if self._bar is None:
            self._bar = tqdm(total=total, desc=self._name, unit=self._unit, dynamic_ncols=True)
        self._bar.total = total
        self._bar.update(done - self._bar.n)
