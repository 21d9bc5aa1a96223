"""Errors of scene flow as the Argoverse 2 tools define them: points to sums, sums to numbers.

Every function takes displacements in metres per sweep interval, as those tools do; our scene flow
is a velocity in m/s, and `per_sweep` is the conversion. Truth and prediction are along the same
axes; ego motion is part of neither. Sums of clips add up (`+`), so that a data set counts as one
large clip. Arithmetic is in float64. Definitions: the Argoverse 2 scene flow task (av2 0.3).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

SWEEP_INTERVAL_S = 0.1
"""Time between two sweeps of Argoverse 2: its thresholds are metres in this time."""
CLOSE_M = 35.0
Motion = Literal["static", "dynamic"]
Ground = Literal["background", "foreground"]
_MEASURES = ("count", "epe", "accuracy_strict", "accuracy_relax", "angle_rad")
_OUTCOMES = ("tp", "tn", "fp", "fn")


def per_sweep(
    velocity_m_s: Float[Tensor, "*p 3"], interval_s: float = SWEEP_INTERVAL_S
) -> Float64[Tensor, "*p 3"]:
    """Metres moved in one sweep interval by what has this velocity (m/s)."""
    return velocity_m_s.double() * interval_s


def is_close(points_ego: Float[Tensor, "p 3"], limit_m: float = CLOSE_M) -> Bool[Tensor, " p"]:
    """Points with |x| and |y| of at most `limit_m` (the border counts as close)."""
    return (points_ego[:, :2].abs() <= limit_m).all(dim=-1)


def end_point_error(
    predicted: Float[Tensor, "p 3"], truth: Float[Tensor, "p 3"]
) -> Float64[Tensor, " p"]:
    """Length of the difference, metres per sweep."""
    return (predicted.double() - truth.double()).norm(dim=-1)


def accuracy(
    predicted: Float[Tensor, "p 3"], truth: Float[Tensor, "p 3"], threshold: float
) -> Float64[Tensor, " p"]:
    """1 where error or relative error lies below the threshold, else 0.

    Args:
        predicted: Metres per sweep.
        truth: Metres per sweep.
        threshold: In metres and as a share: 0.05 is the strict one, 0.1 the relaxed one.
    """
    error = end_point_error(predicted, truth)
    relative = error / (truth.double().norm(dim=-1) + 1e-10)
    return ((error < threshold) | (relative < threshold)).double()


def angle_error(
    predicted: Float[Tensor, "p 3"], truth: Float[Tensor, "p 3"]
) -> Float64[Tensor, " p"]:
    """Angle between (flow, 0.1) and (prediction, 0.1) as vectors in space and time, radians."""
    a, b = (
        torch.nn.functional.pad(flow.double(), (0, 1), value=SWEEP_INTERVAL_S)
        for flow in (predicted, truth)
    )
    cosine = (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))
    return cosine.clamp(-1, 1).acos()


@dataclass(frozen=True)
class FlowPoints:
    """Points of one clip: prediction, truth, and what kind of point it is.

    Attributes:
        predicted: Metres per sweep.
        truth: Metres per sweep.
        foreground: On an object of a class that counts as one.
        dynamic: Truly moving.
        close: Near the car, see `is_close`.
        predicted_dynamic: Said to be moving.
        valid: Points that count.
    """

    predicted: Float[Tensor, "p 3"]
    truth: Float[Tensor, "p 3"]
    foreground: Bool[Tensor, " p"]
    dynamic: Bool[Tensor, " p"]
    close: Bool[Tensor, " p"]
    predicted_dynamic: Bool[Tensor, " p"]
    valid: Bool[Tensor, " p"]


@dataclass(frozen=True)
class FlowErrors:
    """Sums over points, by foreground × dynamic × close (0 = no, 1 = yes).

    Attributes:
        sums: Number of points, and sums of error, strict and relaxed accuracy and angle.
        outcomes: Points rightly moving, rightly standing, wrongly moving, wrongly standing.
    """

    sums: Float64[Tensor, "2 2 2 5"]
    outcomes: Float64[Tensor, "2 2 2 4"]

    @classmethod
    def of(cls, points: FlowPoints) -> "FlowErrors":
        """Sums over the valid points of one clip."""
        predicted, truth = points.predicted, points.truth
        strict, relax = (accuracy(predicted, truth, t) for t in (0.05, 0.1))
        error, angle = end_point_error(predicted, truth), angle_error(predicted, truth)
        measures = torch.stack([torch.ones_like(error), error, strict, relax, angle], dim=-1)
        moving, said = points.dynamic, points.predicted_dynamic
        outcomes = torch.stack(
            [moving & said, ~moving & ~said, ~moving & said, moving & ~said], dim=-1
        )
        cell = 4 * points.foreground.long() + 2 * moving.long() + points.close.long()
        kept = points.valid

        def summed(values: Tensor) -> Tensor:
            zero = values.new_zeros(8, values.shape[-1])
            return zero.index_add(0, cell[kept], values[kept]).view(2, 2, 2, -1)

        return cls(summed(measures).cpu(), summed(outcomes.double()).cpu())

    def __add__(self, other: "FlowErrors") -> "FlowErrors":
        return FlowErrors(self.sums + other.sums, self.outcomes + other.outcomes)

    def count(self, ground: Ground, motion: Motion, close: bool | None = None) -> int:
        """Number of points of a kind; near and far together if `close` is None."""
        return int(self._cell(self.sums, ground, motion, close)[0])

    def mean(
        self, measure: str, ground: Ground, motion: Motion, close: bool | None = None
    ) -> float | None:
        """Mean over the points of a kind; None where there are none.

        Args:
            measure: `epe`, `accuracy_strict`, `accuracy_relax` or `angle_rad`.
            ground: Class of the points.
            motion: Whether they truly move.
            close: Near points, far ones, or (None) both.
        """
        sums = self._cell(self.sums, ground, motion, close)
        return None if sums[0] == 0 else (sums[_MEASURES.index(measure)] / sums[0]).item()

    def outcome(self, name: str, ground: Ground, motion: Motion, close: bool | None = None) -> int:
        """Number of points with an outcome: `tp`, `tn`, `fp` or `fn` of moving."""
        return int(self._cell(self.outcomes, ground, motion, close)[_OUTCOMES.index(name)])

    def overall(self, measure: str) -> float | None:
        """Mean over all points, background that moves included; None where there are none."""
        sums = self.sums.sum(dim=(0, 1, 2))
        return None if sums[0] == 0 else (sums[_MEASURES.index(measure)] / sums[0]).item()

    @property
    def three_way_epe(self) -> float | None:
        """Mean of foreground dynamic, foreground static and background static error.

        The three count alike; one without points is left out. None if none has points.
        """
        means = [
            self.mean("epe", "foreground", "dynamic"),
            self.mean("epe", "foreground", "static"),
            self.mean("epe", "background", "static"),
        ]
        known = [mean for mean in means if mean is not None]
        return sum(known) / len(known) if known else None

    @property
    def dynamic_iou(self) -> float | None:
        """Points rightly said to move / points that move or are said to; None without any."""
        tp, _, fp, fn = self.outcomes.sum(dim=(0, 1, 2)).tolist()
        return tp / (tp + fp + fn) if tp + fp + fn else None

    @staticmethod
    def _cell(sums: Tensor, ground: Ground, motion: Motion, close: bool | None) -> Tensor:
        near_and_far = sums[int(ground == "foreground"), int(motion == "dynamic")]
        return near_and_far.sum(dim=0) if close is None else near_and_far[int(close)]
