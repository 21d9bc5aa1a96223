"""Boxes of the stored detection cases (see the README beside them) as tables."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mim4d.geometry.rigid import rotation_from_quaternion, yaw_from_rotation
from mim4d.metrics.detection.boxes import BoxTable
from mim4d.metrics.detection.filtering import Racks
from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES

_FIELDS = 15


@dataclass(frozen=True)
class StoredCase:
    truth: BoxTable
    predictions: BoxTable
    ego_xy_m: np.ndarray
    racks: Racks


def stored_case(case: dict[str, Any], header: dict[str, Any]) -> StoredCase:
    """Samples of a case; `header` names its classes and attributes."""
    samples = case["samples"]
    ego = np.array([sample["ego"][:2] for sample in samples], np.float64).reshape(-1, 2)
    racks = [[i, *rack] for i, s in enumerate(samples) for rack in s["bike_racks"]]
    return StoredCase(
        _table(samples, "gt", header), _table(samples, "pred", header), ego, _racks(racks)
    )


def _table(samples: list[dict[str, Any]], side: str, header: dict[str, Any]) -> BoxTable:
    rows = np.array(
        [[i, *box] for i, sample in enumerate(samples) for box in sample[side]], np.float64
    ).reshape(-1, _FIELDS + 1)
    classes = np.array([CLASSES.index(name) for name in header["classes"]])
    attributes = np.array([-1, *(ATTRIBUTES.index(name) for name in header["attributes"][1:])])
    predicted = side == "pred"
    last = rows[:, 14]
    none = np.zeros(len(rows), np.int64)
    return BoxTable(
        samples=rows[:, 0].astype(int),
        classes=classes[rows[:, 1].astype(int)],
        centres_m=rows[:, 2:5],
        sizes_m=rows[:, [6, 5, 7]],
        yaws_rad=yaw_from_rotation(_rotations(rows[:, 8:12])).numpy(),
        velocities_m_s=rows[:, 12:14],
        attributes=attributes[rows[:, 15].astype(int)],
        scores=last if predicted else np.full(len(rows), np.nan),
        points=none - 1 if predicted else last.astype(int),
        visibilities=none,
    )


def _racks(rows: list[list[float]]) -> Racks:
    table = np.array(rows, np.float64).reshape(-1, 11)
    return Racks(
        table[:, 0].astype(int),
        table[:, 1:4],
        table[:, [5, 4, 6]],
        _rotations(table[:, 7:11]).numpy(),
    )


def _rotations(quaternions: np.ndarray) -> torch.Tensor:
    return rotation_from_quaternion(torch.from_numpy(quaternions))
