"""Which of the ten classes a data set's category of boxes is.

nuScenes' own categories are known, and so are the ten names themselves. A table says it of other
names: `{"REGULAR_VEHICLE": "car", "SIGN": null}`; what has no class is neither true nor predicted.
"""

import difflib
from collections.abc import Mapping, Sequence

from mim4d.metrics.detection.rules import CLASSES

_NUSCENES = {
    "movable_object.barrier": "barrier",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
}
RACK = "static_object.bicycle_rack"
NO_CLASS = -1

ClassTable = Mapping[str, str | None]
"""Class of each category that has another name than nuScenes'; None for none."""


def class_rows(category_names: Sequence[str], table: ClassTable | None = None) -> tuple[int, ...]:
    """Number of each category's class; `NO_CLASS` where it has none.

    Raises:
        ValueError: If the table names a class that is not one of the ten, or no category has one.
    """
    table = table or {}
    for name, chosen in table.items():
        if chosen is not None and chosen not in CLASSES:
            raise ValueError(
                f"table of classes: {name!r} is said to be {chosen!r}{_hint(chosen)}; expected one "
                f"of {', '.join(CLASSES)}, or null for none"
            )
    rows = tuple(_row(name, table) for name in category_names)
    if set(rows) <= {NO_CLASS}:
        raise ValueError(
            "detection needs boxes of its ten classes, but the categories of the data are: "
            f"{', '.join(category_names) or 'none'}. Data without boxes cannot be used for it; if "
            f"they have other names, say which is what of {', '.join(CLASSES)} in a table "
            "(docs/detection.md)"
        )
    return rows


def class_row(name: str, table: ClassTable | None = None) -> int:
    """Number of the class of one name of a prediction; `NO_CLASS` where a table says none.

    Raises:
        KeyError: If it is no known name; the message names the nearest.
    """
    row = _row(name, table or {})
    if row == NO_CLASS and name not in _NUSCENES and name not in (table or {}):
        raise KeyError(f"{name!r}{_hint(name)}")
    return row


def _row(name: str, table: ClassTable) -> int:
    chosen = table[name] if name in table else _NUSCENES.get(name, name)
    return CLASSES.index(chosen) if chosen in CLASSES else NO_CLASS


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, CLASSES, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
