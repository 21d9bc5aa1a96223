"""Intervals, by known cases."""

import math

import numpy as np
import pytest

from mim4d.study.label_efficiency.bootstrap import Drawn, Key, draw, score_draws
from mim4d.study.label_efficiency.evidence import CellCounts, Evidence


def cells(*hits: int, out_of: int = 100) -> CellCounts:
    """A scene for each number: so many of its cells are right, the others missed, all near."""
    counts = np.zeros((len(hits), 2, 1, 3), np.int64)
    counts[:, 0, 0, 0] = hits
    counts[:, 0, 0, 2] = [out_of - each for each in hits]
    return CellCounts(tuple(f"s{i}" for i in range(len(hits))), counts)


def drawn(runs: dict[Key, Evidence]) -> Drawn:
    return score_draws(runs, draw(runs))


def test_equal_scenes_leave_nothing_to_doubt() -> None:
    score = drawn({(0, 0): cells(50, 50, 50)}).interval()
    assert score is not None
    assert (score.lower, score.value, score.upper) == (50, 50, 50)


def test_the_interval_of_a_mean_of_many_scenes_is_the_known_one() -> None:
    """Scenes of one size: IoU is the mean of their shares, whose error is σ/√n."""
    shares = np.random.default_rng(1).integers(20, 80, 60)
    score = drawn({(0, 0): cells(*shares.tolist())}).interval()
    assert score is not None
    half = 1.96 * shares.std() / math.sqrt(60)
    assert score.value == pytest.approx(shares.mean())
    assert score.upper - score.value == pytest.approx(half, rel=0.12)
    assert score.value - score.lower == pytest.approx(half, rel=0.12)


def test_two_subsets_reach_from_one_to_the_other() -> None:
    """A quarter of the draws has the first subset alone, and a quarter the second."""
    score = drawn({(0, 0): cells(40), (1, 0): cells(60)}).interval()
    assert score is not None
    assert (score.lower, score.value, score.upper) == (40, 50, 60)


def test_spreads_of_seeds_and_of_subsets_are_kept_apart() -> None:
    runs: dict[Key, Evidence] = {
        (0, 0): cells(38),
        (0, 1): cells(42),
        (1, 0): cells(58),
        (1, 1): cells(62),
    }
    found = drawn(runs)
    assert found.spread_of_seeds == pytest.approx(math.sqrt(8))
    assert found.spread_of_subsets == pytest.approx(math.sqrt(200))
    assert found.by_run == pytest.approx({(0, 0): 38, (0, 1): 42, (1, 0): 58, (1, 1): 62})
    alone = drawn({(0, 0): cells(38)})
    assert (alone.spread_of_seeds, alone.spread_of_subsets) == (None, None)


def test_gains_are_paired_by_scene_subset_and_seed() -> None:
    """Everything differs much, the arms by 10 points everywhere: the gain is sure."""
    keys: list[Key] = [(0, 0), (0, 1), (1, 0), (1, 1)]
    poor: dict[Key, Evidence] = {
        key: cells(*(5 + 10 * i + 5 * k for i in range(6))) for k, key in enumerate(keys)
    }
    good: dict[Key, Evidence] = {
        key: cells(*(15 + 10 * i + 5 * k for i in range(6))) for k, key in enumerate(keys)
    }
    draws = draw(poor)
    one, other = score_draws(good, draws), score_draws(poor, draws)
    gain, own = one.gain(other), one.interval()
    assert own is not None
    assert (gain.lower, gain.value, gain.upper) == pytest.approx((10, 10, 10))
    assert own.upper - own.lower > 10
    assert gain.is_clear
    assert not one.gain(one).is_clear


def test_the_first_draw_is_what_was_measured_and_seeds_must_fit() -> None:
    runs: dict[Key, Evidence] = {(0, 0): cells(30, 60)}
    draws = draw(runs)
    assert draws.scenes[0].tolist() == [1, 1]
    assert (draws.scenes.sum(axis=1) == 2).all()
    with pytest.raises(ValueError, match="drawn were"):
        score_draws({(0, 1): cells(30, 60)}, draws)


def test_the_share_of_a_gap_by_hand() -> None:
    """Random 10 points below the arm and 40 below the ceiling in every scene: a quarter, surely."""
    offsets = {"random": 0, "arm": 10, "ceiling": 40}
    runs: dict[str, dict[Key, Evidence]] = {
        name: {(0, 0): cells(*(5 + 10 * i + offset for i in range(5)))}
        for name, offset in offsets.items()
    }
    draws = draw(runs["random"])
    scored = {name: score_draws(own, draws) for name, own in runs.items()}
    share = scored["arm"].share_of_gap(scored["random"], scored["ceiling"])
    assert share is not None
    assert (share.lower, share.value, share.upper) == pytest.approx((25, 25, 25))


@pytest.mark.parametrize("ceiling", [(0, 0), (30, 60), (90, 10)])
def test_a_gap_that_may_be_nothing_has_no_share(ceiling: tuple[int, int]) -> None:
    baseline: dict[Key, Evidence] = {(0, 0): cells(30, 60)}
    draws = draw(baseline)
    low = score_draws(baseline, draws)
    high = score_draws({(0, 0): cells(*ceiling)}, draws)
    assert low.share_of_gap(low, high) is None
