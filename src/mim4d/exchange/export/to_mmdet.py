"""Image encoder, neck and depth head under the names of detectors of the mmdet3d line.

`mmdet` has the names of mmdet's ResNet and FPN and of mmpretrain's (mmcls's) ConvNeXt, as
BEVFormer, MapTR, VAD and BEVDet build them; `uvtr` those of the ConvNeXt that UVTR and MIM4D carry
themselves, with `input_proj` and `depth_net` beside. Backbones stand under `img_backbone.`, necks
under `img_neck.`, so that one file serves `load_from` and, by its prefixes, `init_cfg`.
"""

import re

from torch import Tensor, nn

from mim4d.config.encoder import EncoderConfig
from mim4d.exchange.export.exported import (
    Exported,
    backbone_weights,
    input_metadata,
    linear_pointwise,
    require_plain_convnext,
    rounded,
    stages_of,
)
from mim4d.exchange.official.checkpoint_layout import OfficialLayout
from mim4d.exchange.official.translate import Conventions, to_official
from mim4d.models.camera_aware_head import CameraAwareDepthHead
from mim4d.models.channel_norm import ChannelLayerNorm
from mim4d.models.depth_head import AsppDepthHead
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.masked_encoder import MaskedEncoder
from mim4d.models.encoder.resnet import MaskedResNet
from mim4d.models.video_encoder import VideoEncoder

_RESNETS = r"resnet(18|34|50|101|152)|resnext(50|101|152)_(\d+)x(\d+)d"


def to_mmdet(encoder: VideoEncoder, config: EncoderConfig) -> Exported:
    """Weights for mmpretrain's ConvNeXt with mmdet's FPN, or for mmdet's ResNet.

    Args:
        encoder: In evaluation mode.
        config: What it was built from.

    Raises:
        ValueError: If there is no such backbone.
    """
    images = encoder.image_encoder
    if isinstance(images, MaskedConvNeXt):
        require_plain_convnext(images, config.name, "mmpretrain")
        official = official_weights(encoder, with_depth_head=False)
        kind = ['type="mmpretrain.ConvNeXt", gap_before_final_norm=False,']
        parts = {"img_backbone": kind + _stage_lines(images), "img_neck": _neck_lines(encoder)}
        return Exported(
            {_mmpretrain_name(name): value for name, value in official.items()},
            metadata=input_metadata(images),
            model="mmpretrain's ConvNeXt and mmdet's FPN",
            load=_config_lines(images, parts, by_part=True),
            left_out=(_no_head(encoder), *_neck_remarks(encoder)),
        )
    if isinstance(images, MaskedResNet):
        parts = {"img_backbone": _resnet_lines(images, config)}
        weights = {f"img_backbone.{k}": v for k, v in backbone_weights(images).items()}
        return Exported(
            weights,
            metadata=input_metadata(images),
            model="mmdet's ResNet",
            load=_config_lines(images, parts, by_part=True),
            left_out=(_NO_NECK, _no_head(encoder)),
        )
    raise ValueError(
        f"encoder.name {config.name}: mmdet and mmpretrain have no EfficientNet of timm's layers; "
        "export it with --to timm and wrap it as mmpretrain.TIMMBackbone"
    )


def to_uvtr(encoder: VideoEncoder, config: EncoderConfig) -> Exported:
    """Weights for the detectors of UVTR and MIM4D, under the names of their own ConvNeXt.

    Args:
        encoder: In evaluation mode.
        config: What it was built from.

    Raises:
        ValueError: If the encoder is no ConvNeXt of theirs.
    """
    images = encoder.image_encoder
    if not isinstance(images, MaskedConvNeXt):
        raise ValueError(
            f"encoder.name {config.name}: UVTR's own backbone is a ConvNeXt; its ResNet is mmdet's "
            "(--to mmdet)"
        )
    require_plain_convnext(images, config.name, "UVTR")
    has_head = _has_their_depth_head(encoder)
    head = () if has_head else ("depth head: not one of UVTR's (simple, or aspp with batch norms)",)
    backbone = ['type="MaskConvNeXt", norm_out=True,', *_stage_lines(images)]
    parts = {"img_backbone": backbone, "img_neck": _neck_lines(encoder)}
    load = _config_lines(images, parts, by_part=False)
    if has_head:
        bins = encoder.depth_head.bins
        span = f"centres from {bins.first_m} to {bins.last_m} m"
        load += f"  # with input_proj and depth_net: {bins.num} bins, {span}"
    return Exported(
        official_weights(encoder, with_depth_head=has_head),
        metadata=input_metadata(images),
        model="UVTR's MaskConvNeXt, mmdet's FPN" + (" and the depth head" if has_head else ""),
        load=load,
        left_out=(*head, *_neck_remarks(encoder)),
    )


_NO_NECK = (
    "neck: ours reads maps behind a layer norm, which mmdet's ResNet does not have; the detector's "
    "own is trained anew"
)


def _no_head(encoder: VideoEncoder) -> str:
    is_convnext = isinstance(encoder.image_encoder, MaskedConvNeXt)
    hint = " (--to uvtr has it)" if is_convnext and _has_their_depth_head(encoder) else ""
    return f"depth head: these detectors have none of the same layers{hint}"


def _neck_remarks(encoder: VideoEncoder) -> tuple[str, ...]:
    outputs, inputs = len(encoder.neck.outputs), len(encoder.neck.laterals)
    if outputs == inputs:
        return ()
    missing = ", ".join(f"`img_neck.fpn_convs.{level}`" for level in range(outputs, inputs))
    return (f"{missing}: outputs that the run does not use; FPN builds them and begins them anew",)


