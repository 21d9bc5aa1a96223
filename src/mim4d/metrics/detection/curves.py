"""Precision over recall and errors over recall of one class, read at 101 recalls.

Read by linear interpolation between the raw points, without a monotone envelope: at a recall that
repeats the last point holds, and beyond the last recall everything is 0 (numpy's `interp`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.rules import (
    BARRIER,
    ERRORS,
    MIN_PRECISION,
    MIN_RECALL,
    RECALL_STEPS,
)

RECALLS = np.linspace(0, 1, RECALL_STEPS)
_FIRST = round(MIN_RECALL * (RECALL_STEPS - 1)) + 1
"""The first recall that counts; the least one itself does not."""


@dataclass(frozen=True)
class Curve:
    """One class at one threshold.

    Attributes:
        precisions: At each of `RECALLS`.
        confidences: Score at which each recall is reached; 0 where it is not.
    """

    precisions: Float[np.ndarray, " r"]
    confidences: Float[np.ndarray, " r"]

    @property
    def average_precision(self) -> float:
        """Mean of what exceeds a precision of 0.1, over recalls above 0.1, of 0.9."""
        above = np.maximum(self.precisions[_FIRST:] - MIN_PRECISION, 0)
        return float(above.mean()) / (1 - MIN_PRECISION)


def precision_curve(
    hits: Bool[np.ndarray, " k"], scores: Float[np.ndarray, " k"], num_truth: int
) -> Curve:
    """The curve of predictions by falling score.

    Args:
        hits: Which of them took a true box.
        scores: Theirs.
        num_truth: True boxes that there are to be taken.
    """
    if num_truth == 0 or not hits.any():
        return Curve(np.zeros(RECALL_STEPS), np.zeros(RECALL_STEPS))
    found = np.cumsum(hits).astype(np.float64)
    recall = found / num_truth
    precision = found / np.arange(1, len(hits) + 1)
    return Curve(
        np.interp(RECALLS, recall, precision, right=0),
        np.interp(RECALLS, recall, scores, right=0),
    )


def match_errors(truth: BoxTable, predictions: BoxTable) -> Float[np.ndarray, "k e"]:
    """The five errors of predictions and the true boxes that they took, row by row.

    NaN where the velocity of either, or the true attribute, is not known.
    """
    away = predictions.centres_m[:, :2] - truth.centres_m[:, :2]
    common = np.minimum(truth.sizes_m, predictions.sizes_m).prod(axis=1)
    joint = truth.sizes_m.prod(axis=1) + predictions.sizes_m.prod(axis=1) - common
    period = np.where(truth.classes == BARRIER, np.pi, 2 * np.pi)
    turned = np.mod(truth.yaws_rad - predictions.yaws_rad + period / 2, period) - period / 2
    slip = predictions.velocities_m_s - truth.velocities_m_s
    wrong = (predictions.attributes != truth.attributes).astype(np.float64)
    columns = {
        "translation": np.sqrt((away**2).sum(axis=1)),
        "scale": 1 - common / joint,
        "orientation": np.abs(turned),
        "velocity": np.sqrt((slip**2).sum(axis=1)),
        "attribute": np.where(truth.attributes < 0, np.nan, wrong),
    }
    return np.stack([columns[name] for name in ERRORS], axis=1)


def mean_error(
    errors: Float[np.ndarray, " k"], scores: Float[np.ndarray, " k"], curve: Curve
) -> float:
    """One error of the matches of a class, averaged over recalls.

    The running mean over matches by falling score is read at the confidence of each recall and
    averaged from the first recall above 0.1 to the last one that is reached; 1 if none is.

    Args:
        errors: Of the matches, by falling score; NaN is left out of the running mean.
        scores: Theirs.
        curve: Of the class at the distance at which they were matched.
    """
    reached = np.flatnonzero(curve.confidences)
    last = reached[-1] if len(reached) else 0
    if last < _FIRST:
        return 1.0
    means = np.interp(curve.confidences[::-1], scores[::-1], _running_mean(errors)[::-1])[::-1]
    return float(means[_FIRST : last + 1].mean())


def _running_mean(values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Mean of what is known so far; 0 before the first known value, 1 if none is known."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones_like(values)
    return np.nancumsum(values) / np.maximum(np.cumsum(known), 1)
