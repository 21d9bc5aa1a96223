"""Config to objects: the one place that reads a config and wires the parts."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from mim4d.augment_config import AugmentConfig
from mim4d.config import GridConfig, RenderConfig, RunConfig
from mim4d.data.augment.clip_augmentation import (
    BevRanges,
    ClipAugmentation,
    ColourRanges,
    ImageRanges,
)
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.encoder_config import EncoderConfig
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.models.camera_aware_head import CameraAwareDepthHead
from mim4d.models.depth_head import AsppDepthHead, DepthBins, DepthHead, Norm
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.efficientnet import MaskedEfficientNet
from mim4d.models.encoder.masked_encoder import EncoderOptions, MaskedEncoder
from mim4d.models.encoder.masking import PatchMasking
from mim4d.models.encoder.resnet import MaskedResNet
from mim4d.models.encoder.weights import lite0_imagenet, read_weights
from mim4d.models.lifting.lifting import Lifting
from mim4d.models.lifting.lookup import lift_by_lookup
from mim4d.models.lifting.splat import lift_by_splat
from mim4d.models.neck import FeaturePyramid
from mim4d.models.video_encoder import VideoEncoder
from mim4d.models.volume_conv import VolumeConv
from mim4d.pretraining.dropping import Dropping
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.photometric.patch_cost import Patch
from mim4d.pretraining.photometric.terms import PhotometricOptions
from mim4d.pretraining.ray_choice import RaySampling
from mim4d.rendering.renderer import NeusRenderer
from mim4d.rendering.sdf_field import SdfField
from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.temporal.decoder import FrameDecoder, TemporalDecoder
from mim4d.temporal.scene_flow import FlowSearch, SceneFlow


def build_grid(config: GridConfig) -> VoxelGrid:
    """The voxel grid."""
    pose = box_pose(config.origin_m, config.rotation_deg)
    return VoxelGrid(config.lower_m, config.upper_m, config.shape_xyz, pose)


def build_lifted_grid(config: RunConfig) -> VoxelGrid:
    """The grid whose voxel centres are where features are looked up and frames are warped to."""
    grid = build_grid(config.grid)
    if config.conventions.lifted_at == "centre" or config.lift.method == "splat":
        return grid
    return grid.shifted(-0.5)


def build_field_grid(config: RunConfig) -> VoxelGrid:
    """The grid on which volumes are read when they are rendered."""
    grid = build_grid(config.grid)
    if config.conventions.volume_spans == "faces":
        return grid
    return VoxelGrid.from_centres(grid.lower_m, grid.upper_m, grid.shape_xyz, grid.ego_from_box)


def build_depth_head(config: RunConfig) -> DepthHead:
    """The depth head that the config names."""
    lift, channels = config.lift, config.encoder.neck_channels
    bins = DepthBins(lift.num_bins, lift.first_bin_m, lift.last_bin_m)
    match lift.depth_head:
        case "camera_aware":
            return CameraAwareDepthHead(channels, bins)
        case "simple":
            return DepthHead(channels, bins)
        case "aspp":
            norm: Norm = "batch" if config.conventions.norms == "batch" else "layer"
            return AsppDepthHead(channels, bins, lift.aspp_channels, norm)


def choose_lifting(config: RunConfig) -> Lifting:
    """The lifting that the config names."""
    if config.lift.method == "lookup":
        return partial(lift_by_lookup, maps_span=config.conventions.maps_span)
    return partial(lift_by_splat, sample_at=config.conventions.lifted_at)


def build_image_encoder(config: EncoderConfig) -> MaskedEncoder:
    """The masked image encoder that the config names, with the weights it starts from."""
    weights = None
    if config.weights_file is not None:
        weights = read_weights(config.weights_file)
    elif config.weights == "lite0_imagenet":
        weights = lite0_imagenet()
    options = EncoderOptions(
        out_stages=config.levels,
        drop_path_rate=config.drop_path_rate,
        frozen_stages=config.frozen_stages,
        norm_eval=config.norm_eval,
        mask_token=config.mask_token,
        checkpoint_blocks=config.checkpoint_blocks,
        weights=weights,
        init=config.init,
    )
    name, depths, widths = config.name, config.depths, config.widths
    match config.family:
        case "convnext":
            return MaskedConvNeXt(name, options, depths, widths, config.layer_scale_init)
        case "resnet":
            return MaskedResNet(name, options, depths, widths)
        case "efficientnet":
            return MaskedEfficientNet(name, options)


def build_video_encoder(config: RunConfig) -> VideoEncoder:
    """Clip to volumes: the part that pre-training leaves behind."""
    encoder, lift = config.encoder, config.lift
    image_encoder = build_image_encoder(encoder)
    channels = encoder.neck_channels
    return VideoEncoder(
        image_encoder,
        FeaturePyramid(image_encoder.channels, channels, encoder.lift_levels),
        build_depth_head(config),
        VolumeConv(
            channels,
            lift.volume_channels,
            norm="batch" if config.conventions.norms == "batch" else "group",
        ),
        choose_lifting(config),
        build_lifted_grid(config),
        lift.normalise,
        half_precision=config.precision == "bf16",
    )


def build_dropping(config: RunConfig) -> Dropping:
    """Which frames are dropped; none of a clip of one frame."""
    mask = config.mask
    count = mask.num_dropped if config.clip.frames > 1 else 0
    return Dropping(mask.dropped_frame, count, mask.dropped_together)


def build_ray_sampling(config: RenderConfig) -> RaySampling:
    """Which rays are rendered in training."""
    return RaySampling(
        config.rays_per_camera,
        config.near_m,
        config.use_lidar,
        config.lidar_points,
        config.sky_fraction,
        config.occlusion_cell_px,
        config.rays_on,
    )


def build_decoder(config: RunConfig) -> FrameDecoder | None:
    """What rebuilds a dropped frame from the others: the method, or a baseline.

    None where no frame is dropped.
    """
    if build_dropping(config).count == 0:
        return None
    temporal, shape_xyz = config.temporal, config.grid.shape_xyz
    conventions = config.conventions
    match temporal.decoder:
        case "copy":
            return NearestFrame()
        case "mean":
            return MeanFrame()
        case "attention":
            return TemporalDecoder(
                config.lift.volume_channels,
                shape_xyz[2],
                width=temporal.width,
                long_width=temporal.width // temporal.reduction,
                short_heads=temporal.short_heads,
                long_heads=temporal.long_heads,
                num_points=temporal.points,
                num_layers=temporal.layers,
                short_ffn_width=2 * temporal.width,
                long_ffn_width=temporal.long_ffn_factor * (temporal.width // temporal.reduction),
                start_from_mean=conventions.start_from_mean,
                positional_sources=(
                    _num_sources(config) if conventions.sources_by == "position" else None
                ),
                grid_yx=(
                    (shape_xyz[1], shape_xyz[0]) if conventions.queries == "per_cell" else None
                ),
                branches=temporal.branches,
            )


def _num_sources(config: RunConfig) -> int:
    """Frames that each dropped frame is rebuilt from."""
    dropping = build_dropping(config)
    return config.clip.frames - (dropping.count if dropping.together else 1)


def length_unit_m(config: GridConfig) -> float:
    """Unit of length of the field's decoders, metres: the grid's largest absolute bound."""
    return max(abs(side) for side in (*config.lower_m, *config.upper_m))


def build_flow(config: RunConfig) -> SceneFlow | None:
    """What finds the motion between the sources; None where it is not asked for, or none is."""
    flow = config.flow
    if not flow.enabled or build_dropping(config).count == 0:
        return None
    search = FlowSearch(
        max_speed_m_s=flow.max_speed_m_s,
        step_m_s=flow.step_m_s,
        heights_m=flow.heights_m,
        static_prior=flow.static_prior,
    )
    return SceneFlow(config.encoder.neck_channels, build_grid(config.grid), flow.width, search)


def build_model(config: RunConfig) -> MaskedVideoModel:
    """The whole pre-training model, with random weights (or those the config names)."""
    render, mask, conventions = config.render, config.mask, config.conventions
    grid = build_grid(config.grid)
    channels = config.lift.volume_channels
    field = SdfField(
        build_field_grid(config),
        channels,
        hidden=render.hidden,
        sdf_layers=render.sdf_layers,
        colour_layers=render.colour_layers,
        length_unit_m=length_unit_m(config.grid),
        sdf_start=render.sdf_start,
        sharpness_start_per_m=render.sharpness_start_per_m,
    )
    renderer = NeusRenderer(
        field,
        num_samples=render.num_samples,
        num_importance=render.num_importance,
        importance_sharpness_per_m=conventions.importance_sharpness_per_m,
        sample_at=conventions.samples_at,
        alpha_epsilon=conventions.alpha_epsilon,
        chunk_rays=render.chunk_rays,
    )
    return MaskedVideoModel(
        build_video_encoder(config),
        build_decoder(config),
        renderer,
        PatchMasking(mask.ratio, mask.patch_px, mask.shared_over_time),
        build_dropping(config),
        build_ray_sampling(render),
        direct_frames=render.direct_frames,
        # Last, so that the random weights of everything else are the same without it.
        scene_flow=build_flow(config),
        bounds=grid,
    )


def build_comparison(config: RunConfig) -> PhotometricOptions | None:
    """How the losses compare images; None if none of them does."""
    options = config.photometric
    if not config.loss.compares_images:
        return None
    return PhotometricOptions(
        sources=options.sources,
        downscale=options.downscale,
        patch=Patch(options.patch_side, options.patch_step_px),
        depths=options.sweep_depths,
        temperature=options.temperature,
    )


def build_augmentation(config: AugmentConfig) -> ClipAugmentation:
    """What training clips may undergo."""
    return ClipAugmentation(
        ImageRanges(config.image_scale, config.image_flip),
        ColourRanges(
            config.brightness,
            config.contrast,
            config.saturation,
            math.radians(config.hue_deg),
            config.colours_by,
        ),
        BevRanges(
            math.radians(config.bev_rotation_deg),
            config.bev_scale,
            config.bev_flip_x,
            config.bev_flip_y,
        ),
    )


def build_dataset(
    config: RunConfig,
    data: Path,
    scenes: str | SceneChoice,
    version: str | None = None,
    on_bad_clip: Literal["fail", "skip"] = "fail",
) -> NuscenesDataset:
    """Clips of a data set, as the config wants them.

    Args:
        config: The resolved configuration.
        data: Folder of the data set.
        scenes: Name of a split, or a choice of scenes. A data set that lists no splits has only
            one: all its scenes.
        version: Version folder, where there are several.
        on_bad_clip: What to do with clips that cannot be read.

    Raises:
        ValueError: If the data are wrong, or no scene is left.
    """
    clip = config.clip
    return NuscenesDataset(
        data,
        version=version,
        frames=clip.frames,
        key=clip.key,
        frame_interval_s=clip.frame_interval_s,
        image_hw=(clip.image_height, clip.image_width),
        fit=clip.fit,
        cameras=clip.cameras,
        lidar=clip.lidar,
        scenes=SceneChoice(scenes) if isinstance(scenes, str) else scenes,
        on_bad_clip=on_bad_clip,
        body_masks=clip.body_masks,
        sky_masks=clip.sky_masks,
        augmentation=build_augmentation(config.augment),
    )


def without_weights_file(config: RunConfig) -> RunConfig:
    """The same config for a model whose weights come from a checkpoint."""
    encoder = replace(config.encoder, weights_file=None, weights="random")
    return replace(config, encoder=encoder)
