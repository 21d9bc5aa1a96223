"""Which prediction takes which true box.

For each class and threshold, predictions of falling score each take the nearest true box of their
sample and class that is not yet taken, if it is nearer than the threshold. Samples do not disturb
one another, so the first predictions of all samples and classes choose at once, then the second
ones, and so on: as many rounds as the fullest sample has boxes of a class near a true one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from mim4d.metrics.detection.boxes import BoxTable, pairs_of_groups
from mim4d.metrics.detection.rules import CLASSES, MATCH_DISTANCES_M

_CHUNK = 1 << 17
"""Predictions whose distances to true boxes are in memory at once."""


@dataclass(frozen=True)
class Matches:
    """What was found.

    Attributes:
        order: All predictions by falling score; among equal ones the later row first.
        truth: Row of the true box that each prediction takes at each threshold; -1 for none.
    """

    order: Int[np.ndarray, " k"]
    truth: Int[np.ndarray, "d k"]


@dataclass(frozen=True)
class _Pairs:
    """Predictions and true boxes near each other, in the order in which they are asked."""

    ranks: Int[np.ndarray, " p"]
    predictions: Int[np.ndarray, " p"]
    truth: Int[np.ndarray, " p"]
    distances_m: Float[np.ndarray, " p"]


def match_boxes(truth: BoxTable, predictions: BoxTable) -> Matches:
    """Match predictions at every threshold, all classes and samples at once."""
    order = np.argsort(predictions.scores, kind="stable")[::-1]
    pairs = _near_pairs(truth, predictions, order)
    found = np.full((len(MATCH_DISTANCES_M), len(predictions)), -1, np.int64)
    for taken_at, limit_m in zip(found, MATCH_DISTANCES_M, strict=True):
        _choose(pairs, limit_m, taken_at, np.zeros(len(truth), bool))
    return Matches(order, found)


def _near_pairs(truth: BoxTable, predictions: BoxTable, order: Int[np.ndarray, " k"]) -> _Pairs:
    """All pairs of one sample and class that are nearer than the largest threshold."""
    group, true_group = (
        boxes.samples.astype(np.int64) * len(CLASSES) + boxes.classes
        for boxes in (predictions, truth)
    )
    rows, taken, distances = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for start in range(0, len(predictions), _CHUNK):
        a, b = pairs_of_groups(group[start : start + _CHUNK], true_group)
        a = a + start
        away = predictions.centres_m[a, :2] - truth.centres_m[b, :2]
        distance = np.sqrt((away**2).sum(axis=1))
        near = distance < max(MATCH_DISTANCES_M)
        rows.append(a[near])
        taken.append(b[near])
        distances.append(distance[near])
    a, b, d = np.concatenate(rows), np.concatenate(taken), np.concatenate(distances)
    ranks = _ranks(group, order)[a]
    asked = np.lexsort((b, d, a, ranks))
    return _Pairs(ranks[asked], a[asked], b[asked], d[asked])


def _ranks(group: Int[np.ndarray, " k"], order: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """Place of each prediction in its group, by falling score."""
    by_group = order[np.argsort(group[order], kind="stable")]
    ordered = group[by_group]
    ranks = np.empty(len(group), np.int64)
    ranks[by_group] = np.arange(len(group)) - np.searchsorted(ordered, ordered, side="left")
    return ranks


def _choose(
    pairs: _Pairs, limit_m: float, found: Int[np.ndarray, " k"], taken: Bool[np.ndarray, " m"]
) -> None:
    """Let predictions choose, round by round; fills `found`."""
    near = pairs.distances_m < limit_m
    ranks, rows, truth = pairs.ranks[near], pairs.predictions[near], pairs.truth[near]
    bounds = np.append(np.flatnonzero(np.diff(ranks, prepend=-1)), len(ranks)).tolist()
    for start, stop in pairwise(bounds):
        free = start + np.flatnonzero(~taken[truth[start:stop]])
        # The pairs of a prediction stand together, the nearest first.
        nearest = free[np.flatnonzero(np.diff(rows[free], prepend=-1))]
        found[rows[nearest]] = truth[nearest]
        taken[truth[nearest]] = True
