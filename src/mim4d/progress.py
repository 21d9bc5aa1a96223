"""Progress of work that counts things: a bar at a terminal, plain lines in a log file.

Parts that work through many things take a `Report` and call it; who shows it is the caller's
business. Without a terminal a line is written when another twentieth is done, or after five
minutes: some twenty lines for anything that takes less than an hour or two.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

Report = Callable[[int, int], None]
"""Takes how many are done, and how many there are."""

_SHARE, _SOONEST_S, _LATEST_S = 0.05, 5.0, 300.0
Item = TypeVar("Item")


def silent(done: int, total: int) -> None:
    """Report to nobody."""


def counted(things: Sequence[Item], report: Report) -> Iterator[Item]:
    """The things one after the other; each is reported when the next is asked for."""
    for done, thing in enumerate(things, start=1):
        yield thing
        report(done, len(things))


class Counter:
    """Shows progress from the first report to the end of the block.

    Args:
        name: What is being done.
        unit: What is counted, singular.
        initial: How many were done before.
        clock: Seconds.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        initial: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._unit, self._initial = name, unit, initial
        self._clock = clock
        self._start = clock()
        self._shown: _Bar | _Lines | None = None

    def __enter__(self) -> "Counter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def update(self, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Show that `done` of `total` are finished.

        Args:
            done: How many, those of before included.
            total: How many there are.
            values: Numbers to show beside it.
        """
        if self._shown is None:
            kind = _Bar if sys.stderr.isatty() else _Lines
            self._shown = kind(self._name, self._unit, self._initial, self._start, self._clock)
        self._shown.update(done, total, values or {})

    def close(self) -> None:
        """End the bar's line."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None


class _Bar:
    """A bar that is drawn over and over, for a terminal."""

    def __init__(
        self, name: str, unit: str, initial: int, start: float, clock: Callable[[], float]
    ) -> None:
        self._bar: Any = tqdm(
            desc=name, unit=unit, initial=initial, smoothing=0.05, dynamic_ncols=True
        )

    def update(self, done: int, total: int, values: Mapping[str, float]) -> None:
        self._bar.total = total
        self._bar.set_postfix({k: f"{v:.3f}" for k, v in values.items()}, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """A line now and then, for a file."""

    def __init__(
        self, name: str, unit: str, initial: int, start: float, clock: Callable[[], float]
    ) -> None:
        self._name, self._unit = name, unit
        self._clock = clock
        # Speed counts from the first report on: what comes before it is no measure of the rest.
        self._since: tuple[float, int] | None = None
        self._begun = (start, initial)
        self._last_s, self._last_done = float("-inf"), initial

    def update(self, done: int, total: int, values: Mapping[str, float]) -> None:
        now = self._clock()
        since = self._since or self._begun
        self._since = self._since or (now, done)
        waited = now - self._last_s
        enough = done - self._last_done >= _SHARE * total and waited >= _SOONEST_S
        if not (enough or waited >= _LATEST_S or done == total) or done == self._last_done:
            return
        self._last_s, self._last_done = now, done
        each = (now - since[0]) / max(done - since[1], 1)
        pace = [f"{each:.2f} s each", f"{duration((total - done) * each)} left"]
        if done == total:
            pace[1] = "done"
        elif since is self._begun:
            pace = []  # The first also pays for what is made once: it is no measure of the rest.
        print(self._line(done, total, pace, values), file=sys.stderr, flush=True)

    def _line(self, done: int, total: int, pace: list[str], values: Mapping[str, float]) -> str:
        line = ", ".join([f"{self._name}: {self._unit} {done} of {total}", *pace])
        return "; ".join([line, ", ".join(f"{k} {v:.3f}" for k, v in values.items())]).rstrip("; ")

    def close(self) -> None:
        pass


def duration(seconds: float) -> str:
    """A time in words: 45 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
