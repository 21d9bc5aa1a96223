"""Scores of parts of the boxes: by distance from the car, and by how much of them is seen.

Matches are those of all boxes. Of a part, its true boxes count; predictions that took one of
another part are forgotten; those that took none count as false in the part that they lie in
(distance), or in every part (visibility, which a prediction does not have).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.matching import Matches
from mim4d.metrics.detection.scores import DetectionScores, score_matches

RANGE_EDGES_M = (0.0, 15.0, 30.0, 50.0)
VISIBILITIES = {1: "seen to 40 %", 2: "to 60 %", 3: "to 80 %", 4: "to 100 %"}


@dataclass(frozen=True)
class MatchedBoxes:
    """Boxes that count, their matches, and their distances from the car.

    Attributes:
        truth: True boxes.
        predictions: Predicted ones.
        matches: Of these.
        truth_distances_m: Of true boxes.
        distances_m: Of predicted ones.
    """

    truth: BoxTable
    predictions: BoxTable
    matches: Matches
    truth_distances_m: Float[np.ndarray, " m"]
    distances_m: Float[np.ndarray, " k"]

    def scores(
        self,
        counted_truth: Bool[np.ndarray, " m"] | None = None,
        counted: Bool[np.ndarray, " k"] | None = None,
    ) -> DetectionScores:
        """Scores of all boxes, or of a part."""
        return score_matches(self.truth, self.predictions, self.matches, counted_truth, counted)


def scores_of_parts(boxes: MatchedBoxes) -> Iterator[tuple[str, DetectionScores]]:
    """Name and scores of each part that has a true box."""
    for low, high in pairwise(RANGE_EDGES_M):
        true_there, there = (
            (low <= away) & (away < high) for away in (boxes.truth_distances_m, boxes.distances_m)
        )
        if true_there.any():
            yield f"{low:g} to {high:g} m", boxes.scores(true_there, there)
    for level, name in VISIBILITIES.items():
        of_level = boxes.truth.visibilities == level
        if of_level.any():
            yield name, boxes.scores(of_level)
