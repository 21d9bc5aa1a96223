"""What detection answers and what is true, clip by clip, in `ref`; and how answers are made.

Boxes are rows of centre, length, width, height (metres), yaw (counter-clockwise from +x), vx, vy
(m/s). Classes and attributes count those of `mim4d.metrics.detection.rules`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.metrics.detection.rules import ATTRIBUTES, CLASSES, MAX_BOXES_PER_SAMPLE

MOVING_M_S = 0.2
"""Above this speed something moves, where attributes follow from speed."""


@dataclass(frozen=True)
class Detections:
    """Boxes found in one clip, by falling score.

    Attributes:
        boxes_ref: The boxes.
        classes: Of each.
        scores: In [0, 1].
        attributes: Of each; -1 for none.
    """

    boxes_ref: Float[Tensor, "k 9"]
    classes: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]
    attributes: Int[Tensor, " k"]


@dataclass(frozen=True)
class TrueBoxes:
    """Boxes of the ten classes in one clip.

    Attributes:
        boxes_ref: The boxes; velocities are NaN where not known.
        classes: Of each.
        attributes: Of each; -1 where not known.
        points: LiDAR points; -1 where nobody counted.
        visibilities: nuScenes' 1 to 4; 0 where not known.
        learned: Boxes that a head should find: somebody could have seen them.
        token: Of the clip's key sample.
    """

    boxes_ref: Float[Tensor, "k 9"]
    classes: Int[Tensor, " k"]
    attributes: Int[Tensor, " k"]
    points: Int[Tensor, " k"]
    visibilities: Int[Tensor, " k"]
    learned: Bool[Tensor, " k"]
    token: str


def require_numbers(said: Tensor) -> None:
    """Refuse what broken weights say: boxes whose score is NaN would just be missing.

    Raises:
        ValueError: If anything is NaN.
    """
    if bool(said.isnan().any()):
        raise ValueError("the detector predicts NaN or infinite values; its weights are unusable")


def best_of_classes(
    logits: Float[Tensor, "q c"], most: int = MAX_BOXES_PER_SAMPLE
) -> tuple[Float[Tensor, " k"], Int[Tensor, " k"], Int[Tensor, " k"]]:
    """The highest scores over queries and classes: score, query and class of each."""
    scores, index = logits.sigmoid().flatten().topk(min(most, logits.numel()))
    return scores, index // logits.shape[1], index % logits.shape[1]


def attributes_by_speed(
    classes: Int[Tensor, " k"], velocities_m_s: Float[Tensor, "k 2"]
) -> Int[Tensor, " k"]:
    """Attributes as most detectors guess them: moving above 0.2 m/s, else the class's usual one."""
    still, moving = (classes.new_tensor(table)[classes] for table in (_STILL, _MOVING))
    return torch.where(velocities_m_s.norm(dim=1) > MOVING_M_S, moving, still)


def attributes_that_move(attributes: Int[Tensor, " k"]) -> Bool[Tensor, " k"]:
    """Which of these attributes say that something moves; none (-1) does not."""
    moving = [*(number in _MOVING for number in range(len(ATTRIBUTES))), False]
    return torch.tensor(moving, device=attributes.device)[attributes]


def _numbers(names: dict[str, str]) -> tuple[int, ...]:
    return tuple(ATTRIBUTES.index(names[c]) if c in names else -1 for c in CLASSES)


_VEHICLES = ("car", "truck", "bus", "trailer", "construction_vehicle")
_CYCLES = ("motorcycle", "bicycle")
_MOVING = _numbers(
    dict.fromkeys(_VEHICLES, "vehicle.moving")
    | dict.fromkeys(_CYCLES, "cycle.with_rider")
    | {"pedestrian": "pedestrian.moving"}
)
_STILL = _numbers(
    dict.fromkeys(_VEHICLES, "vehicle.parked")
    | dict.fromkeys(_CYCLES, "cycle.without_rider")
    | {"bus": "vehicle.stopped", "pedestrian": "pedestrian.standing"}
)
