"""Intervals over all that chance drew: subsets of labels, trainings, held-out scenes.

In every draw, subsets and training seeds are drawn anew with replacement, and so are the held-out
scenes; all arms get the same draw, so that differences are paired by all three. Few subsets and
seeds make such an interval too narrow rather than too wide.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mim4d.study.label_efficiency.evidence import Evidence, Place, RankedAnswers

LEVEL = 0.95
RESAMPLES, RESAMPLES_OF_AP = 2000, 300
"""Draws; AP must be read off anew in each, which takes longer."""
Key = tuple[int, int]
"""Seed of the subset, seed of the training."""


@dataclass(frozen=True)
class Interval:
    """A number, and where draws put it.

    Attributes:
        value: Of what was measured.
        lower: Only `(1 - LEVEL) / 2` of the draws lie below.
        upper: And so many above.
    """

    value: float
    lower: float
    upper: float

    @property
    def is_clear(self) -> bool:
        """Whether zero lies outside."""
        return self.lower > 0 or self.upper < 0


@dataclass(frozen=True)
class Draws:
    """What was drawn, the same for all that is compared.

    Attributes:
        scenes: How often each held-out scene was drawn; the first row has each of them once.
        runs: How often each run was drawn, in the order of `keys`; the first row has each once.
        keys: Subset and training seed of the runs.
    """

    scenes: Int64[np.ndarray, "k scene"]
    runs: Float64[np.ndarray, "k run"]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Drawn:
    """Scores of one arm: the first as measured, then of every draw; percent.

    Attributes:
        by_place: Mean over the runs drawn.
        by_run: As measured, by subset and training seed, everywhere.
    """

    by_place: dict[Place, Float64[np.ndarray, " k"]]
    by_run: dict[Key, float]

    def interval(self, place: Place = "all") -> Interval | None:
        """Of the score; None where nothing has a place."""
        return interval(self.by_place[place]) if place in self.by_place else None

    def gain(self, other: "Drawn") -> Interval:
        """How far it is above another arm."""
        return interval(self.by_place["all"] - other.by_place["all"])

    def share_of_gap(self, baseline: "Drawn", ceiling: "Drawn") -> Interval | None:
        """Percent of the way from a baseline to a ceiling.

        None unless the ceiling is clearly above the baseline: a share of a gap that may be nothing
        says nothing. Of such a gap, the few draws in which it is not above are left out.
        """
        gap = ceiling.by_place["all"] - baseline.by_place["all"]
        if interval(gap).lower <= 0 or gap[0] <= 0:
            return None
        gain = self.by_place["all"] - baseline.by_place["all"]
        return interval(100 * gain[gap > 0] / gap[gap > 0])

    @property
    def spread_of_seeds(self) -> float | None:
        """Standard deviation over training seeds of one subset, pooled over subsets."""
        groups = [[v for (s, _), v in self.by_run.items() if s == subset] for subset in self._sets]
        squares = [np.var(group, ddof=1) for group in groups if len(group) > 1]
        return float(np.sqrt(np.mean(squares))) if squares else None

    @property
    def spread_of_subsets(self) -> float | None:
        """Standard deviation over subsets of the mean over training seeds."""
        means = [
            np.mean([v for (s, _), v in self.by_run.items() if s == subset])
            for subset in self._sets
        ]
        return float(np.std(means, ddof=1)) if len(means) > 1 else None

    @property
    def _sets(self) -> list[int]:
        return list(dict.fromkeys(subset for subset, _ in self.by_run))


def interval(drawn: Float64[np.ndarray, " k"]) -> Interval:
    """Of numbers of which the first was measured and the others were drawn."""
    outside = 100 * (1 - LEVEL) / 2
    draws = drawn[1:] if len(drawn) > 1 else drawn
    lower, upper = np.percentile(draws, [outside, 100 - outside])
    return Interval(float(drawn[0]), float(lower), float(upper))


def draw(runs: Mapping[Key, Evidence]) -> Draws:
    """Draws for all arms whose runs have these seeds and were judged on these scenes.

    Args:
        runs: Of any of the arms.
    """
    some = next(iter(runs.values()))
    count = RESAMPLES_OF_AP if isinstance(some, RankedAnswers) else RESAMPLES
    rng = np.random.default_rng(0)
    num_scenes = len(some.scenes)
    drawn = rng.integers(num_scenes, size=(count, num_scenes))
    scenes = np.stack([np.bincount(each, minlength=num_scenes) for each in drawn])
    keys = tuple(runs)
    num_subsets = len({subset for subset, _ in keys})
    num_seeds = len(keys) // num_subsets
    assert num_subsets * num_seeds == len(keys), "every subset has every seed, one after the other"
    # Subsets with replacement, and in each that was drawn its trainings with replacement.
    subsets = rng.integers(num_subsets, size=(count, num_subsets, 1))
    trainings = rng.integers(num_seeds, size=(count, num_subsets, num_seeds))
    rows = (subsets * num_seeds + trainings).reshape(count, -1)
    weights = (rows[:, :, None] == np.arange(len(keys))).sum(axis=1).astype(np.float64)
    return Draws(
        np.concatenate([np.ones((1, num_scenes), np.int64), scenes]),
        np.concatenate([np.ones((1, len(keys))), weights]),
        keys,
    )


def score_draws(runs: Mapping[Key, Evidence], draws: Draws) -> Drawn:
    """Scores of an arm in every draw.

    Args:
        runs: Of the arm, by subset and training seed.
        draws: Made for runs of the same seeds.

    Raises:
        ValueError: If the seeds are others, or the scenes.
    """
    if tuple(runs) != draws.keys:
        raise ValueError(f"runs of the seeds {tuple(runs)}, drawn were {draws.keys}")
    scored = [evidence.scores(draws.scenes) for evidence in runs.values()]
    shares = draws.runs / draws.runs.sum(axis=1, keepdims=True)
    by_place: dict[Place, Float64[np.ndarray, " k"]] = {
        place: np.einsum("rk,kr->k", np.stack([each[place] for each in scored]), shares)
        for place in scored[0]
    }
    by_run = {key: float(each["all"][0]) for key, each in zip(runs, scored, strict=True)}
    return Drawn(by_place, by_run)
