"""Which boxes count: near enough, hit by a sensor, and no bicycle in a rack."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mim4d.metrics.detection.boxes import BoxTable, pairs_of_groups
from mim4d.metrics.detection.rules import CLASS_RANGES_M, CYCLES


@dataclass(frozen=True)
class Racks:
    """Boxes around bicycle racks, in the frame of the boxes.

    Attributes:
        samples: Number of each rack's sample.
        centres_m: x, y, z.
        sizes_m: Length, width, height.
        rotations: From the rack's axes.
    """

    samples: Int[np.ndarray, " m"]
    centres_m: Float[np.ndarray, "m 3"]
    sizes_m: Float[np.ndarray, "m 3"]
    rotations: Float[np.ndarray, "m 3 3"]


NO_RACKS = Racks(np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 3)))


def distances_to_car(
    boxes: BoxTable, ego_xy_m: Float[np.ndarray, "s 2"]
) -> Float[np.ndarray, " k"]:
    """Ground-plane distance of each box's centre from the car of its sample, metres."""
    away: Float[np.ndarray, "k 2"] = boxes.centres_m[:, :2] - ego_xy_m[boxes.samples]
    return np.sqrt((away**2).sum(axis=1))


def counted_boxes(
    boxes: BoxTable, ego_xy_m: Float[np.ndarray, "s 2"], racks: Racks = NO_RACKS
) -> Bool[np.ndarray, " k"]:
    """Boxes that count: strictly within the range of their class, with a point, in no rack.

    A bicycle or motorcycle whose centre lies in a rack of its sample (borders included) is left
    out, true or predicted.
    """
    near = distances_to_car(boxes, ego_xy_m) < np.array(CLASS_RANGES_M)[boxes.classes]
    keep: Bool[np.ndarray, " k"] = near & (boxes.points != 0)
    cycles = np.flatnonzero(keep & np.isin(boxes.classes, CYCLES))
    keep[cycles[_in_racks(boxes.take(cycles), racks)]] = False
    return keep


def _in_racks(boxes: BoxTable, racks: Racks) -> Bool[np.ndarray, " k"]:
    rows, rack = pairs_of_groups(boxes.samples, racks.samples)
    away = boxes.centres_m[rows] - racks.centres_m[rack]
    local = np.einsum("pji,pj->pi", racks.rotations[rack], away)
    inside = (np.abs(local) <= racks.sizes_m[rack] / 2).all(axis=1)
    found = np.zeros(len(boxes), bool)
    found[rows[inside]] = True
    return found
