"""What a model says about one frame: its own volume and the rebuilt one, both rendered.

Inputs are unmasked unless a mask is given. Volumes lie in the frame's ego axes, distances are along
the ray in metres: d̂ = Σw·d + (1 − Σw)·far.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.evaluation.view import EvaluatedView
from mim4d.models.encoder.masking import hide_padding
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.rendering.renderer import NeusRenderer, render_chunked
from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.tensors.records import take


@dataclass(frozen=True)
class RenderedFrame:
    """One frame seen through one volume, per camera.

    Attributes:
        colours: RGB in [0, 1].
        distances_m: Along the ray.
    """

    colours: Float[Tensor, "n h w 3"]
    distances_m: Float[Tensor, "n h w"]


@dataclass(frozen=True)
class FramePrediction:
    """One frame seen through both of its volumes.

    Attributes:
        direct: Through the volume of its own images.
        rebuilt: Through the volume made of the other frames; None in a clip of one frame.
    """

    direct: RenderedFrame
    rebuilt: RenderedFrame | None


@dataclass(frozen=True)
class FrameVolumes:
    """The volumes of one frame, in its ego axes.

    Attributes:
        direct: Of its own images.
        depth_probs: Of its own images, from which the volume was lifted.
        rebuilt: Made of the other frames; None in a clip of one frame.
        scene_flow: Velocities found in the other frames, m/s; None without a flow.
        copied: The nearest of the other frames, ego motion removed; None like `rebuilt`.
        averaged: The mean of the other frames, ego motion removed; None like `rebuilt`.
    """

    direct: Float[Tensor, "1 c z y x"]
    depth_probs: Float[Tensor, "n d hf wf"]
    rebuilt: Float[Tensor, "1 c z y x"] | None
    scene_flow: Float[Tensor, "1 3 z y x"] | None = None
    copied: Float[Tensor, "1 c z y x"] | None = None
    averaged: Float[Tensor, "1 c z y x"] | None = None


@torch.no_grad()
def frame_volumes(
    model: MaskedVideoModel,
    clip: Clip,
    frame: int,
    visible: Bool[Tensor, "b t n hp wp"] | None = None,
) -> FrameVolumes:
    """Encode a single clip (b = 1) and rebuild one of its frames.

    Args:
        model: In evaluation mode.
        clip: On the model's device.
        frame: The frame.
        visible: Patches the encoder may see; None shows all.
    """
    if visible is None:
        rows, columns = (size // model.masking.patch_px for size in clip.images.shape[-2:])
        shape = (*clip.images.shape[:3], rows, columns)
        visible = torch.ones(shape, dtype=torch.bool, device=clip.images.device)
    encoded = model.encoder.encode(
        clip, hide_padding(visible, clip.image_sizes, model.masking.patch_px)
    )
    own, probs = encoded.volumes[:, frame], encoded.depth_probs[0, frame]
    if model.decoder is None or clip.num_frames == 1:
        return FrameVolumes(own, probs, None)
    dropped = torch.tensor([[frame]], device=own.device)
    rebuilt = model.rebuild(encoded, clip, dropped)
    seen = model.sources(encoded.volumes, clip, dropped)
    copied, averaged = NearestFrame()(seen), MeanFrame()(seen)
    return FrameVolumes(own, probs, rebuilt.volume, rebuilt.scene_flow, copied, averaged)


def render_frame(
    renderer: NeusRenderer,
    volume: Float[Tensor, "1 c z y x"],
    clip: Clip,
    view: EvaluatedView,
    only: Bool[Tensor, "n h w"] | None = None,
) -> RenderedFrame:
    """Render the lattice of rays through a volume of the view's frame; leaves on the CPU.

    Args:
        renderer: In evaluation mode.
        volume: Of the view's frame.
        clip: On the renderer's device.
        view: The frame and the rays.
        only: Render these rays alone; the others are left zero. None renders all.
    """
    rays = view.rays(clip)
    if only is None:
        rendering = render_chunked(renderer, volume, rays)
        colours, distances = rendering.colours[0].cpu(), rendering.distances[0].cpu()
    else:
        colours, distances = torch.zeros(only.numel(), 3), torch.zeros(only.numel())
        index = only.flatten().nonzero().squeeze(1)
        if len(index):
            chosen = take(rays, (slice(None), index.to(rays.near.device)))
            rendering = render_chunked(renderer, volume, chosen)
            colours[index] = rendering.colours[0].cpu()
            distances[index] = rendering.distances[0].cpu()
    return RenderedFrame(view.images(colours), view.images(distances))


def predict_frame(
    model: MaskedVideoModel,
    clip: Clip,
    view: EvaluatedView,
    visible: Bool[Tensor, "b t n hp wp"] | None = None,
) -> FramePrediction:
    """Render one frame of a single clip from its own volume and from the rebuilt one.

    Args:
        model: In evaluation mode.
        clip: One clip (b = 1) on the model's device.
        view: The frame and the rays.
        visible: Patches the encoder may see; None shows all.
    """
    volumes = frame_volumes(model, clip, view.frame, visible)
    direct = render_frame(model.renderer, volumes.direct, clip, view)
    if volumes.rebuilt is None:
        return FramePrediction(direct, None)
    return FramePrediction(direct, render_frame(model.renderer, volumes.rebuilt, clip, view))
