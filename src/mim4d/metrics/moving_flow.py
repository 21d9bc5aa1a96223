"""How well the flow of what moves is found, in terms that need no table of speeds.

Velocities enter in m/s, ego motion removed, along the same axes, for points (or voxels, or whole
objects) that truly move. *Normalised dynamic EPE* is Σ|v̂ − v| / Σ|v| over all of them: zero flow
has exactly 1, and one object counts by its points and its speed. *BEV angle error* is the angle
between both velocities seen from above; a prediction slower than 0.5 m/s has no direction that
could be trusted and counts as 90°, as blind guessing would.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

MIN_PREDICTED_M_S = 0.5
NO_DIRECTION_DEG = 90.0


def bev_angle_error(
    predicted_m_s: Float[Tensor, "p 3"], truth_m_s: Float[Tensor, "p 3"]
) -> Float64[Tensor, " p"]:
    """Angle between two velocities seen from above, degrees in [0, 180].

    90 where the predicted speed seen from above is below 0.5 m/s.

    Args:
        predicted_m_s: Metres per second.
        truth_m_s: Metres per second; of points that move along the ground.
    """
    p, t = predicted_m_s[:, :2].double(), truth_m_s[:, :2].double()
    across = p[:, 0] * t[:, 1] - p[:, 1] * t[:, 0]
    angle = torch.atan2(across.abs(), (p * t).sum(dim=-1)).rad2deg()
    return angle.masked_fill(p.norm(dim=-1) < MIN_PREDICTED_M_S, NO_DIRECTION_DEG)


@dataclass(frozen=True)
class MovingFlow:
    """Errors of points that move; those of clips add up (`+`).

    Attributes:
        errors_m_s: Length of the difference, in the order of the clips.
        speeds_m_s: Length of the true velocity.
        angles_deg: See `bev_angle_error`.
    """

    errors_m_s: Float64[Tensor, " p"]
    speeds_m_s: Float64[Tensor, " p"]
    angles_deg: Float64[Tensor, " p"]

    @classmethod
    def of(
        cls,
        predicted_m_s: Float[Tensor, "p 3"],
        truth_m_s: Float[Tensor, "p 3"],
        moving: Bool[Tensor, " p"],
    ) -> "MovingFlow":
        """Errors of one clip.

        Args:
            predicted_m_s: Metres per second.
            truth_m_s: Metres per second.
            moving: Points that count.
        """
        predicted, truth = predicted_m_s[moving].double(), truth_m_s[moving].double()
        angles = bev_angle_error(predicted, truth)
        return cls((predicted - truth).norm(dim=-1).cpu(), truth.norm(dim=-1).cpu(), angles.cpu())

    def __add__(self, other: "MovingFlow") -> "MovingFlow":
        return MovingFlow(
            torch.cat([self.errors_m_s, other.errors_m_s]),
            torch.cat([self.speeds_m_s, other.speeds_m_s]),
            torch.cat([self.angles_deg, other.angles_deg]),
        )

    @property
    def num_points(self) -> int:
        """Points that counted."""
        return len(self.errors_m_s)

    @property
    def normalised_epe(self) -> float | None:
        """Σ|v̂ − v| / Σ|v|: 0 is perfect, 1 is zero flow; None where nothing moves."""
        total = self.speeds_m_s.sum()
        return (self.errors_m_s.sum() / total).item() if total > 0 else None

    @property
    def median_angle_deg(self) -> float | None:
        """Median BEV angle error; None where nothing moves."""
        return self.angles_deg.quantile(0.5).item() if self.num_points else None

    @property
    def mean_angle_deg(self) -> float | None:
        """Mean BEV angle error; None where nothing moves."""
        return self.angles_deg.mean().item() if self.num_points else None