def official_weights(encoder: VideoEncoder, with_depth_head: bool) -> dict[str, Tensor]:
    """Encoder, neck and perhaps depth head by the names of the authors' release."""
    parts = {"encoder.image_encoder": linear_pointwise(backbone_weights(encoder.image_encoder))}
    parts["encoder.image_encoder.out_norms"] = encoder.image_encoder.out_norms.state_dict()
    parts["encoder.neck"] = encoder.neck.state_dict()
    if with_depth_head:
        parts["encoder.depth_head"] = encoder.depth_head.state_dict()
    ours = {f"{part}.{k}": v for part, state in parts.items() for k, v in state.items()}
    return to_official(ours, _layout(encoder), Conventions())


def _layout(encoder: VideoEncoder) -> OfficialLayout:
    """The detector of the release that has these parts."""
    images, blocks = encoder.image_encoder, stages_of(encoder.image_encoder)
    return OfficialLayout(
        kind="detector",
        depths=_four([len(stage) for stage in blocks]),
        widths=_four([stage[0].conv_dw.in_channels for stage in blocks]),
        levels=images.out_stages,
        mask_token=False,
        neck_channels=_neck_channels(encoder),
        neck_outputs=len(encoder.neck.outputs) + len(encoder.neck.extras),
        depth_head="aspp" if isinstance(encoder.depth_head, AsppDepthHead) else "simple",
        num_bins=encoder.depth_head.bins.num,
        aspp_channels=0,
        volume_channels=0,
        decoder=None,
        field=None,
    )


def _four(sizes: list[int]) -> tuple[int, int, int, int]:
    """Sizes of four stages; 0 for those that the encoder does not have."""
    first, second, third, fourth = [*sizes, 0, 0, 0][:4]
    return first, second, third, fourth


def _neck_channels(encoder: VideoEncoder) -> int:
    lateral = encoder.neck.laterals[0]
    assert isinstance(lateral, nn.Conv2d)
    return lateral.out_channels


def _has_their_depth_head(encoder: VideoEncoder) -> bool:
    head = encoder.depth_head
    layer_norms = any(isinstance(module, ChannelLayerNorm) for module in head.modules())
    return not isinstance(head, CameraAwareDepthHead) and not layer_norms


def _mmpretrain_name(official: str) -> str:
    """The name in mmpretrain of what the authors' ConvNeXt calls `dwconv` and `pwconv1`."""
    return official.replace(".dwconv.", ".depthwise_conv.").replace(".pwconv", ".pointwise_conv")


def _stage_lines(images: MaskedConvNeXt) -> list[str]:
    """Arguments that all ConvNeXts of mmcv's kind share."""
    blocks = stages_of(images)
    depths = [len(stage) for stage in blocks]
    channels = [stage[0].conv_dw.in_channels for stage in blocks]
    return [
        f"arch=dict(depths={depths}, channels={channels}),",
        f"out_indices={list(images.out_stages)},",
    ]


def _resnet_lines(images: MaskedResNet, config: EncoderConfig) -> list[str]:
    """Arguments of mmdet's ResNet or ResNeXt.

    Raises:
        ValueError: If mmdet has no such model.
    """
    match = re.fullmatch(_RESNETS, config.name)
    own_sizes = (config.depths, config.widths) != (None, None)
    if match is None or own_sizes:
        found = f"{config.name} of own depths or widths" if own_sizes else config.name
        raise ValueError(
            f"encoder.name: mmdet builds ResNet-18 to 152 and ResNeXt-50 to 152 as they are, not "
            f"{found}; export it with --to timm and wrap it as mmpretrain.TIMMBackbone"
        )
    kind, grouped = "ResNet", []
    if match[2]:
        kind, grouped = "ResNeXt", [f"groups={match[3]}, base_width={match[4]},"]
    return [
        f'type="{kind}", depth={match[1] or match[2]}, style="pytorch",',
        *grouped,
        f"num_stages={images.out_stages[-1] + 1}, out_indices={list(images.out_stages)},",
        'norm_cfg=dict(type="BN", requires_grad=True), norm_eval=True,',
    ]


def _config_lines(images: MaskedEncoder, parts: dict[str, list[str]], by_part: bool) -> str:
    """The part of a detector's configuration that fits the weights.

    Args:
        images: Ours.
        parts: Arguments of `img_backbone` and, where the file has it, of `img_neck`.
        by_part: Load each part by its `init_cfg`; otherwise all of the file by `load_from`.
    """
    mean, std = rounded(images.mean, 255.0), rounded(images.std, 255.0)
    lines = [f"img_norm_cfg = dict(mean={mean}, std={std}, to_rgb=True)", "model = dict("]
    for name, arguments in parts.items():
        given = f'type="Pretrained", checkpoint="{{weights}}", prefix="{name}."'
        init = [f"init_cfg=dict({given}),"] if by_part else []
        body = [f"        {line}" for line in [*arguments, *init]]
        lines += [f"    {name}=dict(", *body, "    ),"]
    lines.append(")")
    return "\n".join(lines if by_part else [*lines, 'load_from = "{weights}"'])


def _neck_lines(encoder: VideoEncoder) -> list[str]:
    """Arguments of mmdet's FPN, which has at least an output per input."""
    inputs, extras = list(encoder.image_encoder.channels), len(encoder.neck.extras)
    channels = _neck_channels(encoder)
    lines = [
        f'type="FPN", in_channels={inputs}, out_channels={channels},',
        f"num_outs={len(inputs) + extras},",
    ]
    if extras:
        lines.append('add_extra_convs="on_output", relu_before_extra_convs=False,')
    return lines
