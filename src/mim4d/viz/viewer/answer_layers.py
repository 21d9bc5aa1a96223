"""What a run says of a frame as layers of a 3D view, in the frame's ego axes."""

import numpy as np
import torch
from torch import Tensor

from mim4d.evaluation.map_views import SeenLine
from mim4d.evaluation.predicted_clip import PredictedClip
from mim4d.evaluation.scene_answers import Answer, Cells, Voxels
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.detection.detections import Detections
from mim4d.viz.bev_picture import LAYER_COLOURS
from mim4d.viz.detection_picture import CLASS_COLOURS
from mim4d.viz.map_lines import KINDS, LEAST_SCORE
from mim4d.viz.occupancy_slices import COLOURS
from mim4d.viz.viewer.layers import (
    Cubes,
    Ground,
    Layer,
    Points,
    Segments,
    by_height,
    level,
    levels,
    wire_boxes,
)

MOVING_MPS = 0.5
"""Slower voxels get no arrow."""
LONGEST_ARROW_S = 0.5
"""An arrow ends where the voxel will be so much later."""
_SURFACE_POINT_M = 0.12
_MOST_ARROWS = 3000
_FLOW, _OPACITY = "#e11d48", 190
_WIDE_M = 0.12


def answer_layers(answer: Answer, grid: VoxelGrid | None) -> dict[str, Layer]:
    """Layers by name.

    Args:
        answer: What the run says.
        grid: Of a pre-training's volumes; None of a task.
    """
    match answer:
        case PredictedClip():
            assert grid is not None
            return _of_pretraining(answer, grid)
        case Detections():
            return {"predicted boxes": _boxes(answer)}
        case Cells():
            return {"predicted ground": _ground(answer)}
        case Voxels():
            return {"occupancy": _voxels(answer)}
        case _:
            return {"predicted map": _lines(answer)}


def _of_pretraining(said: PredictedClip, grid: VoxelGrid) -> dict[str, Layer]:
    """Where rays end, what is solid and what of that moves."""
    points = Points(said.points_ego.numpy(), said.point_colours.numpy(), _SURFACE_POINT_M)
    centres = grid.centres_ego[said.occupied]
    solid = Cubes(centres.numpy(), grid.voxel_size_m, by_height(centres[:, 2]))
    layers: dict[str, Layer] = {"rendered surface": points, "solid voxels": solid}
    if said.velocities_mps is not None:
        velocities = said.velocities_mps[:, said.occupied].T
        layers["flow"] = _arrows(centres, velocities)
    return layers


def _arrows(centres: Tensor, velocities: Tensor) -> Segments:
    """The fastest voxels' motion."""
    speed = velocities.norm(dim=1)
    fast = speed.argsort(descending=True)[:_MOST_ARROWS]
    fast = fast[speed[fast] > MOVING_MPS]
    ends = torch.stack([centres[fast], centres[fast] + velocities[fast] * LONGEST_ARROW_S], dim=1)
    return Segments(ends.numpy(), levels([_FLOW] * len(fast)), arrows=True)


def _boxes(found: Detections) -> Segments:
    """Boxes of which the detector is sure enough."""
    sure = found.scores >= LEAST_SCORE
    palette = list(CLASS_COLOURS.values())
    colours = [palette[kind % len(palette)] for kind in found.classes[sure].tolist()]
    return wire_boxes(found.boxes_ref[sure], colours, _WIDE_M)


def _ground(cells: Cells) -> Ground:
    """Each cell in the colour of its topmost layer; empty ones are clear."""
    rows, columns = cells.occupied.shape[1:]
    image = np.zeros((rows, columns, 4), np.uint8)
    for name, colour in LAYER_COLOURS.items():
        if name in cells.layers:
            occupied = cells.occupied[cells.layers.index(name)].numpy()
            image[occupied] = (*level(colour), _OPACITY)
    lower, upper = cells.grid.lower_m, cells.grid.upper_m
    # Rows of cells go with y; those of a picture start at the far end.
    return Ground(image[::-1].copy(), (lower[0], lower[1]), (upper[0], upper[1]))


def _voxels(voxels: Voxels) -> Cubes:
    """Voxels that are not free, by class."""
    solid = voxels.labels > 0
    kinds = voxels.labels[solid].tolist()
    colours = levels([COLOURS[(kind - 1) % len(COLOURS)] for kind in kinds])
    centres = voxels.grid.centres_ego[solid]
    return Cubes(centres.numpy(), voxels.grid.voxel_size_m, colours)


def _lines(lines: tuple[SeenLine, ...]) -> Segments:
    """Lines of which the run is sure enough, a little above the true ones."""
    ends, colours = [np.zeros((0, 2, 3), np.float32)], list[str]()
    for line in lines:
        if line.score >= LEAST_SCORE:
            along = torch.nn.functional.pad(line.points, (0, 1), value=0.1).numpy()
            ends.append(np.stack([along[:-1], along[1:]], axis=1))
            colours += [KINDS[line.kind][1]] * (len(along) - 1)
    return Segments(np.concatenate(ends), levels(colours), width_m=_WIDE_M)
