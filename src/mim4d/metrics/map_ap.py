"""Average precision of the lines of a map, by both published habits at once.

Per clip and class, predictions by falling score look at their single nearest truth alone: a match
if it is near enough and still free, else a false positive. Then the predictions of all clips by
falling score: AP is the area under precision, made monotone from the right, over recall. Equal
scores keep the order of their clips: by number where clips have one, which is the same however
they are dealt out to batches and processes, else as they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torchmetrics import Metric

from mim4d.metrics.line_distance import Line, LineRule, pair_distances


@dataclass(frozen=True)
class MapLines:
    """Lines of the map around one car.

    Attributes:
        lines: Points of each, `m 2` (or `m 3`), metres in any one frame; a closed one repeats its
            first point.
        classes: Class of each.
        scores: How sure a prediction is of each; of truth, anything.
    """

    lines: tuple[Float[Tensor, "_ _"], ...]
    classes: Int[Tensor, " q"]
    scores: Float[Tensor, " q"]

    def of_class(self, index: int) -> tuple[list[Line], Float64[np.ndarray, " j"]]:
        """Lines of a class that have a direction, and their scores: one point is no line."""
        rows = [
            row
            for row, kind in enumerate(self.classes.tolist())
            if kind == index and len(self.lines[row]) >= 2
        ]
        lines = [self.lines[row].detach().double().cpu().numpy() for row in rows]
        return lines, self.scores.detach().double().cpu().numpy()[rows]


class MapAp(Metric):
    """AP by class and threshold, and its means, for every rule.

    A class without truth has AP 0, as in the authors' tools; `mAP` is the mean over all classes,
    `mAP, true classes` over those that occur in the truth.

    Args:
        class_names: Names of the classes.
        rules: How predictions are held against truth.
    """

    full_state_update = False
    headline = "mAP"
    num_true: Tensor

    def __init__(self, class_names: Sequence[str], rules: Sequence[LineRule]) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.rules = tuple(rules)
        zeros = torch.zeros(len(self.class_names), dtype=torch.int64)
        self.add_state("num_true", zeros, dist_reduce_fx="sum")
        for rule in self.rules:
            # A row for each prediction: clip, class, score, whether it matches at each threshold.
            self.add_state(f"{rule.name}_rows", [], dist_reduce_fx="cat")

    def update(
        self,
        answers: Sequence[MapLines],
        targets: Sequence[MapLines],
        clips: Sequence[int] | None = None,
    ) -> None:
        """Match the predictions of each clip.

        Args:
            answers: What was predicted of each clip.
            targets: What is true of it.
            clips: Its number, below 2^53; None: all alike, so that order decides among ties.

        Raises:
            ValueError: If a predicted point or score is not finite.
        """
        numbers = [0] * len(targets) if clips is None else clips
        for predicted, true, number in zip(answers, targets, numbers, strict=True):
            _require_finite(predicted)
            for index in range(len(self.class_names)):
                truths, _ = true.of_class(index)
                lines, scores = predicted.of_class(index)
                self.num_true[index] += len(truths)
                for rule in self.rules:
                    matched = matches(pair_distances(lines, truths, rule), scores, rule)
                    of = np.full((len(lines), 2), (number, index), np.float64)
                    rows = np.c_[of, scores, matched]
                    kept: list[Tensor] = getattr(self, f"{rule.name}_rows")
                    kept.append(torch.from_numpy(rows).to(self.num_true.device))

    def compute(self) -> dict[str, dict[str, float | int | None]]:
        """A row for each rule, its mean over thresholds first; and how many lines are true."""
        table: dict[str, dict[str, float | int | None]] = {}
        for rule in self.rules:
            by_class = self._by_class(rule)
            table[rule.name] = self._row(by_class.mean(axis=1))
            for threshold, values in zip(rule.thresholds_m, by_class.T, strict=True):
                table[f"{rule.name} at {threshold:g} m"] = self._row(values)
        counts = self.num_true.tolist()
        names = dict(zip(self.class_names, counts, strict=True))
        table["true lines"] = {**names, "mAP": sum(counts), "mAP, true classes": sum(counts)}
        return table

    def answers(self, rule: LineRule) -> Float64[np.ndarray, "q k"]:
        """Every predicted line so far, clip by clip: class, score, match at each threshold."""
        kept: list[Tensor] | Tensor = getattr(self, f"{rule.name}_rows")
        rows = torch.cat(kept) if isinstance(kept, list) and kept else kept
        if not isinstance(rows, Tensor):
            return np.zeros((0, 2 + len(rule.thresholds_m)))
        found: Float64[np.ndarray, "q k"] = rows.cpu().numpy()
        return found[np.argsort(found[:, 0], kind="stable")][:, 1:]

    def _by_class(self, rule: LineRule) -> Float64[np.ndarray, "l t"]:
        found, values = self.answers(rule), []
        for index, num_true in enumerate(self.num_true.tolist()):
            own = found[found[:, 0] == index]
            own = own[np.argsort(-own[:, 1], kind="stable")]
            values.append([average_precision(column > 0, num_true) for column in own[:, 2:].T])
        return np.array(values)

    def _row(self, values: Float64[np.ndarray, " l"]) -> dict[str, float | int | None]:
        occur = self.num_true.cpu().numpy() > 0
        row: dict[str, float | int | None] = dict(
            zip(self.class_names, values.tolist(), strict=True)
        )
        row["mAP"] = float(values.mean())
        row["mAP, true classes"] = float(values[occur].mean()) if occur.any() else None
        return row


def matches(
    distances: Float64[np.ndarray, "q k"], scores: Float64[np.ndarray, " q"], rule: LineRule
) -> Bool[np.ndarray, "q t"]:
    """Which predictions of one clip and class match a truth, at each threshold."""
    matched = np.zeros((len(scores), len(rule.thresholds_m)), np.bool_)
    if distances.shape[1] == 0:
        return matched
    nearest, least = distances.argmin(axis=1), distances.min(axis=1, initial=np.inf)
    for column, threshold in enumerate(rule.thresholds_m):
        taken = np.zeros(distances.shape[1], np.bool_)
        for row in np.argsort(-scores, kind="stable"):
            if least[row] <= threshold and not taken[nearest[row]]:
                taken[nearest[row]] = matched[row, column] = True
    return matched


def average_precision(matched: Bool[np.ndarray, " q"], num_true: int) -> float:
    """Area under monotone precision over recall, of predictions by falling score."""
    if num_true == 0:
        return 0.0
    hits = np.cumsum(matched)
    precision = hits / np.arange(1, len(hits) + 1)
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    return float(monotone[matched].sum() / num_true)


def _require_finite(lines: MapLines) -> None:
    values = [lines.scores, *lines.lines]
    if not all(bool(value.isfinite().all()) for value in values):
        raise ValueError("a predicted line has a point or score that is NaN or infinite")
