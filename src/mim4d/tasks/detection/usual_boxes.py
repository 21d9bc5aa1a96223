"""The boxes that are usual: what a detector that never looks would say of every clip."""

from collections.abc import Sequence

import torch

from mim4d.metrics.detection.rules import CLASSES, MAX_BOXES_PER_SAMPLE
from mim4d.tasks.detection.detections import Detections, TrueBoxes
from mim4d.tasks.usual import usual_places

_NEAR_M = 2.0
"""The distance at which the errors of matched boxes are measured."""


def usual_boxes(truths: Sequence[TrueBoxes]) -> Detections:
    """Boxes of some clips that come back at the same place, by the share of clips with one there.

    Args:
        truths: Of each clip; boxes that nobody could have seen do not count.
    """
    boxes, classes, attributes = (
        torch.cat([getattr(truth, name)[truth.learned] for truth in truths]).cpu()
        for name in ("boxes_ref", "classes", "attributes")
    )
    clips = torch.cat(
        [torch.full((int(truth.learned.sum()),), i) for i, truth in enumerate(truths)]
    )
    found = []
    for kind in range(len(CLASSES)):
        own = (classes == kind).nonzero().flatten()
        away = torch.cdist(boxes[own, :2], boxes[own, :2])
        rows, shares = usual_places(away, clips[own], len(truths), _NEAR_M)
        found.append((own[rows], shares))
    rows, shares = (torch.cat(parts) for parts in zip(*found, strict=True))
    best = shares.argsort(descending=True, stable=True)[:MAX_BOXES_PER_SAMPLE]
    rows = rows[best]
    return Detections(boxes[rows].nan_to_num(), classes[rows], shares[best], attributes[rows])
