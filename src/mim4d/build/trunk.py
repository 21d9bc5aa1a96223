"""Config to the trunk: the voxel grid and the encoder that turns clips into volumes."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

from torch import nn

from mim4d.config import GridConfig, TrunkConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.geometry.voxel_grid import VoxelGrid, box_pose
from mim4d.models.camera_aware_head import CameraAwareDepthHead
from mim4d.models.depth_head import AsppDepthHead, DepthBins, DepthHead
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.efficientnet import MaskedEfficientNet
from mim4d.models.encoder.masked_encoder import EncoderOptions, MaskedEncoder
from mim4d.models.encoder.resnet import MaskedResNet
from mim4d.models.encoder.weights import lite0_imagenet, read_weights
from mim4d.models.lifting.lifting import Lifting
from mim4d.models.lifting.light import LIGHT_CHANNELS, lift_light
from mim4d.models.lifting.lookup import lift_by_lookup
from mim4d.models.lifting.splat import lift_by_splat
from mim4d.models.neck import FeaturePyramid
from mim4d.models.video_encoder import VideoEncoder
from mim4d.models.volume_conv import VolumeConv

Config = TypeVar("Config", bound=TrunkConfig)


def build_grid(config: GridConfig) -> VoxelGrid:
    """The voxel grid."""
    pose = box_pose(config.origin_m, config.rotation_deg)
    return VoxelGrid(config.lower_m, config.upper_m, config.shape_xyz, pose)


def build_lifted_grid(config: TrunkConfig) -> VoxelGrid:
    """The grid whose voxel centres are where features are looked up and frames are warped to."""
    grid = build_grid(config.grid)
    if config.conventions.lifted_at == "centre" or config.lift.method == "splat":
        return grid
    return grid.shifted(-0.5)


def build_depth_head(config: TrunkConfig) -> DepthHead:
    """The depth head that the config names."""
    lift, channels = config.lift, config.encoder.neck_channels
    bins = DepthBins(lift.num_bins, lift.first_bin_m, lift.last_bin_m)
    match lift.depth_head:
        case "camera_aware":
            return CameraAwareDepthHead(channels, bins)
        case "simple":
            return DepthHead(channels, bins)
        case "aspp":
            if config.conventions.norms == "batch":
                return AsppDepthHead(channels, bins, lift.aspp_channels, nn.BatchNorm2d)
            return AsppDepthHead(channels, bins, lift.aspp_channels)


def choose_lifting(config: TrunkConfig) -> Lifting:
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
        renormalise_after=config.renormalise_after,
        mask_token=config.mask_token,
        checkpoint_stages=config.checkpoint_stages if config.checkpoint_blocks else 0,
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


def _build_volume_conv(config: TrunkConfig) -> nn.Module:
    """One convolution of volumes, or several one after the other."""
    channels, batch_norms = config.lift.volume_channels, config.conventions.norms == "batch"
    lifted = config.encoder.neck_channels + LIGHT_CHANNELS * config.lift.light
    sizes = [lifted, *[channels] * config.lift.volume_layers]
    layers = [
        VolumeConv(size, channels, nn.BatchNorm3d(channels) if batch_norms else None)
        for size in sizes[:-1]
    ]
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def build_video_encoder(config: TrunkConfig) -> VideoEncoder:
    """Clip to volumes: the part that pre-training leaves behind."""
    encoder, lift = config.encoder, config.lift
    image_encoder = build_image_encoder(encoder)
    channels = encoder.neck_channels
    return VideoEncoder(
        image_encoder,
        FeaturePyramid(image_encoder.channels, channels, encoder.lift_levels),
        build_depth_head(config),
        _build_volume_conv(config),
        choose_lifting(config),
        build_lifted_grid(config),
        lift.normalise,
        light=partial(lift_light, maps_span=config.conventions.maps_span) if lift.light else None,
        exposure=lift.exposure,
        half_precision=config.precision == "bf16",
    )


def without_weights_file(config: Config) -> Config:
    """The same config for a model whose weights come from a checkpoint."""
    encoder = replace(config.encoder, weights_file=None, weights="random")
    return replace(config, encoder=encoder)
