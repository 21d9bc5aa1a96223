"""From boxes to the numbers that are quoted: mAP, five errors, and NDS.

mAP is the mean over four distances and ten classes. NDS = (5 mAP + Σ max(0, 1 − error)) / 10. A
class that is nowhere true scores an AP of 0 and errors of 1, like one that was never found.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.curves import Curve, match_errors, mean_error, precision_curve
from mim4d.metrics.detection.matching import Matches
from mim4d.metrics.detection.rules import (
    CLASSES,
    ERROR_DISTANCE,
    ERRORS,
    MAP_WEIGHT,
    MATCH_DISTANCES_M,
    UNDEFINED_ERRORS,
)


@dataclass(frozen=True)
class DetectionScores:
    """Scores of all classes.

    Attributes:
        average_precisions: By class and distance.
        errors: By class and kind; NaN where a class does not have it.
        precisions: By class, distance and recall.
        confidences: By class, distance and recall.
        num_truth: True boxes that count, by class.
        num_predictions: Predictions that count, by class.
    """

    average_precisions: Float[np.ndarray, "c d"]
    errors: Float[np.ndarray, "c e"]
    precisions: Float[np.ndarray, "c d r"]
    confidences: Float[np.ndarray, "c d r"]
    num_truth: Int[np.ndarray, " c"]
    num_predictions: Int[np.ndarray, " c"]

    @property
    def class_ap(self) -> Float[np.ndarray, " c"]:
        """AP of each class, over distances."""
        return self.average_precisions.mean(axis=1)

    @property
    def mean_ap(self) -> float:
        """MAP over all ten classes."""
        return float(self.class_ap.mean())

    @property
    def mean_ap_of_true_classes(self) -> float | None:
        """MAP over classes that are true somewhere; None where there is none."""
        there = self.num_truth > 0
        return float(self.class_ap[there].mean()) if there.any() else None

    @property
    def mean_errors(self) -> Float[np.ndarray, " e"]:
        """The five errors, over classes that have them."""
        return np.nanmean(self.errors, axis=0)

    @property
    def nds(self) -> float:
        """The nuScenes detection score."""
        gained = np.maximum(1 - self.mean_errors, 0).sum()
        return float((MAP_WEIGHT * self.mean_ap + gained) / (MAP_WEIGHT + len(ERRORS)))


def score_matches(
    truth: BoxTable,
    predictions: BoxTable,
    matches: Matches,
    counted_truth: Bool[np.ndarray, " m"] | None = None,
    counted_predictions: Bool[np.ndarray, " k"] | None = None,
) -> DetectionScores:
    """Score matched boxes, all or a part of them.

    Args:
        truth: True boxes.
        predictions: Predicted ones.
        matches: Of these.
        counted_truth: Which true boxes count; predictions that took another one are forgotten.
        counted_predictions: Which of the predictions that took none count, as false ones.
    """
    if counted_truth is None:
        counted_truth = np.ones(len(truth), bool)
    if counted_predictions is None:
        counted_predictions = np.ones(len(predictions), bool)
    scored = [
        _score_class(truth, predictions, matches, (counted_truth, counted_predictions), k)
        for k in range(len(CLASSES))
    ]
    curves = [one.curves for one in scored]
    return DetectionScores(
        np.array([[curve.average_precision for curve in row] for row in curves]),
        np.array([one.errors for one in scored]),
        np.array([[curve.precisions for curve in row] for row in curves]),
        np.array([[curve.confidences for curve in row] for row in curves]),
        np.array([one.num_truth for one in scored]),
        np.array([one.num_predictions for one in scored]),
    )


@dataclass(frozen=True)
class _ClassScores:
    curves: list[Curve]
    errors: list[float]
    num_truth: int
    num_predictions: int


def _score_class(
    truth: BoxTable,
    predictions: BoxTable,
    matches: Matches,
    counted: tuple[Bool[np.ndarray, " m"], Bool[np.ndarray, " k"]],
    number: int,
) -> _ClassScores:
    counted_truth, counted_predictions = counted
    num_truth = int((counted_truth & (truth.classes == number)).sum())
    ordered = matches.order[predictions.classes[matches.order] == number]
    curves, errors, most = [], [1.0] * len(ERRORS), 0
    for distance in range(len(MATCH_DISTANCES_M)):
        taken = matches.truth[distance, ordered]
        hits = taken >= 0
        counts = np.where(hits, _at(counted_truth, taken), counted_predictions[ordered])
        rows, taken, hits = ordered[counts], taken[counts], hits[counts]
        curve = precision_curve(hits, predictions.scores[rows], num_truth)
        curves.append(curve)
        most = max(most, len(rows))
        if distance == ERROR_DISTANCE and hits.any():
            found = match_errors(truth.take(taken[hits]), predictions.take(rows[hits]))
            scores = predictions.scores[rows[hits]]
            errors = [mean_error(column, scores, curve) for column in found.T]
    for kind in UNDEFINED_ERRORS.get(number, ()):
        errors[kind] = float("nan")
    return _ClassScores(curves, errors, num_truth, most)


def _at(values: Bool[np.ndarray, " m"], rows: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    """Values at rows, False where the row is -1."""
    return np.append(values, False)[rows]
