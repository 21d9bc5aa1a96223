"""The pre-training model; `forward` is the figure of MIM4D (arXiv 2403.08760).

Hide patches, encode and lift every frame, drop frames, rebuild their volumes from the others, and
prove both the direct volumes and the rebuilt ones by rendering them into the cameras. Everything
random arrives as `StepChoices` (see `draw.py`), so that a step can be repeated exactly.
"""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.profiler import record_function

from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.encoder.masking import PatchMasking
from mim4d.models.video_encoder import EncodedClip, VideoEncoder
from mim4d.pretraining.dropping import Dropping, joined_index, source_frames
from mim4d.pretraining.ray_choice import RaySampling
from mim4d.pretraining.records import Rebuilt, Reconstruction, StepChoices
from mim4d.rendering.rays import Rays
from mim4d.rendering.renderer import NeusRenderer, Rendering
from mim4d.temporal.decoder import FrameDecoder
from mim4d.temporal.scene_flow import SceneFlow, align_sources, shared_mean
from mim4d.temporal.sources import Sources, gather_sources
from mim4d.temporal.warp import Warp, warp_volume
from mim4d.tensors.records import take


class MaskedVideoModel(nn.Module):
    """Masked modelling of multi-camera video.

    Args:
        encoder: Clip to volumes.
        decoder: The other frames' volumes to a dropped frame's; None where none is dropped.
        renderer: Volume and rays to colour and distance.
        masking: Which patches are hidden.
        dropping: Which frames are dropped.
        sampling: Which rays are rendered.
        direct_frames: Frames whose own volumes are rendered: all, or those dropped (all frames of
            clips from which none is dropped).
        scene_flow: Sources to velocities; None takes the sources as they are.
        bounds: The box inside which rays are rendered; None takes that of the encoder's grid.
        warp: Brings a source's volume into the dropped frame's axes.
        rendering_teaches_depth: Let what is rendered teach the depth distributions, and not only
            the losses of their own.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        decoder: FrameDecoder | None,
        renderer: NeusRenderer,
        masking: PatchMasking,
        dropping: Dropping,
        sampling: RaySampling,
        direct_frames: Literal["all", "dropped"] = "all",
        scene_flow: SceneFlow | None = None,
        bounds: VoxelGrid | None = None,
        warp: Warp = warp_volume,
        rendering_teaches_depth: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.renderer = renderer
        self.masking = masking
        self.dropping = dropping
        self.sampling = sampling
        self.direct_frames = direct_frames
        self.scene_flow = scene_flow
        self.bounds = encoder.grid if bounds is None else bounds
        self.warp = warp
        self.rendering_teaches_depth = rendering_teaches_depth

    def forward(self, clip: Clip, choices: StepChoices) -> Reconstruction:
        """One step: see the module's text."""
        max_cells = self.masking.max_visible(clip.images.shape)
        encoded = self.encoder.encode(
            clip, choices.visible, max_cells, self.rendering_teaches_depth
        )
        own_frames, own_rays, direct = self._render_direct(encoded.volumes, clip, choices)
        rays = self._rays_of_dropped(clip, choices)
        rebuilt, predicted, flow_mean = None, None, None
        if choices.dropped.shape[1] > 0:
            rebuilt = self.rebuild(encoded, clip, choices.dropped)
            with record_function("render"):
                predicted = self.renderer(rebuilt.volume, rays, choices.predicted_jitter)
                if rebuilt.flow_mean is not None:
                    flow_mean = self.renderer(rebuilt.flow_mean, rays, choices.predicted_jitter)
        return Reconstruction(
            direct=direct,
            direct_frames=own_frames,
            direct_rays=own_rays,
            predicted=predicted,
            predicted_frames=choices.dropped,
            predicted_rays=rays,
            depth_probs=encoded.depth_probs,
            flow_mean=flow_mean,
            scene_flow=None if rebuilt is None else rebuilt.scene_flow,
        )

    def depths(
        self, clip: Clip, visible: Bool[Tensor, "b t n hp wp"]
    ) -> Float[Tensor, "b t n d hf wf"]:
        """Depth distributions of every frame, patches hidden; nothing is lifted or rendered."""
        max_cells = self.masking.max_visible(clip.images.shape)
        return self.encoder.estimate_depths(clip, visible, max_cells)

    def _render_direct(
        self, volumes: Float[Tensor, "b t c z y x"], clip: Clip, choices: StepChoices
    ) -> tuple[Int[Tensor, "b f"], Rays, Rendering]:
        """Frames' own volumes: of which frames, along which rays, and how they look."""
        rays, joined, jitter = choices.rays, volumes.flatten(0, 1), choices.direct_jitter
        frames = torch.arange(clip.num_frames, device=volumes.device)
        frames = frames.expand(clip.batch_size, -1)
        if self.direct_frames == "dropped" and choices.dropped.shape[1] > 0:
            frames, index = choices.dropped, joined_index(choices.dropped, clip.num_frames)
            rays, joined = take(rays, index), joined[index]
            jitter = [draw[index] for draw in jitter]
        with record_function("render"):
            return frames, rays, self.renderer(joined, rays, jitter)

    def _rays_of_dropped(self, clip: Clip, choices: StepChoices) -> Rays:
        """Rays of the dropped frames, (b k) joined.

        No ray is valid of a frame without images, or of one all of whose sources are without: what
        the decoder says of it rests on nothing.
        """
        b = torch.arange(clip.batch_size, device=choices.dropped.device)[:, None]
        rays = take(choices.rays, joined_index(choices.dropped, clip.num_frames))
        sources = source_frames(choices.dropped, clip.num_frames, self.dropping.together)
        has_source = clip.frame_seen[b.unsqueeze(-1), sources].any(dim=-1)
        counts = (clip.frame_seen[b, choices.dropped] & has_source).flatten()
        return replace(rays, valid=rays.valid & counts.unsqueeze(1))

    def rebuild(self, encoded: EncodedClip, clip: Clip, dropped: Int[Tensor, "b k"]) -> Rebuilt:
        """Rebuild each clip's dropped frames from its other frames, in their own axes.

        What was encoded of a dropped frame is not read for it.

        Raises:
            ValueError: If the model has no decoder, being one from which no frame is dropped.
        """
        if self.decoder is None:
            raise ValueError("this model was made without dropped frames; it rebuilds none")
        with record_function("decode"):
            seen = self.sources(encoded.volumes, clip, dropped)
            if self.scene_flow is None:
                return Rebuilt(self.decoder(seen))
            # Features are shaped by what is rendered of them, not to make matching easy.
            lifted = self.sources(encoded.lifted.detach(), clip, dropped)
            flow = self.scene_flow(lifted)
            aligned, share = align_sources(seen, flow, self.encoder.grid)
            mean = shared_mean(aligned, share)
            return Rebuilt(self.decoder(aligned, mean), flow, mean)

    def sources(
        self, volumes: Float[Tensor, "b t c z y x"], clip: Clip, dropped: Int[Tensor, "b k"]
    ) -> Sources:
        """The other frames' volumes in the dropped frames' axes."""
        frames = source_frames(dropped, clip.num_frames, self.dropping.together)
        return gather_sources(volumes, clip, dropped, frames, self.encoder.grid, self.warp)
