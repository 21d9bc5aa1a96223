"""What the dense head learns: Gaussian peaks at centres, and L1 on what stands there.

Of one clip, sums over boxes are divided by the number of those that have the value in question;
clips are averaged, so that two at once equal two of one. Boxes that nobody could have seen are
neither to be found nor wrong to find.

Most things stand, so that whoever minimises |v − v̂| over all of them answers 0 for all. Velocity is
therefore learned alone of what moves, by its speed or its attribute (a cyclist who waits); the
attribute tells what does (see `decode_centres`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES
from mim4d.tasks.detection.box_code import move_boxes
from mim4d.tasks.detection.centre_head import CentreOutput, cell_places
from mim4d.tasks.detection.detections import (
    MOVING_M_S,
    TrueBoxes,
    attributes_by_speed,
    attributes_that_move,
)
from mim4d.tasks.detection.peaks import bumps, class_peaks
from mim4d.tasks.focal import heat_map_focal


@dataclass(frozen=True)
class CellBoxes:
    """Boxes of one clip on the cells.

    Attributes:
        heat: Peaks of 1 at the cells of centres, by class.
        counted: Cells, by class, that count where nothing is to be found.
        cells: Row and column of each box to be found.
        classes: Theirs.
        numbers: Targets of the regressed numbers by branch; NaN where there is none.
        attributes: Theirs, by speed where they are not annotated; -1 where that is not known.
    """

    heat: Float[Tensor, "c y x"]
    counted: Bool[Tensor, "c y x"]
    cells: Int[Tensor, "k 2"]
    classes: Int[Tensor, " k"]
    numbers: dict[str, Tensor]
    attributes: Int[Tensor, " k"]


def boxes_on_cells(truth: TrueBoxes, cells: VoxelGrid) -> CellBoxes:
    """Boxes whose centre lies on a cell."""
    boxes = move_boxes(cells.box_from_ego.to(truth.boxes_ref), truth.boxes_ref)
    place = cell_places(cells, boxes)
    columns, rows = cells.shape_xyz[:2]
    inside = ((place >= 0) & (place < place.new_tensor([columns, rows]))).all(dim=1)
    heat = _heat(boxes[inside], truth.classes[inside], place[inside], cells)
    found = inside & truth.learned
    learned = truth.learned[inside]
    heat, counted = class_peaks(heat, truth.classes[inside], learned)
    boxes, place, classes = boxes[found], place[found], truth.classes[found]
    attributes = _attributes(boxes, classes, truth.attributes[found])
    moves = (boxes[:, 7:].norm(dim=1) > MOVING_M_S) | attributes_that_move(attributes)
    yaw = boxes[:, 6]
    numbers = {
        "offset": place - place.floor(),
        "height": boxes[:, 2:3],
        "log_size": boxes[:, 3:6].log(),
        "heading": torch.stack([yaw.sin(), yaw.cos()], dim=1),
        "velocity": boxes[:, 7:].where(moves[:, None], torch.nan),
    }
    return CellBoxes(
        heat,
        counted,
        place.floor().long().flip(1),
        classes,
        numbers,
        attributes,
    )


def _attributes(
    boxes: Float[Tensor, "k 9"], classes: Int[Tensor, " k"], annotated: Int[Tensor, " k"]
) -> Int[Tensor, " k"]:
    velocities = boxes[:, 7:]
    by_speed = attributes_by_speed(classes, velocities)
    by_speed = by_speed.where(velocities.isfinite().all(dim=1), -1)
    return annotated.where(annotated >= 0, by_speed)


def _heat(
    boxes: Float[Tensor, "k 9"],
    classes: Int[Tensor, " k"],
    place: Float[Tensor, "k 2"],
    cells: VoxelGrid,
) -> Float[Tensor, "k y x"]:
    """A Gaussian round each box's cell, 1 there."""
    columns, rows = cells.shape_xyz[:2]
    size_m = boxes.new_tensor(cells.voxel_size_m[:2])
    width = torch.sqrt(boxes[:, 3] * boxes[:, 4])[:, None] / size_m
    return bumps(place, width, (rows, columns))


def centre_losses(
    output: CentreOutput, truth: Sequence[CellBoxes], weights: dict[str, float]
) -> dict[str, Tensor]:
    """Losses by name, `loss` their weighted sum.

    Args:
        output: Of a batch.
        truth: Of each of its clips.
        weights: Of branches that are weighed otherwise than 1.
    """
    of_clips = [_of_clip(output, b, boxes) for b, boxes in enumerate(truth)]
    means = {n: torch.stack([one[n] for one in of_clips]).mean() for n in of_clips[0]}
    total = torch.stack([weights.get(n, 1.0) * value for n, value in means.items()]).sum()
    return {"loss": total, **means}


def _of_clip(output: CentreOutput, b: int, boxes: CellBoxes) -> dict[str, Tensor]:
    count = max(1, len(boxes.classes))
    row, column = boxes.cells.unbind(1)
    heat = heat_map_focal(output.logits[b], boxes.heat, boxes.counted)
    losses = {"heat": heat.sum() / count}
    for name, wanted in boxes.numbers.items():
        said = getattr(output, name)[b][:, row, column].T
        known = wanted.isfinite().all(dim=1, keepdim=True)
        away = (said - wanted.where(known, said.detach())).abs().sum()
        losses[name] = away / known.sum().clamp(min=1)
    logits = output.attributes[b][:, row, column].T
    possible = allowed_attributes(boxes.classes)
    logits = logits.masked_fill(~possible, -1e4)
    wanted = boxes.attributes.where(possible.any(dim=1), -1)
    entropy = F.cross_entropy(logits, wanted, ignore_index=-1, reduction="sum")
    return losses | {"attribute": entropy / count}


def allowed_attributes(classes: Int[Tensor, " k"]) -> Bool[Tensor, "k a"]:
    """Attributes that a class can have."""
    kinds = {
        "pedestrian": "pedestrian.",
        **dict.fromkeys(("bicycle", "motorcycle"), "cycle."),
        **dict.fromkeys(("car", "truck", "bus", "trailer", "construction_vehicle"), "vehicle."),
    }
    table = [[name.startswith(kinds.get(label, "-")) for name in ATTRIBUTES] for label in CLASSES]
    return torch.tensor(table, device=classes.device)[classes]
