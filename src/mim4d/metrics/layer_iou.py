"""Intersection over union of layers seen from above, from whole counts.

A cell is predicted where its probability is at least the threshold (CVT's habit; Lift-Splat-Shoot
wants more than it, `at_least=False`). Over all cells of all clips that count, IoU is
tp / (tp + fp + fn). Two habits of what counts, from one pass: `visible` leaves out the cells of
objects that hardly anybody could have seen, `all` counts them like the others. Counts are 64-bit
integers, so that sums over clips, batches and processes are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchmetrics import Metric

THRESHOLD = 0.5
"""The one that is reported. It is never chosen by the data that are evaluated."""
SWEEP = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
"""Thresholds of the table that stands apart."""
_NEAR_M = 16.0

Row = dict[str, float | int | None]


@dataclass(frozen=True)
class LayerTruth:
    """What is true of the cells of a batch.

    Attributes:
        occupied: Cells of each layer in which something of it is, whether it can be seen or not.
        ignored: Cells of things that hardly anybody could have seen.
    """

    occupied: Bool[Tensor, "b l y x"]
    ignored: Bool[Tensor, "b l y x"]


def count_cells(
    predicted: Bool[Tensor, "b *l y x"],
    occupied: Bool[Tensor, "b *l y x"],
    counted: Bool[Tensor, "b *#l y x"] | Bool[Tensor, "y x"],
) -> Int64[Tensor, "*l 3"]:
    """True positives, false positives and false negatives among the cells that count."""
    kinds = torch.stack([predicted & occupied, predicted & ~occupied, ~predicted & occupied], -1)
    return (kinds & counted.unsqueeze(-1)).sum(dim=(0, -3, -2))


def iou(counts: Int64[Tensor, " 3"]) -> float | None:
    """Of tp, fp and fn: tp / (tp + fp + fn); None where nothing is true and nothing predicted.

    There CVT says 0, and Lift-Splat-Shoot 1 of a batch and nothing of a whole split.
    """
    tp, fp, fn = counts.tolist()
    return tp / (tp + fp + fn) if tp + fp + fn else None


class LayerIou(Metric):
    """IoU of layers: for both habits, by distance, and at other thresholds beside.

    Args:
        layers: Their names, in the order of the predictions.
        objects: Those that have a visibility: they get a row for each habit.
        centres_m: Ground-plane centre of each cell, metres from the car.
        at_least: Whether a probability equal to the threshold counts as predicted.
    """

    full_state_update = False
    headline = "IoU"
    counts: Int64[Tensor, "2 2 l 3"]
    sweep: Int64[Tensor, "2 q l 3"]

    def __init__(
        self,
        layers: Sequence[str],
        objects: Sequence[str],
        centres_m: Float[Tensor, "y x 2"],
        at_least: bool = True,
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.objects = tuple(objects)
        self.at_least = at_least
        self._near = centres_m.norm(dim=-1) < _NEAR_M
        # Habit (visible, all) × place (within, beyond) × layer × tp, fp, fn.
        zeros = torch.zeros(2, 2, len(self.layers), 3, dtype=torch.int64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")
        zeros = torch.zeros(2, len(SWEEP), len(self.layers), 3, dtype=torch.int64)
        self.add_state("sweep", zeros, dist_reduce_fx="sum")

    def update(self, probabilities: Float[Tensor, "b l y x"], truth: LayerTruth) -> None:
        """Count the cells of a batch.

        Raises:
            ValueError: If a probability is not finite.
        """
        if not bool(probabilities.isfinite().all()):
            raise ValueError("a predicted probability is NaN or infinite; the weights are unusable")
        near, everywhere = self._near.to(probabilities.device), torch.ones_like(truth.ignored)
        predicted = self._above(probabilities, THRESHOLD)
        for habit, counted in enumerate((~truth.ignored, everywhere)):
            for place, where in enumerate((near, ~near)):
                self.counts[habit, place] += count_cells(predicted, truth.occupied, counted & where)
            for level, threshold in enumerate(SWEEP):
                self.sweep[habit, level] += count_cells(
                    self._above(probabilities, threshold), truth.occupied, counted
                )

    def _above(self, probabilities: Tensor, threshold: float) -> Bool[Tensor, "b l y x"]:
        return probabilities >= threshold if self.at_least else probabilities > threshold

    def compute(self) -> dict[str, Row]:
        """A row for each layer, two where it has a visibility, and the mean over layers."""
        rows = {name: self._row(self.counts[index]) for name, index in self._rows()}
        first = [rows[f"{each}, visible" if each in self.objects else each] for each in self.layers]
        if len(first) > 1:
            rows["mean of layers"] = {column: _mean(first, column) for column in first[0]}
            rows["mean of layers"]["true cells"] = None
        return rows

    def further_tables(self) -> dict[str, dict[str, Row]]:
        """IoU at other thresholds: how much would be gained by choosing it on these very data."""
        rows: dict[str, Row] = {}
        for name, (habit, _, layer) in self._rows():
            at = self.sweep[habit, :, layer]
            rows[name] = {f"{t:.2f}": iou(at[k]) for k, t in enumerate(SWEEP)}
        return {"IoU at other thresholds": rows}

    def _rows(self) -> list[tuple[str, tuple[int, slice, int]]]:
        """Name of each row, and where its counts are: habit, places, layer."""
        rows = []
        for layer, name in enumerate(self.layers):
            habits = (", visible", ", all") if name in self.objects else ("",)
            for habit, word in enumerate(habits):
                rows.append((name + word, (habit, slice(None), layer)))
        return rows

    def _row(self, counts: Int64[Tensor, "2 3"]) -> Row:
        near, far = counts
        tp, fp, fn = (near + far).tolist()
        return {
            "IoU": iou(near + far),
            f"within {_NEAR_M:g} m": iou(near),
            "beyond": iou(far),
            "precision": tp / (tp + fp) if tp + fp else None,
            "recall": tp / (tp + fn) if tp + fn else None,
            "true cells": tp + fn,
        }


def _mean(rows: list[Row], column: str) -> float | None:
    values = [value for row in rows if (value := row[column]) is not None]
    return sum(values) / len(values) if values else None
