"""Which clips to repeat so that every class is drawn for equally often (CBGS, arXiv 1908.09492).

Every class draws from the clips whose key frame has one of its boxes, all classes the same number
of times: a clip with a rare class comes several times in an epoch, one without any class never.
"""

from dataclasses import dataclass

import numpy as np

from mim4d.config.head import CentreHeadConfig, HeadConfig, QueryHeadConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from mim4d.metrics.detection.classes import NO_CLASS, class_rows
from mim4d.metrics.detection.rules import CLASSES
from mim4d.tasks.detection.true_boxes import class_table


@dataclass(frozen=True)
class ClassBalance:
    """An epoch in which classes are balanced.

    Attributes:
        clips: Index of each draw's clip.
        num_clips: Clips there are.
        of_class: Clips with each class that occurs.
    """

    clips: list[int]
    num_clips: int
    of_class: dict[str, int]

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.of_class.items())
        factor = len(self.clips) / self.num_clips
        return (
            f"class-balanced sampling: {len(self.clips)} draws an epoch from {self.num_clips} "
            f"clips ({factor:.1f} times); clips with a class: {counts}"
        )


def balance_classes(
    dataset: NuscenesDataset, seed: int, head: HeadConfig | None = None
) -> ClassBalance:
    """Draw the clips of an epoch.

    Args:
        dataset: Its clips.
        seed: Of the draw.
        head: Says which classes have other names than nuScenes', if it is one of boxes.

    Raises:
        DataError: If no clip has a box of the ten classes.
    """
    tables = dataset.tables
    of_boxes = head if isinstance(head, CentreHeadConfig | QueryHeadConfig) else None
    table = class_table(of_boxes.class_names) if of_boxes is not None else None
    try:
        of_category = np.array(class_rows(tables.category_names, table))
    except ValueError as error:
        raise DataError(f"{tables.root / tables.version}: {error}") from error
    clips_of: dict[int, list[int]] = {kind: [] for kind in range(len(CLASSES))}
    for index in range(len(dataset)):
        rows = tables.annotations_of_sample(dataset.key_sample(index))
        instances = tables.column("sample_annotation", "instance")[rows]
        kinds = of_category[tables.column("instance", "category")[instances]]
        for kind in np.unique(kinds[kinds != NO_CLASS]).tolist():
            clips_of[kind].append(index)
    found = {kind: clips for kind, clips in clips_of.items() if clips}
    if not found:
        raise DataError(f"{tables.root}: no clip has a box of the ten classes to balance")
    draws = max(1, sum(map(len, found.values())) // len(found))
    rng = np.random.default_rng(seed)
    epoch = [index for clips in found.values() for index in rng.choice(clips, draws).tolist()]
    counts = {CLASSES[kind]: len(clips) for kind, clips in found.items()}
    return ClassBalance(epoch, len(dataset), counts)
