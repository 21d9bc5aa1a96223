"""How many times fewer labels an arm needs for the score that it has, read off the other's curve.

The other arm's curve is linear in the logarithm of the number of labelled scenes between what was
measured, and never falls: where more labels scored less, the best so far stands.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Bound = Literal["", "at least ", "at most "]


@dataclass(frozen=True)
class LabelsSaved:
    """So many times the labels would be needed.

    Attributes:
        times: The other arm's labelled scenes over this arm's.
        bound: What of it is known, where the curve ends before it has the score.
    """

    times: float
    bound: Bound = ""

    def __str__(self) -> str:
        sign = {"": "", "at least ": "≥ ", "at most ": "≤ "}[self.bound]
        return f"{sign}{self.times:.1f} ×"


def labels_saved(
    scenes: int, score: float, other_scenes: Sequence[int], other_scores: Sequence[float]
) -> LabelsSaved | None:
    """Where the other arm's curve reaches a score.

    Args:
        scenes: Labelled scenes of this arm.
        score: Its score with them.
        other_scenes: Labelled scenes of the other arm, rising.
        other_scores: Its scores.

    Returns:
        How many times this arm's labels that is; None of a score of 0, which needs no labels.
    """
    if score <= 0:
        return None
    if score <= other_scores[0]:
        exact = score == other_scores[0]
        return LabelsSaved(other_scenes[0] / scenes, "" if exact else "at most ")
    best, before = other_scores[0], other_scenes[0]
    for count, value in zip(other_scenes[1:], other_scores[1:], strict=True):
        if value >= score:
            share = (score - best) / (value - best)
            log = math.log(before) + share * (math.log(count) - math.log(before))
            return LabelsSaved(math.exp(log) / scenes)
        best, before = max(best, value), count
    return LabelsSaved(other_scenes[-1] / scenes, "at least ")
