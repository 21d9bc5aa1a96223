"""From cells to boxes: peaks of each class, and of peaks of one class near each other the best."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.detection.rules import CLASSES
from mim4d.tasks.detection.box_code import move_boxes
from mim4d.tasks.detection.centre_head import CentreOutput
from mim4d.tasks.detection.centre_losses import allowed_attributes
from mim4d.tasks.detection.detections import (
    Detections,
    attributes_that_move,
    best_of_classes,
    require_numbers,
)

_RADII_M = {
    "car": 1.5,
    "truck": 2.0,
    "bus": 2.5,
    "trailer": 2.5,
    "construction_vehicle": 2.0,
    "pedestrian": 0.4,
    "motorcycle": 0.6,
    "bicycle": 0.6,
    "traffic_cone": 0.3,
    "barrier": 0.6,
}
"""Two boxes of a class are not nearer than this: about half the width or more of such a thing."""


def decode_centres(
    output: CentreOutput, b: int, cells: VoxelGrid, max_boxes: int, min_score: float
) -> Detections:
    """Boxes of one clip of a batch; what its attribute says stands has velocity 0.

    Raises:
        ValueError: If a score is NaN.
    """
    logits = output.logits[b]
    require_numbers(logits)
    peak = F.max_pool2d(logits[None], 3, stride=1, padding=1)[0] == logits
    flat = logits.masked_fill(~peak, -torch.inf).flatten(1).T  # cells × classes
    scores, cell, classes = best_of_classes(flat)
    kept = scores >= min_score
    scores, cell, classes = scores[kept], cell[kept], classes[kept]
    boxes = _boxes(output, b, cell, cells)
    apart = keep_apart(boxes[:, :2], classes, _radii(classes))
    boxes, scores, classes, cell = boxes[apart], scores[apart], classes[apart], cell[apart]
    boxes, scores, classes, cell = (each[:max_boxes] for each in (boxes, scores, classes, cell))
    possible = allowed_attributes(classes)
    said = output.attributes[b].flatten(1).T[cell].masked_fill(~possible, -torch.inf)
    attributes = said.argmax(dim=1).where(possible.any(dim=1), -1)
    # Velocities were learned of what moves alone.
    boxes[:, 7:] = boxes[:, 7:].where(attributes_that_move(attributes)[:, None], 0.0)
    ego_from_cells = torch.tensor(cells.ego_from_box, dtype=boxes.dtype, device=boxes.device)
    return Detections(move_boxes(ego_from_cells, boxes), classes, scores, attributes)


def _boxes(
    output: CentreOutput, b: int, cell: Int[Tensor, " k"], cells: VoxelGrid
) -> Float[Tensor, "k 9"]:
    """Boxes in the cells' axes."""

    def said(name: str) -> Tensor:
        return getattr(output, name)[b].flatten(1).T[cell]

    columns = cells.shape_xyz[0]
    corner = torch.stack([cell % columns, cell // columns], dim=1)
    lower, size = (said("offset").new_tensor(s[:2]) for s in (cells.lower_m, cells.voxel_size_m))
    xy = lower + (corner + said("offset")) * size
    yaw = torch.atan2(*said("heading").unbind(1))
    return torch.cat(
        [xy, said("height"), said("log_size").clamp(-5, 5).exp(), yaw[:, None], said("velocity")],
        dim=1,
    )


def _radii(classes: Int[Tensor, " k"]) -> Float[Tensor, " k"]:
    return torch.tensor([_RADII_M[name] for name in CLASSES], device=classes.device)[classes]


def keep_apart(
    centres_m: Float[Tensor, "k 2"], classes: Int[Tensor, " k"], radii_m: Float[Tensor, " k"]
) -> Bool[Tensor, " k"]:
    """Boxes, by falling score, that no kept one of their class is within a radius of."""
    near = torch.cdist(centres_m, centres_m) < radii_m[:, None]
    rivals = (near & (classes[:, None] == classes[None])).cpu().numpy()
    kept = np.ones(len(rivals), bool)
    for row in range(len(rivals)):
        if kept[row]:
            kept[row + 1 :] &= ~rivals[row, row + 1 :]
    return torch.from_numpy(kept).to(classes.device)
