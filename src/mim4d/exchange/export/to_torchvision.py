"""The image encoder as a torchvision model: ConvNeXt of any size, and the ResNets it has.

Files load with `strict=True` into a model whose last linear layer (`classifier[2]`, `fc`) is an
identity, since there are no classes. The norm of the last stage is ConvNeXt's `classifier[0]`.
"""

import re
from dataclasses import dataclass
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from mim4d.config.encoder import EncoderConfig
from mim4d.exchange.export.exported import (
    Exported,
    backbone_weights,
    feature_difference,
    input_metadata,
    linear_pointwise,
    output_norms,
    require_all_stages,
    require_plain_convnext,
    stages_of,
)
from mim4d.models.encoder.convnext import MaskedConvNeXt
from mim4d.models.encoder.masked_encoder import MaskedEncoder
from mim4d.models.encoder.resnet import MaskedResNet

_RESNET_WIDTHS = (64, 128, 256, 512)
_BLOCK_LAYERS = {
    "conv_dw": "block.0",
    "norm": "block.2",
    "mlp.fc1": "block.3",
    "mlp.fc2": "block.5",
}


@dataclass(frozen=True)
class _Twin:
    """torchvision's model of a run's encoder.

    Attributes:
        model: With an identity in the place of its last linear layer.
        weights: Ours, by its names.
        maker: Import, and the expression that makes it.
        last: Name of the linear layer.
    """

    model: Any
    weights: dict[str, Tensor]
    maker: tuple[str, str]
    last: str


def to_torchvision(encoder: MaskedEncoder, config: EncoderConfig) -> Exported:
    """Weights that torchvision's model loads with `strict=True`.

    Args:
        encoder: In evaluation mode.
        config: What it was built from.

    Raises:
        ValueError: If torchvision has no such model.
    """
    require_all_stages(encoder, "torchvision")
    if isinstance(encoder, MaskedConvNeXt):
        require_plain_convnext(encoder, config.name, "torchvision")
        twin = _convnext(encoder, config)
    elif isinstance(encoder, MaskedResNet):
        twin = _resnet(encoder, config)
    else:
        raise ValueError(
            f"encoder.name {config.name}: torchvision has no model of the same layers (its "
            "EfficientNets have others); export it with --to timm"
        )
    twin.model.eval().load_state_dict(twin.weights, strict=True)
    return Exported(
        twin.weights,
        model=f"torchvision {twin.maker[1]}",
        load=_load_lines(twin),
        output_norms=output_norms(encoder),
        metadata={"architecture": config.name} | input_metadata(encoder),
        left_out=("neck and depth head: torchvision's classifiers have none",),
        difference=feature_difference(
            encoder, twin.model, lambda images: torchvision_features(twin.model, images)
        ),
    )


def torchvision_features(model: Any, images: Tensor) -> list[Tensor]:
    """The four stages' maps of a torchvision ConvNeXt or ResNet, of strides 4 to 32."""
    maps = []
    if isinstance(model, ConvNeXt):
        for layer in model.features:
            images = layer(images)
            maps.append(images)
        return maps[1::2]
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        maps.append(x)
    return maps


def _convnext(encoder: MaskedConvNeXt, config: EncoderConfig) -> _Twin:
    depths = [len(blocks) for blocks in stages_of(encoder)]
    widths = [blocks[0].conv_dw.in_channels for blocks in stages_of(encoder)]
    following = [*widths[1:], None]
    sizes = list(zip(widths, following, depths, strict=True))
    model = ConvNeXt([CNBlockConfig(*size) for size in sizes])
    model.classifier[2] = nn.Identity()
    weights = {
        _convnext_name(name): value
        for name, value in linear_pointwise(backbone_weights(encoder)).items()
    }
    for name, value in weights.items():
        if name.endswith("layer_scale"):
            weights[name] = value[:, None, None]
    for name, value in encoder.out_norms[-1].state_dict().items():
        weights[f"classifier.0.{name}"] = value
    if _has_own_sizes(config):
        imported = "from torchvision.models.convnext import CNBlockConfig, ConvNeXt"
        made = f"ConvNeXt([CNBlockConfig(*size) for size in {sizes}])"
        return _Twin(model, weights, (imported, made), "classifier[2]")
    return _Twin(model, weights, _named(config.name), "classifier[2]")


def _convnext_name(ours: str) -> str:
    """Name in timm to that in torchvision: `features` are stem, stage, downsampling, stage, ..."""
    name = re.sub(r"^stem\.", "features.0.", ours)
    if match := re.fullmatch(r"stages\.(\d)\.downsample\.(.*)", name):
        return f"features.{2 * int(match[1])}.{match[2]}"
    if match := re.fullmatch(r"stages\.(\d)\.blocks\.(\d+)\.(.*)", name):
        layer, _, word = match[3].rpartition(".")
        rest = f"{_BLOCK_LAYERS[layer]}.{word}" if layer else "layer_scale"
        return f"features.{2 * int(match[1]) + 1}.{match[2]}.{rest}"
    return name


def _resnet(encoder: MaskedResNet, config: EncoderConfig) -> _Twin:
    if config.widths not in (None, _RESNET_WIDTHS):
        raise ValueError(
            f"encoder.widths {config.widths}: torchvision's ResNets have stages of "
            f"{_RESNET_WIDTHS} channels only; export it with --to timm"
        )
    stages = stages_of(encoder)
    depths = [len(blocks) for blocks in stages]
    second = stages[0][0].conv2
    groups, width = second.groups, second.out_channels // second.groups
    block = Bottleneck if hasattr(stages[0][0], "conv3") else BasicBlock
    model = ResNet(block, depths, groups=groups, width_per_group=width)
    model.fc = nn.Identity()
    weights = backbone_weights(encoder)
    if _has_own_sizes(config):
        imported = f"from torchvision.models.resnet import {block.__name__}, ResNet"
        made = f"ResNet({block.__name__}, {depths}, groups={groups}, width_per_group={width})"
        return _Twin(model, weights, (imported, made), "fc")
    return _Twin(model, weights, _named(config.name), "fc")


def _has_own_sizes(config: EncoderConfig) -> bool:
    """Whether torchvision has no function of that name that makes the model."""
    has_name = config.name in torchvision.models.list_models(module=torchvision.models)
    return not (has_name and config.depths is None and config.widths is None)


def _named(name: str) -> tuple[str, str]:
    return f"from torchvision.models import {name}", f"{name}()"


def _load_lines(twin: _Twin) -> str:
    imported, made = twin.maker
    return "\n".join(
        [
            "from safetensors.torch import load_file",
            "from torch import nn",
            imported,
            "",
            f"model = {made}",
            f"model.{twin.last} = nn.Identity()  # there are no classes",
            'model.load_state_dict(load_file("{weights}"), strict=True)',
        ]
    )
