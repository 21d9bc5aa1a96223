"""Are the boxes plausible? Sizes for their class, speeds, places, copies, points.

What enters are the tables; what leaves are findings. `global` frame; metres, metres a second.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import Rows, TableSet, take
from mim4d.check.poses import UNITS, ego_columns
from mim4d.data.boxes import MAX_VELOCITY_STEP_S

# Width, length, height in metres, from a child on foot to an articulated bus. By the beginning of
# the category's name; the longest that fits counts.
_SIZES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "human": ((0.15, 0.15, 0.5), (2.5, 2.5, 2.6)),
    "animal": ((0.1, 0.1, 0.1), (2.0, 4.0, 3.0)),
    "vehicle": ((0.2, 0.6, 0.5), (6.0, 30.0, 7.0)),
    "vehicle.car": ((1.0, 2.0, 0.9), (3.5, 8.0, 3.5)),
    "vehicle.bicycle": ((0.2, 0.8, 0.5), (1.5, 3.0, 2.5)),
    "vehicle.motorcycle": ((0.3, 0.9, 0.6), (2.0, 4.0, 2.6)),
    "vehicle.truck": ((1.2, 3.0, 1.2), (5.0, 25.0, 6.0)),
    "vehicle.bus": ((1.8, 4.0, 1.8), (5.0, 30.0, 6.0)),
    "movable_object": ((0.05, 0.05, 0.1), (6.0, 6.0, 4.0)),
}
_MAX_SPEED = {"human": 12.0, "animal": 20.0, "movable_object": 20.0, "vehicle.bicycle": 25.0}
MAX_VEHICLE_SPEED = 70.0
MAX_DISTANCE_M = 300.0
MAX_SLOPE, SLACK_M = 0.2, 1.5

SIZE = Rule(
    "box-size", "warning", "a size that fits the class", "check the unit and order (w, l, h)"
)
SPEED = Rule(
    "box-speed", "warning", "a speed that fits the class", "check whether two objects were joined"
)
FAR = Rule(
    "box-far", "warning", f"boxes within {MAX_DISTANCE_M:g} m of the car", "check frame and unit"
)
UNDERGROUND = Rule(
    "box-underground", "warning", "boxes above the road", "check the heights of box and poses"
)
TWICE = Rule("instance-twice", "error", "one box of an object in a sample", "remove one of the two")
OTHER_ATTRIBUTE = Rule(
    "attribute-of-other-class",
    "warning",
    "attributes of the object's own class",
    "correct the attribute",
)
WITHOUT_POINTS = Rule(
    "boxes-without-points",
    "remark",
    "LiDAR points in boxes",
    "nothing; leave such boxes out of evaluation, as nuScenes does",
)
NO_ATTRIBUTE = Rule(
    "boxes-without-attribute", "remark", "an attribute for boxes", "nothing, unless you need them"
)
NO_VISIBILITY = Rule(
    "boxes-without-visibility", "remark", "a visibility for boxes", "nothing, unless you need them"
)


def check_boxes(tables: TableSet, findings: Findings) -> None:
    """All checks of boxes."""
    columns = tables["sample_annotation"]
    if tables.size("sample_annotation") == 0:
        return
    names = categories_of_boxes(tables)
    _check_sizes(tables, names, findings)
    _check_speeds(tables, names, findings)
    if not findings.has(UNITS.code):
        _check_places(tables, findings)
    _check_copies(tables, findings)
    _check_attributes(tables, names, findings)
    total = len(columns["token"])
    may_move = np.char.startswith(names, "vehicle") | np.char.startswith(names, "human")
    for rule, lacking in (
        (WITHOUT_POINTS, columns["num_lidar_points"] == 0),
        (NO_ATTRIBUTE, may_move & ~(columns["attributes"] >= 0).any(axis=1)),
        (NO_VISIBILITY, columns["visibility"] < 0),
    ):
        if count := int(lacking.sum()):
            place = Place(f"{count} of {total} boxes", _first_token(tables, lacking))
            findings.add(rule, "sample_annotation", place)


def categories_of_boxes(tables: TableSet) -> NDArray[Any]:
    """Category of each box; empty where unknown."""
    names = np.array([n.decode(errors="replace") for n in tables["category"]["name"]], np.str_)
    of_instance = take(names, tables["instance"]["category"], "")
    return take(of_instance, tables["sample_annotation"]["instance"], "")


def _first_token(tables: TableSet, rows: Any) -> str:
    return tables.token("sample_annotation", int(np.flatnonzero(rows)[0]))


def _check_sizes(tables: TableSet, names: NDArray[Any], findings: Findings) -> None:
    columns = tables["sample_annotation"]
    size = columns["size_wlh_m"]
    for category in np.unique(names).tolist():
        prefix = max((p for p in _SIZES if category.startswith(p)), key=len, default=None)
        if prefix is None:
            continue
        low, high = (np.array(limit) for limit in _SIZES[prefix])
        odd = ((size < low) | (size > high)).any(axis=1) & (size > 0).all(axis=1)
        rows = np.flatnonzero((names == category) & odd & columns["sound"])
        findings.add_rows(
            SIZE,
            "sample_annotation",
            columns,
            rows,
            lambda row: f"width, length, height {np.round(size[row], 3).tolist()} m",
            group=category,
        )


def _check_speeds(tables: TableSet, names: NDArray[Any], findings: Findings) -> None:
    columns = tables["sample_annotation"]
    after = np.flatnonzero(columns["sound"] & (columns["next"] >= 0))
    rows, after = after, columns["next"][after]
    times = take(tables["sample"]["timestamp_us"], columns["sample"], 0)
    seconds = (times[after] - times[rows]) * 1e-6
    moved = columns["translation_m"][after] - columns["translation_m"][rows]
    known = (seconds > 0) & (seconds <= MAX_VELOCITY_STEP_S) & columns["sound"][after]
    speed = np.linalg.norm(moved[:, :2], axis=1) / np.where(known, seconds, 1.0)
    limit = np.full(len(names), MAX_VEHICLE_SPEED)
    for prefix, value in _MAX_SPEED.items():
        limit[np.char.startswith(names, prefix)] = value
    fast = known & (speed > limit[rows])
    speed_of = dict(zip(rows[fast].tolist(), speed[fast].tolist(), strict=True))
    findings.add_rows(
        SPEED,
        "sample_annotation",
        columns,
        rows[fast],
        lambda row: f"{names[row]}: {speed_of[row]:.1f} m/s to its next box",
    )


def _check_places(tables: TableSet, findings: Findings) -> None:
    """Boxes far from the car, or under a road that rises or falls by no more than one in five."""
    columns = tables["sample_annotation"]
    car = _car_at_samples(tables)
    offset = columns["translation_m"] - take(car, columns["sample"], np.nan)
    distance = np.hypot(offset[:, 0], offset[:, 1])
    findings.add_rows(
        FAR,
        "sample_annotation",
        columns,
        np.flatnonzero(distance > MAX_DISTANCE_M),
        lambda row: f"{distance[row]:.0f} m from the car",
    )
    top = offset[:, 2] + columns["size_wlh_m"][:, 2] / 2
    under = (top < -SLACK_M - MAX_SLOPE * distance) & (distance <= MAX_DISTANCE_M)
    findings.add_rows(
        UNDERGROUND,
        "sample_annotation",
        columns,
        np.flatnonzero(under),
        lambda row: f"its top is {-top[row]:.1f} m below the car, {distance[row]:.0f} m away",
    )


def _car_at_samples(tables: TableSet) -> NDArray[np.float64]:
    """Translation of the car at each sample; NaN where no key frame tells."""
    rows = np.flatnonzero(tables.is_sound_data & tables["sample_data"]["is_key_frame"])
    car = np.full((tables.size("sample"), 3), np.nan)
    place, _ = ego_columns(tables, rows)
    good = np.isfinite(place).all(axis=1)
    car[tables["sample_data"]["sample"][rows[good]]] = place[good]
    return car


def _check_copies(tables: TableSet, findings: Findings) -> None:
    columns = tables["sample_annotation"]
    rows = np.flatnonzero((columns["instance"] >= 0) & (columns["sample"] >= 0))
    pairs = columns["sample"][rows].astype(np.int64) * max(tables.size("instance"), 1)
    _, first = np.unique(pairs + columns["instance"][rows], return_index=True)
    findings.add_rows(
        TWICE,
        "sample_annotation",
        columns,
        np.delete(rows, first),
        lambda row: (
            f"instance {tables.token('instance', int(columns['instance'][row]))} has another box "
            f"in sample {tables.token('sample', int(columns['sample'][row]))}"
        ),
    )


def _check_attributes(tables: TableSet, names: NDArray[Any], findings: Findings) -> None:
    """Vehicles, cycles and pedestrians have attributes of their own."""
    columns = tables["sample_annotation"]
    attributes = np.array([n.decode(errors="replace") for n in tables["attribute"]["name"]])
    rows, place = np.nonzero(columns["attributes"] >= 0)
    if len(rows) == 0:
        return
    found = attributes[columns["attributes"][rows, place]]
    kinds = {
        "vehicle": ("vehicle", "cycle"),
        "human": ("pedestrian", "cycle"),
        "movable_object": (),
    }
    wrong = np.zeros(len(rows), np.bool_)
    for prefix, allowed in kinds.items():
        own = np.char.startswith(names[rows], prefix)
        fits = np.zeros(len(rows), np.bool_)
        for start in allowed:
            fits |= np.char.startswith(found, start)
        wrong |= own & ~fits
    name_of = dict(zip(rows[wrong].tolist(), found[wrong].tolist(), strict=True))
    bad: Rows = np.unique(rows[wrong])
    findings.add_rows(
        OTHER_ATTRIBUTE,
        "sample_annotation",
        columns,
        bad,
        lambda row: f"{names[row]} is {name_of[row]}",
    )
