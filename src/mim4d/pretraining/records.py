"""The records of a step of pre-training: what was drawn, and what the model made of it.

Frames' volumes and rays lie in their own ego axes (metres). `b t` are clips and frames; `m` joins
clips with their dropped frames, `k` to a clip.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from mim4d.rendering.rays import Rays
from mim4d.rendering.renderer import Rendering


@dataclass(frozen=True)
class StepChoices:
    """Every random choice of one step. Rays are those of each frame, in its own ego axes.

    Attributes:
        visible: Patches the encoder may see.
        dropped: The frames of each clip that are dropped and rebuilt; none (`k` = 0) where clips
            have one frame.
        rays: Rays of all frames; the leading axis is (b t).
        direct_jitter: Sample positions of the direct renderings, uniform in [0, 1).
        predicted_jitter: The same for the rebuilt frames.
    """

    visible: Bool[Tensor, "b t n hp wp"]
    dropped: Int[Tensor, "b k"]
    rays: Rays
    direct_jitter: list[Float[Tensor, "b*t r"]]
    predicted_jitter: list[Float[Tensor, "b*k r"]]


@dataclass(frozen=True)
class Reconstruction:
    """What one forward pass gives.

    Attributes:
        direct: Renderings of frames' own volumes; the leading axis joins clips and frames.
        direct_frames: The frames of each clip that they are of: every one, or the dropped ones.
        direct_rays: Their rays.
        predicted: Renderings of the rebuilt frames; the leading axis is (b k). None without any.
        predicted_frames: The frames of each clip that they are of: the dropped ones.
        predicted_rays: Their rays, in the same order.
        depth_probs: The encoder's depth distributions, at its finest level.
        flow_mean: Renderings of the mean of the dropped frames' sources with motion removed, along
            the rebuilt frames' rays; None without a flow.
        scene_flow: Velocities, m/s along the dropped frames' ego axes, in the same order as what is
            rebuilt; None without a flow.
    """

    direct: Rendering
    direct_frames: Int[Tensor, "b f"]
    direct_rays: Rays
    predicted: Rendering | None
    predicted_frames: Int[Tensor, "b k"]
    predicted_rays: Rays
    depth_probs: Float[Tensor, "b t n d hf wf"]
    flow_mean: Rendering | None = None
    scene_flow: Float[Tensor, "m 3 z y x"] | None = None


@dataclass(frozen=True)
class Rebuilt:
    """Dropped frames rebuilt from others, clips and dropped frames joined: m = (b k).

    Attributes:
        volume: In the frame's ego axes.
        scene_flow: Velocity of what each voxel holds, m/s along the frame's ego axes, ego motion
            removed; None without a flow.
        flow_mean: Mean of the sources with that motion removed; None without a flow.
    """

    volume: Float[Tensor, "m c z y x"]
    scene_flow: Float[Tensor, "m 3 z y x"] | None = None
    flow_mean: Float[Tensor, "m c z y x"] | None = None
