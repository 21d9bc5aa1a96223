"""Learning rates: the best one has worse ones on both sides."""

import math

import pytest

from mim4d.study.label_efficiency.search import MOST_RATES, Choice, choose, next_rate, search

GRID = (1e-3, 2e-3, 4e-3, 8e-3)


def test_the_best_inside_the_grid_ends_the_search() -> None:
    assert next_rate({1e-3: 1.0, 2e-3: 5.0, 4e-3: 3.0, 8e-3: 0.0}) is None


def test_a_best_rate_at_an_end_makes_the_grid_grow_there() -> None:
    assert next_rate({1e-3: 9.0, 2e-3: 5.0, 4e-3: 3.0, 8e-3: 0.0}) == 5e-4
    assert next_rate({1e-3: 1.0, 2e-3: 5.0, 4e-3: 6.0, 8e-3: 7.0}) == 1.6e-2


def test_equal_scores_say_nothing_and_the_middle_is_taken() -> None:
    found = choose(dict.fromkeys(GRID, 0.0))
    assert (found.rate, found.at_edge) == (2e-3, False)


@pytest.mark.parametrize("best", [2e-4, 3e-3, 5e-2])
def test_a_search_finds_the_best_rate_wherever_it_is(best: float) -> None:
    """The score falls with the distance of logarithms; each name has its own best rate."""
    asked: list[tuple[str, float]] = []

    def score(wanted: list[tuple[str, float]]) -> list[float]:
        asked.extend(wanted)
        peak = {"one": best, "other": 3e-3}
        return [50 - abs(math.log(rate / peak[name])) for name, rate in wanted]

    found = search(["one", "other"], GRID, score)
    assert abs(math.log(found["one"].rate / best)) <= math.log(2) / 2 + 1e-9
    assert not found["one"].at_edge
    assert set(found["other"].scores) == set(GRID)
    assert len(asked) == len(set(asked))


def test_a_search_that_never_ends_is_ended_and_says_so() -> None:
    found = search(["one"], GRID, lambda wanted: [rate for _, rate in wanted])
    assert len(found["one"].scores) == MOST_RATES
    assert found["one"].at_edge
    assert "10 rates but stands at their end" in found["one"].note
    assert Choice(1e-3, {}, False).note == ""
