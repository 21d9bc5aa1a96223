"""Intersection over union of cells seen from above, from whole counts.

A cell is predicted where its probability is at least the threshold. Over all cells that count of
all clips: IoU = tp / (tp + fp + fn). Two habits, both from the same sums: `visible` leaves cells
out that are said to be ignored, `all` counts them as occupied. Counts are 64-bit integers, so that
sums over clips, batches and processes are exact (a float32 counter stops at 16.7 million).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True)
class CellTruth:
    """What is true of the cells of a batch.

    Attributes:
        occupied: Cells in which something stands that counts.
        ignored: Cells, not occupied, in which something stands that nobody could have seen.
    """

    occupied: Bool[Tensor, "b y x"]
    ignored: Bool[Tensor, "b y x"]


class CellIou(Metric):
    """IoU of one class of things, for both habits, everywhere and within a distance.

    Args:
        noun: What the things are called in the rows, plural.
        centres_m: Ground-plane centre of each cell, metres from the car.
        threshold: Probability from which on a cell is predicted.
        near_m: Where `within` ends and `beyond` begins, metres.
    """

    full_state_update = False
    headline = "IoU"
    counts: Int64[Tensor, "2 2 3"]

    def __init__(
        self,
        noun: str,
        centres_m: Float[Tensor, "y x 2"],
        threshold: float = 0.5,
        near_m: float = 16.0,
    ) -> None:
        super().__init__()
        self.noun = noun
        self.threshold = threshold
        self.near_m = near_m
        self._near = centres_m.norm(dim=-1) < near_m
        zeros = torch.zeros(2, 2, 3, dtype=torch.int64)
        # Habit (visible, all) × place (within, beyond) × tp, fp, fn.
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, probabilities: Float[Tensor, "b y x"], truth: CellTruth) -> None:
        """Count the cells of a batch.

        Raises:
            ValueError: If a probability is not finite.
        """
        if not bool(probabilities.isfinite().all()):
            raise ValueError("a predicted probability is NaN or infinite; the weights are unusable")
        predicted = probabilities >= self.threshold
        near = self._near.to(predicted.device)
        counted = (
            (truth.occupied, ~truth.ignored),
            (truth.occupied | truth.ignored, torch.ones_like(truth.ignored)),
        )
        for habit, (occupied, counts) in enumerate(counted):
            kinds = torch.stack(
                [predicted & occupied, predicted & ~occupied, ~predicted & occupied]
            )
            kinds &= counts
            for place, where in enumerate((near, ~near)):
                self.counts[habit, place] += (kinds & where).sum(dim=(1, 2, 3))

    def compute(self) -> dict[str, dict[str, float | int | None]]:
        """The two habits as rows."""
        rows = (f"visible {self.noun}", f"all {self.noun}")
        return {name: self._row(counts) for name, counts in zip(rows, self.counts, strict=True)}

    def _row(self, counts: Int64[Tensor, "2 3"]) -> dict[str, float | int | None]:
        near, far = counts
        tp, _, fn = (near + far).tolist()
        return {
            "IoU": iou(near + far),
            f"within {self.near_m:g} m": iou(near),
            "beyond": iou(far),
            "true cells": tp + fn,
        }


def iou(counts: Int64[Tensor, " 3"]) -> float | None:
    """Of tp, fp and fn: tp / (tp + fp + fn); None where nothing is true and nothing predicted."""
    tp, fp, fn = counts.tolist()
    return tp / (tp + fp + fn) if tp + fp + fn else None
