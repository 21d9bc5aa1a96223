"""The pre-training model; `forward` is the figure of MIM4D (arXiv 2403.08760).

Hide patches, encode and lift every frame, drop frames, rebuild their volumes from the others, and
prove both the direct volumes and the rebuilt ones by rendering them into the cameras. Everything
random arrives as `StepChoices`, so that a step can be repeated exactly.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.profiler import record_function

from mim4d.data.clip import Clip, separate
from mim4d.geometry.camera import project
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.rigid import compose, invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.camera_rays import cell_rays
from mim4d.models.encoder.masking import PatchMasking, enlarge_mask, hide_padding
from mim4d.models.video_encoder import EncodedClip, VideoEncoder, ego_from_camera
from mim4d.pretraining.dropping import Dropping, draw_dropped, source_frames
from mim4d.pretraining.joining import join
from mim4d.pretraining.ray_choice import RaySampling, at_pixels, build_rays, choose_rays
from mim4d.pretraining.step import Rebuilt, Reconstruction, Sources, StepChoices, take
from mim4d.rendering.rays import Rays, RayTargets
from mim4d.rendering.renderer import NeusRenderer, Rendering
from mim4d.temporal.decoder import FrameDecoder
from mim4d.temporal.scene_flow import SceneFlow, align_sources, shared_mean
from mim4d.temporal.warp import Warp, warp_volume


def frame_points_ego(clip: Clip) -> Float[Tensor, "m p 3"]:
    """LiDAR points of every frame in its own ego axes, frames joined with the batch."""
    ego_from_ref = invert_rigid(clip.ref_from_ego)
    return transform_points(ego_from_ref, clip.points_ref).flatten(0, 1)


def _on_body_of_frames(
    on_body: Bool[Tensor, "b n h w"], num_frames: int
) -> Bool[Tensor, "m n h w"]:
    """Where cameras see their own car, frames joined with the batch."""
    return repeat(on_body, "b n h w -> (b t) n h w", t=num_frames)


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

    def forward(self, clip: Clip, choices: StepChoices) -> Reconstruction:
        """One step: see the module's text."""
        max_cells = self.masking.max_visible(clip.images.shape)
        encoded = self.encoder.encode(clip, choices.visible, max_cells)
        volumes = encoded.volumes
        own_frames, direct, own = self._render_direct(volumes, clip, choices)
        rays, targets = self._rays_of_dropped(clip, choices)
        rebuilt, predicted, flow_mean = None, None, None
        if choices.dropped.shape[1] > 0:
            rebuilt = self.rebuild(encoded, clip, choices.dropped)
            with record_function("render"):
                predicted = self.renderer(rebuilt.volume, rays, choices.predicted_jitter)
                if rebuilt.flow_mean is not None:
                    flow_mean = self.renderer(rebuilt.flow_mean, rays, choices.predicted_jitter)
        return Reconstruction(
            direct,
            own_frames,
            *own,
            predicted,
            rays,
            targets,
            encoded.depth_probs,
            flow_mean,
            None if rebuilt is None else rebuilt.scene_flow,
        )

    def _render_direct(
        self, volumes: Float[Tensor, "b t c z y x"], clip: Clip, choices: StepChoices
    ) -> tuple[Int[Tensor, "b f"], Rendering, tuple[Rays, RayTargets]]:
        """Frames' own volumes: of which frames, how they look, and along which rays."""
        rays, targets = choices.rays, choices.targets
        joined, jitter = volumes.flatten(0, 1), choices.direct_jitter
        frames = torch.arange(clip.num_frames, device=volumes.device)
        frames = frames.expand(clip.batch_size, -1)
        if self.direct_frames == "dropped" and choices.dropped.shape[1] > 0:
            frames, index = choices.dropped, self._joined_index(clip, choices.dropped)
            rays, targets = take(rays, index), take(targets, index)
            joined, jitter = joined[index], [draw[index] for draw in jitter]
        with record_function("render"):
            return frames, self.renderer(joined, rays, jitter), (rays, targets)

    @staticmethod
    def _joined_index(clip: Clip, frames: Int[Tensor, "b k"]) -> Int[Tensor, " m"]:
        """Places of some frames of each clip along the joined axis (b t)."""
        clips = torch.arange(clip.batch_size, device=frames.device)[:, None]
        return (clips * clip.num_frames + frames).flatten()

    def _rays_of_dropped(self, clip: Clip, choices: StepChoices) -> tuple[Rays, RayTargets]:
        """Rays and targets of the dropped frames, (b k) joined.

        No ray is valid of a frame without images, or of one all of whose sources are without: what
        the decoder says of it rests on nothing.
        """
        b = torch.arange(clip.batch_size, device=choices.dropped.device)[:, None]
        frames = self._joined_index(clip, choices.dropped)
        rays, targets = take(choices.rays, frames), take(choices.targets, frames)
        sources = source_frames(choices.dropped, clip.num_frames, self.dropping.together)
        has_source = clip.frame_seen[b.unsqueeze(-1), sources].any(dim=-1)
        counts = (clip.frame_seen[b, choices.dropped] & has_source).flatten()
        return replace(rays, valid=rays.valid & counts.unsqueeze(1)), targets

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
                return Rebuilt(self.decoder(seen.warped, seen.valid, seen.dt_s, seen.present))
            # Features are shaped by what is rendered of them, not to make matching easy.
            lifted = self.sources(encoded.lifted.detach(), clip, dropped)
            flow = self.scene_flow(lifted.warped, lifted.valid, lifted.dt_s, lifted.present)
            aligned, share = align_sources(
                seen.warped, seen.valid, seen.dt_s, seen.present, flow, self.encoder.grid
            )
            mean = shared_mean(aligned, share)
            volume = self.decoder(aligned, share > 0.5, seen.dt_s, seen.present, mean)
            return Rebuilt(volume, flow, mean)

    def sources(
        self, volumes: Float[Tensor, "b t c z y x"], clip: Clip, dropped: Int[Tensor, "b k"]
    ) -> Sources:
        """The other frames' volumes in the dropped frames' axes."""
        frames = source_frames(dropped, clip.num_frames, self.dropping.together)
        b = torch.arange(clip.batch_size, device=dropped.device)[:, None]
        all_b = b.unsqueeze(-1)
        ego_from_ref = invert_rigid(clip.ref_from_ego)
        ref_from_target = clip.ref_from_ego[b, dropped].unsqueeze(2)
        source_from_target = compose(ego_from_ref[all_b, frames], ref_from_target)
        warped, valid = self.warp(
            volumes[all_b, frames].flatten(0, 2),
            source_from_target.flatten(0, 2),
            self.encoder.grid,
        )
        present = clip.frame_seen[all_b, frames].flatten(0, 1)
        warped = rearrange(warped, "(m s) ... -> m s ...", m=len(present))
        valid = rearrange(valid, "(m s) ... -> m s ...", m=len(present))
        times = clip.frame_times_s
        dt_s = (times[all_b, frames] - times[b, dropped].unsqueeze(2)).flatten(0, 1)
        return Sources(warped, valid & present[:, :, None, None, None], dt_s, present)

    def draw_choices(self, clip: Clip, generators: Sequence[torch.Generator]) -> StepChoices:
        """Draw everything random of one step, clip by clip.

        What is drawn for a clip depends on the clip and on its own generator alone, not on the
        batch it is in.

        Args:
            clip: The batch.
            generators: One per clip, on the CPU, so that the choices do not depend on the device.
        """
        clips = separate(clip)
        return join([self._draw(c, g) for c, g in zip(clips, generators, strict=True)])

    def _draw(self, clip: Clip, generator: torch.Generator) -> StepChoices:
        """Draw for a single clip."""
        clip = self._draw_points(clip, generator)
        device = clip.images.device
        visible = self.masking.draw(clip.images.shape, generator).to(device)
        visible = hide_padding(visible, clip.image_sizes, self.masking.patch_px)
        dropped = draw_dropped(self.dropping, clip.num_frames, clip.key, generator)
        dropped = dropped.unsqueeze(0).to(device)
        rays, targets = self._draw_rays(clip, visible, generator)
        cell_depths, valid_cells, cell_ground_depths = self._cell_depths(clip)
        draw_jitter = self.renderer.draw_jitter
        return StepChoices(
            visible=visible,
            dropped=dropped,
            rays=rays,
            targets=targets,
            cell_depths=cell_depths,
            valid_cells=valid_cells,
            cell_ground_depths=cell_ground_depths,
            direct_jitter=draw_jitter(rays, generator),
            predicted_jitter=draw_jitter(take(rays, dropped.flatten()), generator),
        )

    def _draw_points(self, clip: Clip, generator: torch.Generator) -> Clip:
        """The clip with a random part of each sweep; a whole one holds far more than is looked at.

        The same row numbers are kept in every sweep, which says nothing about where they point.
        """
        num_points = clip.points_ref.shape[2]
        if num_points <= self.sampling.lidar_points:
            return clip
        kept = torch.randperm(num_points, generator=generator)[: self.sampling.lidar_points]
        kept = kept.to(clip.points_ref.device)
        points, valid = clip.points_ref[:, :, kept], clip.valid_points[:, :, kept]
        return replace(clip, points_ref=points, valid_points=valid)

    def _draw_rays(
        self, clip: Clip, visible: Bool[Tensor, "b t n hp wp"], generator: torch.Generator
    ) -> tuple[Rays, RayTargets]:
        sampling = self.sampling
        intrinsics = clip.intrinsics.flatten(0, 1)
        poses = ego_from_camera(clip).flatten(0, 1)
        valid_points = clip.valid_points.flatten(0, 1)
        choice = choose_rays(
            clip.image_sizes.flatten(0, 1),
            clip.image_present.flatten(0, 1),
            intrinsics,
            poses,
            frame_points_ego(clip),
            valid_points if sampling.use_lidar else torch.zeros_like(valid_points),
            rays_per_camera=sampling.per_camera,
            generator=generator,
            min_distance_m=sampling.near_m,
            sky_fraction=sampling.sky_fraction,
            occlusion_cell_px=sampling.occlusion_cell_px,
            excluded=self._excluded_pixels(clip, visible),
        )
        images = clip.images.flatten(0, 1)
        return build_rays(choice, images, intrinsics, poses, self.bounds, sampling.near_m)

    def _excluded_pixels(
        self, clip: Clip, visible: Bool[Tensor, "b t n hp wp"]
    ) -> Bool[Tensor, "m n h w"] | None:
        """Pixels without rays, frames joined with the batch; None if there are none."""
        excluded = []
        if clip.on_body is not None:
            excluded.append(_on_body_of_frames(clip.on_body, clip.num_frames))
        if clip.in_sky is not None:
            excluded.append(clip.in_sky.flatten(0, 1))
        if self.sampling.on == "hidden":
            excluded.append(enlarge_mask(visible.flatten(0, 1), self.masking.patch_px))
        return torch.stack(excluded).any(dim=0) if excluded else None

    def _cell_depths(self, clip: Clip) -> tuple[Tensor, Tensor, Tensor]:
        """LiDAR depth in each cell of the finest feature map, where there is one, and the road's.

        No cell is valid without LiDAR.
        """
        b, t, n, _, h, w = clip.images.shape
        stride = self.encoder.image_encoder.strides[0]
        points_ref = repeat(clip.points_ref, "b t p k -> (b t n) p k", n=n)
        camera_from_ref = invert_rigid(clip.ref_from_camera).flatten(0, 2)
        usable = clip.valid_points.unsqueeze(2) & clip.image_present.unsqueeze(3)
        usable = usable & self.sampling.use_lidar
        points_camera = transform_points(camera_from_ref, points_ref)
        if clip.on_body is not None:
            on_body = _on_body_of_frames(clip.on_body, t).flatten(0, 1)
            pixels, _ = project(clip.intrinsics.flatten(0, 2), points_camera)
            usable = usable & ~at_pixels(on_body, pixels).view(b, t, n, -1)
        extent = torch.tensor([h, w], device=points_ref.device).expand(b * t * n, 2)
        lattice = (h // stride, w // stride)
        depth, _, found = nearest_points(
            points_camera,
            usable.flatten(0, 2),
            clip.intrinsics.flatten(0, 2),
            extent.float(),
            lattice,
            central_share=0.5,
        )
        poses = ego_from_camera(clip).flatten(0, 2)
        ground = cell_rays(clip.intrinsics.flatten(0, 2), poses, (h, w), lattice).ground_depth
        found_at, exists, road_at = (v.unflatten(0, (b, t, n)) for v in (depth, found, ground))
        return found_at, exists, road_at
