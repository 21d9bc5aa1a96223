"""Boxes of many samples as columns: true ones, or predicted ones.

Metres, radians, m/s, in one frame for each sample (a submission's is `global`). Rows stand in the
order of samples and, in each, in the order of its list: it decides between equal scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray


@dataclass(frozen=True)
class BoxTable:
    """Boxes, one a row.

    Attributes:
        samples: Number of each box's sample.
        classes: Which of `CLASSES`.
        centres_m: x, y, z.
        sizes_m: Length, width, height.
        yaws_rad: Direction of the length, counter-clockwise from +x.
        velocities_m_s: Over the ground; NaN where not known.
        attributes: Which of `ATTRIBUTES`; -1 for none.
        scores: Of predictions; NaN of true boxes.
        points: LiDAR and radar points of true boxes; -1 where nobody counted, and of predictions.
        visibilities: nuScenes' 1 to 4; 0 where not known, and of predictions.
    """

    samples: Int[np.ndarray, " k"]
    classes: Int[np.ndarray, " k"]
    centres_m: Float[np.ndarray, "k 3"]
    sizes_m: Float[np.ndarray, "k 3"]
    yaws_rad: Float[np.ndarray, " k"]
    velocities_m_s: Float[np.ndarray, "k 2"]
    attributes: Int[np.ndarray, " k"]
    scores: Float[np.ndarray, " k"]
    points: Int[np.ndarray, " k"]
    visibilities: Int[np.ndarray, " k"]

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.samples)

    def take(self, rows: Bool[np.ndarray, " k"] | Int[np.ndarray, " m"]) -> "BoxTable":
        """Some of the boxes."""
        return BoxTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


_TYPES: dict[str, type[np.generic]] = {
    "samples": np.int32,
    "classes": np.int8,
    "attributes": np.int8,
    "points": np.int32,
    "visibilities": np.int8,
}
_WIDTHS = {"centres_m": 3, "sizes_m": 3, "velocities_m_s": 2}


def join_boxes(tables: Sequence[BoxTable]) -> BoxTable:
    """All boxes of several tables, one table's after the other's."""
    columns = {}
    for field in fields(BoxTable):
        width = (_WIDTHS[field.name],) if field.name in _WIDTHS else ()
        dtype = _TYPES.get(field.name, np.float64)
        parts: list[NDArray[np.generic]] = [np.zeros((0, *width), dtype)]
        parts += [getattr(table, field.name).astype(dtype, copy=False) for table in tables]
        columns[field.name] = np.concatenate(parts)
    return BoxTable(**columns)


def pairs_of_groups(
    first: Int[np.ndarray, " k"], second: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Rows of `first` and `second` that belong to the same group, all such pairs."""
    order = np.argsort(second, kind="stable")
    ordered = second[order]
    start = np.searchsorted(ordered, first, side="left")
    count = np.searchsorted(ordered, first, side="right") - start
    rows = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, order[np.repeat(start, count) + within]
