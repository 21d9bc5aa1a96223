"""Everything random of one step of pre-training, drawn clip by clip.

Enter a model (for what it hides, drops and renders), a batch, and a generator for each clip. Leave
the `StepChoices`, with which a step can be repeated exactly, and the `StepTargets` that were
measured where they look: the LiDAR points among which rays are drawn are a random part of each
sweep, so that both are made together.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from mim4d.data.clip import Clip, ego_from_camera, separate
from mim4d.models.encoder.masking import enlarge_mask, hide_padding
from mim4d.pretraining.dropping import draw_dropped
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.ray_choice import RaySampling, build_rays, choose_rays
from mim4d.pretraining.records import StepChoices
from mim4d.pretraining.targets import (
    CellTargets,
    StepTargets,
    frame_points_ego,
    measure_cells,
    on_body_of_frames,
)
from mim4d.rendering.rays import Rays, RayTargets
from mim4d.tensors.records import join, take


def draw_step(
    model: MaskedVideoModel, clip: Clip, generators: Sequence[torch.Generator]
) -> tuple[StepChoices, StepTargets]:
    """Draw one step.

    What is drawn for a clip depends on the clip and on its own generator alone, not on the batch
    it is in.

    Args:
        model: Its masking, dropping, sampling of rays and renderer say what is drawn.
        clip: The batch.
        generators: One per clip, on the CPU, so that the choices do not depend on the device.
    """
    drawn = [_draw(model, c, g) for c, g in zip(separate(clip), generators, strict=True)]
    return join([choices for choices, _ in drawn]), join([targets for _, targets in drawn])


def draw_cells(
    model: MaskedVideoModel, clip: Clip, generators: Sequence[torch.Generator]
) -> tuple[Bool[Tensor, "b t n hp wp"], CellTargets]:
    """What a step of depth alone needs of `draw_step`: visible patches, and the cells' depths."""
    drawn = [_draw_cells(model, c, g) for c, g in zip(separate(clip), generators, strict=True)]
    return torch.cat([visible for _, visible, _ in drawn]), join([cells for _, _, cells in drawn])


def _draw_cells(
    model: MaskedVideoModel, clip: Clip, generator: torch.Generator
) -> tuple[Clip, Bool[Tensor, "1 t n hp wp"], CellTargets]:
    """Draw for a single clip: its points that are looked at, patches, and depths of cells."""
    clip = _draw_points(clip, model.sampling.lidar_points, generator)
    visible = model.masking.draw(clip.images.shape, generator).to(clip.images.device)
    visible = hide_padding(visible, clip.image_sizes, model.masking.patch_px)
    stride = model.encoder.image_encoder.strides[0]
    return clip, visible, measure_cells(clip, stride, model.sampling.use_lidar)


def _draw(
    model: MaskedVideoModel, clip: Clip, generator: torch.Generator
) -> tuple[StepChoices, StepTargets]:
    """Draw for a single clip. The order of the draws is part of what a seed means."""
    clip, visible, cell_targets = _draw_cells(model, clip, generator)
    dropped = draw_dropped(model.dropping, clip.num_frames, clip.key, generator)
    dropped = dropped.unsqueeze(0).to(clip.images.device)
    rays, ray_targets = _draw_rays(model, clip, visible, generator)
    draw_jitter = model.renderer.draw_jitter
    choices = StepChoices(
        visible=visible,
        dropped=dropped,
        rays=rays,
        direct_jitter=draw_jitter(rays, generator),
        predicted_jitter=draw_jitter(take(rays, dropped.flatten()), generator),
    )
    return choices, StepTargets(ray_targets, cell_targets)


def _draw_points(clip: Clip, count: int, generator: torch.Generator) -> Clip:
    """The clip with a random part of each sweep; a whole one holds far more than is looked at.

    The same row numbers are kept in every sweep, which says nothing about where they point.
    """
    num_points = clip.points_ref.shape[2]
    if num_points <= count:
        return clip
    kept = torch.randperm(num_points, generator=generator)[:count]
    kept = kept.to(clip.points_ref.device)
    points, valid = clip.points_ref[:, :, kept], clip.valid_points[:, :, kept]
    return replace(clip, points_ref=points, valid_points=valid)


def _draw_rays(
    model: MaskedVideoModel,
    clip: Clip,
    visible: Bool[Tensor, "b t n hp wp"],
    generator: torch.Generator,
) -> tuple[Rays, RayTargets]:
    """Rays of every frame, in its own ego axes, and what they should see."""
    sampling = model.sampling
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
        padded_hw=(clip.images.shape[-2], clip.images.shape[-1]),
        rays_per_camera=sampling.per_camera,
        lidar_share=sampling.lidar_share,
        clear_sky=sampling.clear_sky,
        generator=generator,
        min_distance_m=sampling.near_m,
        sky_fraction=sampling.sky_fraction,
        occlusion_cell_px=sampling.occlusion_cell_px,
        excluded=_excluded_pixels(clip, visible, sampling, model.masking.patch_px),
    )
    images = clip.images.flatten(0, 1)
    return build_rays(choice, images, intrinsics, poses, model.bounds, sampling.near_m)


def _excluded_pixels(
    clip: Clip, visible: Bool[Tensor, "b t n hp wp"], sampling: RaySampling, patch_px: int
) -> Bool[Tensor, "m n h w"] | None:
    """Pixels without rays, frames joined with the batch; None if there are none."""
    excluded = []
    if clip.on_body is not None:
        excluded.append(on_body_of_frames(clip.on_body, clip.num_frames))
    if clip.in_sky is not None:
        excluded.append(clip.in_sky.flatten(0, 1))
    if sampling.on == "hidden":
        excluded.append(enlarge_mask(visible.flatten(0, 1), patch_px))
    return torch.stack(excluded).any(dim=0) if excluded else None
