"""True boxes of the ten classes at the key frame of each clip of a batch."""

from collections.abc import Sequence

import torch

from mim4d.data.clip import Clip
from mim4d.errors import DataError
from mim4d.metrics.detection.classes import NO_CLASS, class_rows
from mim4d.metrics.detection.rules import ATTRIBUTES
from mim4d.tasks.cells import seen_boxes
from mim4d.tasks.detection.detections import TrueBoxes


def true_boxes(
    clip: Clip, class_names: Sequence[str], min_lidar_points: int, min_visibility: int
) -> list[TrueBoxes]:
    """Boxes of each clip.

    Args:
        clip: A batch.
        class_names: Classes of other names than nuScenes', as OTHER=CLASS.
        min_lidar_points: Boxes with fewer are not learned.
        min_visibility: Boxes of a lower one are not learned.

    Raises:
        DataError: If no category of the data is one of the ten classes.
        ValueError: If an entry of `class_names` is none.
    """
    try:
        of_category = class_rows(clip.category_names, class_table(class_names))
    except ValueError as error:
        raise DataError(str(error)) from error
    classes = clip.box_classes.new_tensor([*of_category, NO_CLASS])[clip.box_classes[:, clip.key]]
    counted = clip.valid_boxes[:, clip.key] & (classes != NO_CLASS)
    learned = seen_boxes(clip, min_lidar_points, min_visibility)
    boxes = clip.boxes_ref[:, clip.key].clone()
    unknown = ~clip.valid_velocities[:, clip.key]
    boxes[..., 7:][unknown] = float("nan")
    attributes = _attributes(clip)
    return [
        TrueBoxes(
            boxes[b, rows],
            classes[b, rows],
            attributes[b, rows],
            clip.box_lidar_points[b, clip.key, rows],
            clip.box_visibility[b, clip.key, rows],
            learned[b, rows],
            clip.key_tokens[b],
        )
        for b, rows in enumerate(counted)
    ]


def _attributes(clip: Clip) -> torch.Tensor:
    if clip.box_attributes is None:
        return torch.full_like(clip.box_classes[:, clip.key], -1)
    numbers = {name: number for number, name in enumerate(ATTRIBUTES)}
    rows = [*(numbers.get(name, -1) for name in clip.attribute_names), -1]
    return clip.box_classes.new_tensor(rows)[clip.box_attributes[:, clip.key]]


def class_table(entries: Sequence[str]) -> dict[str, str | None]:
    """Classes of other names, from entries OTHER=CLASS of `head.class_names`.

    Raises:
        ValueError: If an entry is none.
    """
    table: dict[str, str | None] = {}
    for entry in entries:
        name, sign, chosen = entry.partition("=")
        if not sign or not name:
            raise ValueError(f"--head.class-names {entry!r}: expected OTHER=CLASS")
        table[name] = chosen
    return table
