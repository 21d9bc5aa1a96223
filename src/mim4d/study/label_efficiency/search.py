"""The learning rate of every arm, chosen on training scenes that are held out for it.

All arms begin with the same rates. While the best one stands at an end of an arm's grid, the grid
grows there by its own ratio, so that no arm is compared at a rate that is merely the best of bad
ones.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)

MOST_RATES = 10
"""A grid grows no further."""


@dataclass(frozen=True)
class Choice:
    """What a search has come to.

    Attributes:
        rate: The best one.
        scores: Of all rates that were tried, percent.
        at_edge: Whether the best one stands at an end of the grid, which grew no further.
    """

    rate: float
    scores: dict[float, float]
    at_edge: bool

    @property
    def note(self) -> str:
        """What is to be known of it; empty if all is well."""
        if not self.at_edge:
            return ""
        return f"{self.rate:g} is the best of {len(self.scores)} rates but stands at their end"


def next_rate(scores: Mapping[float, float]) -> float | None:
    """The rate that must be tried before the best one is known; None if it is.

    Args:
        scores: Of the rates tried so far.
    """
    rates = sorted(scores)
    if len(rates) >= MOST_RATES:
        return None
    best = best_rate(scores)
    if best == rates[0]:
        return _round(rates[0] ** 2 / rates[1])
    if best == rates[-1]:
        return _round(rates[-1] ** 2 / rates[-2])
    return None


def best_rate(scores: Mapping[float, float]) -> float:
    """The rate of the best score; of equal ones the one nearest to the grid's middle."""
    rates = sorted(scores)
    middle = (len(rates) - 1) / 2
    return max(rates, key=lambda rate: (scores[rate], -abs(rates.index(rate) - middle)))


def choose(scores: Mapping[float, float]) -> Choice:
    """The best rate, and whether its neighbours on both sides were tried."""
    rates, best = sorted(scores), best_rate(scores)
    return Choice(best, {rate: scores[rate] for rate in rates}, best in (rates[0], rates[-1]))


def search(
    names: Sequence[Name],
    rates: Sequence[float],
    score: Callable[[list[tuple[Name, float]]], list[float]],
) -> dict[Name, Choice]:
    """Choose a rate for each of some names, all that is to be tried at once being tried together.

    Args:
        names: What rates are chosen for; of any type.
        rates: The grid at first, two rates or more.
        score: Percent of pairs of a name and a rate.
    """
    found: dict[Name, dict[float, float]] = {name: {} for name in names}
    wanted = [(name, rate) for name in names for rate in rates]
    while wanted:
        for (name, rate), value in zip(wanted, score(wanted), strict=True):
            found[name][rate] = value
        further = {name: next_rate(found[name]) for name in dict.fromkeys(n for n, _ in wanted)}
        wanted = [(name, rate) for name, rate in further.items() if rate is not None]
    return {name: choose(scores) for name, scores in found.items()}


def _round(rate: float) -> float:
    """To three digits, so that a rate has one name."""
    return float(f"{rate:.3g}")
