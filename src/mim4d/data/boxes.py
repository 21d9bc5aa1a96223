"""Annotated boxes of samples, expressed in `ref`.

What enters are annotations in `global` (centre, quaternion, width-length-height); what leaves are
rows of centre, length, width, height (metres), yaw (counter-clockwise from +x) and velocity (m/s).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.tables.tables import NuscenesTables
from mim4d.geometry.rigid import rotation_from_quaternion, transform_points, yaw_from_rotation

_LEVELS = {b"1": 1, b"2": 2, b"3": 3, b"4": 4}
MAX_VELOCITY_STEP_S = 1.5
"""Longest time between two annotations of an object that gives a velocity (the nuScenes rule)."""


@dataclass(frozen=True)
class Boxes:
    """The boxes of samples, one sample's after the other's.

    Attributes:
        counts: How many each of the `t` samples has.
        boxes_ref: Centre, length, width, height, yaw, velocity.
        valid_velocities: Whose velocity is known.
        classes: Rows of the data set's categories.
        lidar_points: Points of the sample's sweep in each box; -1 where the table does not say.
        visibility: nuScenes' token, 1 to 4; 0 where the table does not say.
        attributes: Rows of the data set's attributes, the last of each box; -1 for none.
    """

    counts: tuple[int, ...]
    boxes_ref: Float[Tensor, "k 9"]
    valid_velocities: Bool[Tensor, " k"]
    classes: Int[Tensor, " k"]
    lidar_points: Int[Tensor, " k"]
    visibility: Int[Tensor, " k"]
    attributes: Int[Tensor, " k"]


def boxes_of_samples(
    tables: NuscenesTables, samples: Sequence[int], ref_from_global: Float64[Tensor, "4 4"]
) -> Boxes:
    """Boxes of samples (-1: none) in `ref`; velocities that are not known are 0."""
    none = np.zeros(0, np.int32)
    rows_of = [tables.annotations_of_sample(s) if s >= 0 else none for s in samples]
    rows = np.concatenate(rows_of)
    centre_global = torch.from_numpy(tables.column("sample_annotation", "translation_m")[rows])
    quaternion = torch.from_numpy(tables.column("sample_annotation", "rotation_wxyz")[rows])
    size_wlh = torch.from_numpy(tables.column("sample_annotation", "size_wlh_m")[rows])
    velocity_global, valid = velocities(tables, rows)
    ref_rotation = ref_from_global[:3, :3]
    boxes_ref = torch.cat(
        [
            transform_points(ref_from_global, centre_global),
            size_wlh[:, [1, 0, 2]],
            yaw_from_rotation(ref_rotation @ rotation_from_quaternion(quaternion))[:, None],
            (torch.from_numpy(velocity_global) @ ref_rotation.T)[:, :2],
        ],
        dim=-1,
    )
    instances = tables.column("sample_annotation", "instance")[rows]
    classes = torch.from_numpy(tables.column("instance", "category")[instances]).long()
    counts = tuple(len(rows) for rows in rows_of)
    points = torch.from_numpy(tables.column("sample_annotation", "num_lidar_points")[rows]).long()
    visibility = torch.from_numpy(visibility_levels(tables, rows))
    attributes = tables.column("sample_annotation", "attributes")[rows].max(axis=1, initial=-1)
    return Boxes(
        counts,
        boxes_ref.float(),
        torch.from_numpy(valid),
        classes,
        points,
        visibility,
        torch.from_numpy(attributes).long(),
    )


def visibility_levels(tables: NuscenesTables, rows: NDArray[Any]) -> NDArray[np.int64]:
    """Visibility of annotations as nuScenes has it, 1 (lowest) to 4; 0 where it is not said.

    nuScenes numbers its levels by their tokens; other tokens say nothing.
    """
    tokens = tables.column("visibility", "token").tolist()
    # A record without a level has the row -1: the last of these.
    levels = np.array([*(_LEVELS.get(token, 0) for token in tokens), 0], np.int64)
    return levels[tables.column("sample_annotation", "visibility")[rows]]


def velocities(
    tables: NuscenesTables, rows: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Velocity of annotations in `global`, m/s, and whether it is known.

    The difference between the object's previous and next annotation (the annotation itself stands
    in where one is missing) over their time. Not known for an object seen once, or if that time
    exceeds 1.5 s (3 s where both exist).

    Returns:
        Velocities `k 3`, 0 where not known, and validity `k`.
    """
    pair = _pair(tables, rows)
    position = tables.column("sample_annotation", "translation_m")
    moved = position[pair.last] - position[pair.first]
    return np.where(pair.valid[:, None], moved / pair.divisor_s[:, None], 0.0), pair.valid


def yaw_rates(tables: NuscenesTables, rows: NDArray[Any]) -> NDArray[np.float64]:
    """How fast annotated objects turn, rad/s counter-clockwise in `global`; 0 where not known.

    From the same two annotations as `velocities`; the shorter way round.
    """
    pair = _pair(tables, rows)
    quaternions = tables.column("sample_annotation", "rotation_wxyz")
    first, last = (
        rotation_from_quaternion(torch.from_numpy(quaternions[each]))
        for each in (pair.first, pair.last)
    )
    turned = yaw_from_rotation(first.transpose(-1, -2) @ last).numpy()
    return np.where(pair.valid, turned / pair.divisor_s, 0.0)


@dataclass(frozen=True)
class _Pair:
    """Rows of the annotations before and after each one, whether they tell its motion, seconds."""

    first: NDArray[Any]
    last: NDArray[Any]
    valid: NDArray[np.bool_]
    divisor_s: NDArray[np.float64]


def _pair(tables: NuscenesTables, rows: NDArray[Any]) -> _Pair:
    column = tables.column
    prev, next_ = (column("sample_annotation", name)[rows] for name in ("prev", "next"))
    first = np.where(prev >= 0, prev, rows)
    last = np.where(next_ >= 0, next_, rows)
    time_us = column("sample", "timestamp_us")
    sample = column("sample_annotation", "sample")
    elapsed_s = (time_us[sample[last]] - time_us[sample[first]]) * 1e-6
    limit_s = np.where((prev >= 0) & (next_ >= 0), 2 * MAX_VELOCITY_STEP_S, MAX_VELOCITY_STEP_S)
    valid = (elapsed_s > 0) & (elapsed_s <= limit_s)
    return _Pair(first, last, valid, np.where(valid, elapsed_s, 1.0))
