"""Which boxes of a clip a picture shows: those of a score, and which true boxes they took."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.evaluation.detection.predict import DetectedClip
from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.matching import match_boxes
from mim4d.metrics.detection.rules import CLASSES, ERROR_DISTANCE


@dataclass(frozen=True)
class Compared:
    """Predicted and true boxes of a clip in `ref`.

    Attributes:
        boxes_ref: Predicted, of a score.
        names: Their classes.
        true_ref: True ones.
        pairs: Rows of a prediction and of the true box, within 2 m, that it took.
    """

    boxes_ref: Float[Tensor, "k 9"]
    names: list[str]
    true_ref: Float[Tensor, "m 9"]
    pairs: Int[Tensor, "p 2"]


def compare(detected: DetectedClip, min_score: float) -> Compared:
    """The boxes of a clip that a picture shows."""
    found, truth = detected.found, detected.truth
    kept = found.scores >= min_score
    boxes, classes = found.boxes_ref[kept], found.classes[kept]
    true = torch.zeros(0, 9) if truth is None else truth.boxes_ref
    true_classes = classes[:0] if truth is None else truth.classes
    scores = found.scores[kept].double().numpy()
    tables = _table(true, true_classes, np.zeros(len(true))), _table(boxes, classes, scores)
    taken = torch.from_numpy(match_boxes(*tables).truth[ERROR_DISTANCE])
    rows = torch.nonzero(taken >= 0).flatten()
    return Compared(
        boxes,
        [CLASSES[kind] for kind in classes.tolist()],
        true,
        torch.stack([rows, taken[rows]], dim=1),
    )


def _table(boxes: Tensor, classes: Tensor, scores: np.ndarray) -> BoxTable:
    rows, none = boxes.double().numpy(), np.zeros(len(boxes), np.int64)
    return BoxTable(
        samples=none,
        classes=classes.numpy(),
        centres_m=rows[:, :3],
        sizes_m=rows[:, 3:6],
        yaws_rad=rows[:, 6],
        velocities_m_s=rows[:, 7:],
        attributes=none,
        scores=scores,
        points=none,
        visibilities=none,
    )
