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
    """Weights of the losses, and their constants. A weight of 0 leaves a loss out."""

    colour_weight: float = 10.0
    """Mean absolute colour error, colours in [0, 1]."""
    distance_weight: float = 0.195
    """Mean absolute distance error, per metre."""
    relative_distance_weight: float = 0.0
    """Mean relative distance error, |d̂ − d| / d: weighs near distances more."""
    log_distance_weight: float = 0.0
    """Mean |ln d̂ − ln d|. Too near and too far by the same factor cost the same; the relative
    error favours short guesses."""
    termination_weight: float = 0.0
    """Negative log-likelihood of the measured distance under the weights along its ray: light
    shall end there, not before and not beyond."""
    termination_scale: float = 0.1
    """Spread of measured distances in that likelihood, as ln(d̂ / d)."""
    eikonal_weight: float = 0.0
    """Mean squared difference between the length of the SDF's gradient and 1."""
    free_space_weight: float = 0.0
    """Mean amount by which the SDF is below `free_space_truncation_m` in front of LiDAR returns."""
    free_space_truncation_m: float = 0.5
    """Free space ends this far in front of the measured surface, metres."""
    near_surface_weight: float = 0.0
    """Mean error of the SDF around LiDAR returns, against the distance to the return."""
    near_surface_truncation_m: float = 1.5
    """Samples up to this far before and behind the measured surface are compared, metres."""
    near_surface_along: Literal["ray", "normal"] = "ray"
    """How that distance is measured. `ray`: along the ray, which is right for surfaces seen face
    on. `normal`: shortened by the angle between the ray and the current SDF's normal; on the road,
    the height above it."""
    depth_weight: float = 0.0
    """Cross-entropy of the lifting's depth distributions against LiDAR. The paper has no such
    loss: its depth is learned through rendering alone."""
    rendering_teaches_depth: bool = True
    """Let gradients of what is rendered pass through the lifting's depth distributions, as in the
    paper. Else these learn from their own losses (`depth_weight`, `depth_sweep_weight`), and
    rendering teaches the features that they are made of, volumes and renderer."""
    depth_alone_share: float = 0.0
    """Share of the steps, evenly spread, that teach the depth head alone: as many images as a whole
    step has, but of single frames of different clips, and nothing is lifted, rendered or rebuilt.
    Such a step takes little more than half of the time, and depth is learned from many scenes. 1
    teaches nothing else."""
    obstacle_weight: float = 0.0
    """Extra weight of LiDAR returns from obstacles (clearly before the road, within 25 m): with 4
    each counts five times. Obstacles are few, and learned last."""
    predicted_weight: float = 1.0
    """Weight of the rebuilt frame's losses; those of the direct volumes have 1."""
    photometric_weight: float = 0.0
    """Difference between images at the rendered distances (needs no LiDAR)."""
    sweep_weight: float = 0.0
    """Mismatch between the weights along a ray and a plane sweep through the other images."""
    sweep_distance_weight: float = 0.0
    """Relative error of the rendered distance against the surface that the weights along the ray
    and the plane sweep agree on."""
    depth_sweep_weight: float = 0.0
    """Mismatch between the lifting's depth distributions and the plane sweep."""
    smoothness_weight: float = 0.0
    """Edge-aware second-order smoothness of the lifting's expected inverse depth."""
    flow_render_weight: float = 0.5
    """Weight of the losses of the sources' mean with motion removed, rendered like the rebuilt
    frame. The four losses of the flow count only with `flow.enabled`."""
    flow_smoothness_weight: float = 0.0
    """Mean difference of the flow between neighbouring voxels, 1/s."""
    flow_static_weight: float = 0.0
    """Mean speed, m/s: keeps the flow at zero where the images do not show motion."""
    flow_label_weight: float = 0.0
    """Mean error of the flow against the velocities of annotated boxes, m/s, zero outside them.
    With it the flow is learned from labels."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str | bool):
                continue
            require(0 <= value < math.inf, f"loss.{field.name}", value, "a number, 0 or more")
        for name in ("free_space_truncation_m", "near_surface_truncation_m"):
            value = getattr(self, name)
            require(value > 0, f"loss.{name}", value, "a positive number of metres")
        share = self.depth_alone_share
        require(share <= 1, "loss.depth_alone_share", share, "a share: 0 to 1")
        taught = self.depth_weight > 0 or share == 0
        nothing = "0 where loss.depth_weight is 0: such steps would teach nothing"
        require(taught, "loss.depth_alone_share", share, nothing)
        taught = self.rendering_teaches_depth or self.depth_weight + self.depth_sweep_weight > 0
        only = "True where loss.depth_weight and loss.depth_sweep_weight are 0: nothing else would"
        require(taught, "loss.rendering_teaches_depth", self.rendering_teaches_depth, only)
        scale = self.termination_scale
        require(scale > 0, "loss.termination_scale", scale, "a positive number")

    def teaches_depth_alone(self, step: int) -> bool:
        """Whether a step teaches the depth head alone."""
        share = self.depth_alone_share
        return math.floor((step + 1) * share) > math.floor(step * share)

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
