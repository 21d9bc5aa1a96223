"""What a pre-training is taught by: the weights of its losses."""

import math
from dataclasses import dataclass, fields
from typing import Literal

from mim4d.config.checks import require

_MEASURING = (
    "distance_weight",
    "relative_distance_weight",
    "log_distance_weight",
    "termination_weight",
    "free_space_weight",
    "near_surface_weight",
    "depth_weight",
)
"""Weights of the losses that a LiDAR's measurements enter."""
_COMPARING = (
    "photometric_weight",
    "sweep_weight",
    "sweep_distance_weight",
    "depth_sweep_weight",
)
"""Weights of the losses that compare images."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses, and what they take for granted; a weight of 0 leaves a loss out."""

    colour_weight: float = 10.0
    """Mean absolute colour error, colours in [0, 1]."""
    distance_weight: float = 0.195
    """Mean absolute distance error, per metre."""
    relative_distance_weight: float = 0.0
    """Mean relative distance error, |d̂ − d| / d: for what is near."""
    log_distance_weight: float = 0.0
    """Mean |ln d̂ − ln d|, every ray alike: the same factor too near and too far costs the same,
    where the relative error costs less the shorter one guesses."""
    termination_weight: float = 0.0
    """How unlikely the weights along a ray make the distance that the LiDAR measured on it: pulls
    light to end there, not before and not beyond."""
    termination_scale: float = 0.1
    """How far off, as ln(d̂ / d), a measured distance is taken to be there."""
    eikonal_weight: float = 0.0
    """Mean squared deviation of the SDF gradient's length from 1."""
    free_space_weight: float = 0.0
    """How little above `free_space_truncation_m` the SDF lies in front of what the LiDAR hit."""
    free_space_truncation_m: float = 0.5
    """Free space ends so far in front of the measured surface, metres."""
    near_surface_weight: float = 0.0
    """Error of the SDF around what the LiDAR hit, against the distance to it."""
    near_surface_truncation_m: float = 1.5
    """How far before and behind the measured surface its samples are compared, metres."""
    near_surface_along: Literal["ray", "normal"] = "ray"
    """How that distance is taken: `ray` as it is along the ray, right for what is seen face on;
    `normal` shortened by the angle at which the SDF of the moment is met, and on the road as the
    height above it."""
    depth_weight: float = 0.0
    """Cross-entropy of the lifting's depth distributions against LiDAR. The paper has none: its
    depth is learned through rendering alone."""
    obstacle_weight: float = 0.0
    """How many times more, beside once, a LiDAR return counts that lies clearly before the road and
    within 25 m: obstacles are few, and learned last."""
    predicted_weight: float = 1.0
    """Weight of the rebuilt frame's losses beside those of the direct volumes."""
    photometric_weight: float = 0.0
    """Photometric cost between images at the rendered distances (needs no LiDAR)."""
    sweep_weight: float = 0.0
    """How badly the weights along a ray explain a plane sweep through the other images."""
    sweep_distance_weight: float = 0.0
    """Relative error of the rendered distance against where the weights along the ray and the plane
    sweep together put the surface."""
    depth_sweep_weight: float = 0.0
    """How badly the lifting's depth distributions explain the plane sweep."""
    smoothness_weight: float = 0.0
    """Edge-aware second-order smoothness of the lifting's expected inverse depth."""
    flow_render_weight: float = 0.5
    """Weight of the losses of the mean of the sources with motion removed, rendered like the
    rebuilt frame. The four terms of the flow count only where `flow.enabled`."""
    flow_smoothness_weight: float = 0.0
    """Mean change of the flow between neighbouring voxels, 1/s."""
    flow_static_weight: float = 0.0
    """Mean speed, m/s: what cannot be told stands."""
    flow_label_weight: float = 0.0
    """Mean error of the flow against the velocities of annotated boxes, m/s, zero outside them.
    With it the flow is no longer learned without labels."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue
            require(0 <= value < math.inf, f"loss.{field.name}", value, "a number, 0 or more")
        for name in ("free_space_truncation_m", "near_surface_truncation_m"):
            value = getattr(self, name)
            require(value > 0, f"loss.{name}", value, "a positive number of metres")
        scale = self.termination_scale
        require(scale > 0, "loss.termination_scale", scale, "a positive number")

    @property
    def lidar_weights(self) -> list[str]:
        """Names of the weights above 0 whose losses want LiDAR."""
        return [name for name in _MEASURING if getattr(self, name) > 0]

    @property
    def compares_images(self) -> bool:
        """Whether some loss looks into other images of the clip."""
        return any(getattr(self, name) > 0 for name in _COMPARING)

    @property
    def sweeps_planes(self) -> bool:
        """Whether some loss reads a plane sweep."""
        return max(self.sweep_weight, self.sweep_distance_weight, self.depth_sweep_weight) > 0

    def check_no_images_compared(self) -> None:
        """Refuse the losses that compare images, for clips of a single one."""
        for name in _COMPARING:
            weight = getattr(self, name)
            what = "0 for clips of one image (raise clip.frames or name more of clip.cameras)"
            require(weight <= 0, f"loss.{name}", weight, what)
